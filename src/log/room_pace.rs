//! How fast room is made: it shares the disk with the writer, whose syncs wait for what is
//! under way. So it is spread over half of the time in which it will be needed.

use std::time::{Duration, Instant};

/// After each piece nothing is written for as long as it took at least, but no longer than this:
/// so that the writer has its share of the disk.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// Room is spread over no more time than this, or a burst would find too little.
const SPREAD_MAX: Duration = Duration::from_secs(1);

/// What the pace follows from.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When room was taken last, and how much.
    taken: Option<(Instant, u64)>,
    /// In how much time the next is to be made.
    spread: Duration,
}

impl Pace {
    /// So much room is taken. The next is to be there when half of it is used, if that goes on
    /// as with the one before.
    pub(super) fn was_taken(&mut self, bytes: u64, now: Instant) {
        if let Some((at, before_bytes)) = self.taken.replace((now, bytes)) {
            let share = (bytes as f64 / before_bytes.max(1) as f64).min(1e6);
            let lasted = now.saturating_duration_since(at);
            self.spread = SPREAD_MAX.min(lasted.min(2 * SPREAD_MAX).mul_f64(share / 2.0));
        }
    }

    /// How long to pause after a piece that took so long, when this share is made in this time.
    pub(super) fn pause(&self, made_share: f64, elapsed: Duration, took: Duration) -> Duration {
        let due = self.spread.mul_f64(made_share);
        due.saturating_sub(elapsed).max(took).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// Room of these sizes was taken, one second apart.
    fn taken(sizes: &[u64]) -> Pace {
        let mut pace = Pace::default();
        let begun = Instant::now();
        for (place, bytes) in sizes.iter().enumerate() {
            pace.was_taken(*bytes, begun + Duration::from_secs(place as u64));
        }
        pace
    }

    #[test]
    fn room_is_there_when_half_of_the_one_before_is_used() {
        let pace = taken(&[64, 64]);
        assert_eq!(pace.pause(0.1, 30 * MILLI, MILLI), 20 * MILLI);
        assert_eq!(pace.pause(1.0, 499 * MILLI, MILLI / 2), MILLI);
        // Late: no more than its share of the disk.
        assert_eq!(pace.pause(0.1, 60 * MILLI, 3 * MILLI), 3 * MILLI);
        // A larger one lasts longer.
        let pace = taken(&[32, 64]);
        assert_eq!(pace.pause(0.01, Duration::ZERO, MILLI), 10 * MILLI);
    }

    #[test]
    fn no_pause_is_long_whatever_the_rate_was() {
        for sizes in [&[][..], &[64], &[1, u64::MAX], &[u64::MAX, 0], &[0, 64]] {
            let pace = taken(sizes);
            assert!(pace.pause(1.0, Duration::ZERO, Duration::MAX) <= 50 * MILLI);
            assert!(pace.pause(0.04, Duration::ZERO, MILLI) <= 40 * MILLI);
        }
        let mut idle = Pace::default();
        let begun = Instant::now();
        idle.was_taken(64, begun);
        idle.was_taken(64, begun + Duration::from_secs(1_000_000));
        assert_eq!(idle.pause(0.01, Duration::ZERO, MILLI), 10 * MILLI);
    }
}
