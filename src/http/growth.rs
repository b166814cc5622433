//! How fast the store grows, and how long the disk will last.
//!
//! The rule: the growth of the log's frames and of the index's database over the last hour, or
//! since the start when that is less, but over a minute at least. So a burst is spread over
//! an hour, and a quiet minute does not hide an hour that was not. What comes and goes
//! (prepared room, SQLite's WAL) is no growth.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::rates::SAMPLES_A_MINUTE;
use crate::store::{Disk, Sizes, Stats};

const MINUTES: usize = 60;
const SECONDS_A_DAY: f64 = 86_400.0;

/// As it is shown. All three are none while nothing can be told.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct GrowthFigures {
    growth_measured_seconds: Option<f64>,
    growth_bytes_per_day: Option<i64>,
    /// None as well when nothing grows.
    days_left: Option<f64>,
}

/// Sizes of the last hour, one a minute.
#[derive(Debug)]
pub(super) struct Growth {
    sizes: VecDeque<(Instant, Sizes)>,
    /// Nothing is said of a shorter time.
    least: Duration,
}

/// Room that can still be used, in bytes.
#[derive(Copy, Clone, Debug)]
struct Room {
    log: u64,
    /// None when the index takes of the same.
    index: Option<u64>,
}

impl Growth {
    /// Nothing is known yet. `sample_every` is how often counters are sampled; a minute has
    /// [`SAMPLES_A_MINUTE`] of them.
    pub(super) fn new(sample_every: Duration) -> Growth {
        Growth {
            sizes: VecDeque::new(),
            least: sample_every * SAMPLES_A_MINUTE as u32,
        }
    }

    /// Takes the sizes; to be called every minute.
    pub(super) fn note(&mut self, at: Instant, sizes: Sizes) {
        if self.sizes.len() == MINUTES {
            self.sizes.pop_front();
        }
        self.sizes.push_back((at, sizes));
    }

    /// What can be said now.
    pub(super) fn figures(
        &self,
        at: Instant,
        sizes: Option<Sizes>,
        stats: &Stats,
    ) -> GrowthFigures {
        let free = |disk: Disk| disk.free_bytes;
        match (sizes, stats.log_disk) {
            (Some(sizes), Some(disk)) => self.of(
                at,
                sizes,
                Room {
                    // Where publishing ends, that much is still free.
                    log: free(disk).saturating_sub(stats.min_free_bytes),
                    index: stats.index_disk.map(free),
                },
            ),
            _ => GrowthFigures::default(),
        }
    }

    fn of(&self, at: Instant, sizes: Sizes, room: Room) -> GrowthFigures {
        let Some((then, old)) = self.sizes.front() else {
            return GrowthFigures::default();
        };
        let measured = at.duration_since(*then);
        if measured < self.least {
            return GrowthFigures::default();
        }
        let seconds = measured.as_secs_f64();
        let a_day = |old: u64, new: u64| (new as f64 - old as f64) / seconds * SECONDS_A_DAY;
        let log = a_day(old.log_bytes, sizes.log_bytes);
        let index = a_day(old.index_bytes, sizes.index_bytes);
        let days_left = match room.index {
            None => days(room.log, log + index),
            Some(room_of_index) => {
                let both = [days(room.log, log), days(room_of_index, index)];
                both.into_iter().flatten().reduce(f64::min)
            }
        };
        GrowthFigures {
            growth_measured_seconds: Some(hundredths(seconds)),
            growth_bytes_per_day: Some((log + index).round() as i64),
            days_left,
        }
    }
}

fn days(room_bytes: u64, bytes_a_day: f64) -> Option<f64> {
    (bytes_a_day > 0.0).then(|| hundredths(room_bytes as f64 / bytes_a_day))
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn sizes(log_bytes: u64, index_bytes: u64) -> Sizes {
        Sizes {
            log_bytes,
            index_bytes,
        }
    }

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(count * 60)
    }

    const ROOM: Room = Room {
        log: 240 * GIB,
        index: None,
    };

    #[test]
    fn nothing_is_said_of_less_than_a_minute() {
        let begun = Instant::now();
        let mut growth = Growth::new(Duration::from_secs(5));
        let early = growth.of(begun, sizes(GIB, 0), ROOM);
        assert_eq!(early, GrowthFigures::default());
        growth.note(begun, sizes(0, 0));
        let early = growth.of(begun + Duration::from_secs(59), sizes(GIB, 0), ROOM);
        assert_eq!(early, GrowthFigures::default());
        let told = growth.of(begun + minutes(1), sizes(GIB, 0), ROOM);
        assert_eq!(told.growth_measured_seconds, Some(60.0));
        assert_eq!(told.growth_bytes_per_day, Some(1440 * GIB as i64));
        assert_eq!(told.days_left, Some(0.17));
    }

    #[test]
    fn a_burst_is_spread_over_an_hour_and_a_quiet_minute_forgets_nothing() {
        let begun = Instant::now();
        let mut growth = Growth::new(Duration::from_secs(5));
        for minute in 0..60 {
            growth.note(begun + minutes(minute), sizes(0, 0));
        }
        let burst = growth.of(begun + minutes(60), sizes(GIB, 0), ROOM);
        assert_eq!(burst.growth_bytes_per_day, Some(24 * GIB as i64));
        assert_eq!(burst.days_left, Some(10.0));
        growth.note(begun + minutes(60), sizes(GIB, 0));
        let quiet = growth.of(begun + minutes(61), sizes(GIB, 0), ROOM);
        assert_eq!(
            (quiet.growth_measured_seconds, quiet.days_left),
            (Some(3600.0), Some(10.0))
        );
        for minute in 61..=120 {
            growth.note(begun + minutes(minute), sizes(GIB, 0));
        }
        let still = growth.of(begun + minutes(121), sizes(GIB, 0), ROOM);
        assert_eq!(
            (still.growth_bytes_per_day, still.days_left),
            (Some(0), None)
        );
    }

    #[test]
    fn of_two_disks_the_one_that_is_full_first_counts() {
        let begun = Instant::now();
        let mut growth = Growth::new(Duration::from_secs(5));
        growth.note(begun, sizes(0, 5 * GIB));
        let day = begun + Duration::from_secs(86_400);
        let left = |index| {
            let room = Room { index, ..ROOM };
            growth.of(day, sizes(24 * GIB, 6 * GIB), room).days_left
        };
        assert_eq!(left(None), Some(9.6));
        assert_eq!(left(Some(3 * GIB)), Some(3.0));
        assert_eq!(left(Some(30 * GIB)), Some(10.0));
        let shrunk = growth.of(day, sizes(0, GIB), ROOM);
        assert_eq!(
            (shrunk.growth_bytes_per_day, shrunk.days_left),
            (Some(-4 * GIB as i64), None)
        );
    }
}
