//! `--rate`: batches at even distances. What was lost by waiting is not made up for, so that
//! a server that comes back is not met by a burst.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// When the next batch may be sent.
#[derive(Debug)]
pub(super) struct Pace {
    events_per_second: Option<u64>,
    next_at: Instant,
}

impl Pace {
    pub(super) fn new(events_per_second: Option<u64>) -> Pace {
        Pace {
            events_per_second,
            next_at: Instant::now(),
        }
    }

    /// Until the next batch may be sent.
    pub(super) async fn wait(&self) {
        if self.events_per_second.is_some() {
            sleep_until(self.next_at).await;
        }
    }

    /// So many events are sent from now on.
    pub(super) fn sends(&mut self, events: usize, now: Instant) {
        if let Some(rate) = self.events_per_second {
            // A batch that was a little late does not shift those after it.
            let is_in_time = now.saturating_duration_since(self.next_at) <= SLACK;
            let began = if is_in_time { self.next_at } else { now };
            self.next_at = began + spacing(events as u64, rate);
        }
    }
}

/// How late a batch may be without those after it being late too.
const SLACK: Duration = Duration::from_millis(20);

fn spacing(events: u64, rate: u64) -> Duration {
    Duration::from_secs_f64(events as f64 / rate as f64)
}

/// So few events a batch that the batches of a slow rate come evenly: ten a second.
pub(super) fn batch_for_rate(events_per_second: u64, most: u64) -> u64 {
    (events_per_second / 10).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_evenly_spaced_and_no_burst_follows_a_pause() {
        let mut pace = Pace::new(Some(100));
        let start = pace.next_at;
        pace.sends(50, start);
        assert_eq!(pace.next_at, start + Duration::from_millis(500));
        // A pause of ten seconds: half a second after it, and not at once.
        let late = start + Duration::from_secs(10);
        pace.sends(50, late);
        assert_eq!(pace.next_at, late + Duration::from_millis(500));
        // A timer that fires a little late does not make all that follows late.
        pace.sends(50, pace.next_at + Duration::from_millis(3));
        assert_eq!(pace.next_at, late + Duration::from_secs(1));
    }

    #[test]
    fn a_slow_rate_makes_small_batches() {
        assert_eq!(batch_for_rate(5, 1000), 1);
        assert_eq!(batch_for_rate(500, 1000), 50);
        assert_eq!(batch_for_rate(1_000_000, 1000), 1000);
    }
}
