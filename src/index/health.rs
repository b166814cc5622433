//! How the flushes fare.

use std::time::{Duration, SystemTime};

use super::error::IndexError;

/// Pauses between the first tries of a flush; after those each lasts `PAUSE_MAX`.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What went wrong with flushes. While they fail, events are still judged until the
/// delta is full, and the flush is tried again for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlushHealth {
    /// Tries that failed and were, or will be, followed by another; those of merges too.
    pub retries: u64,
    /// How often three tries in a row failed.
    pub failures: u64,
    /// Since when they fail, once three in a row have.
    pub failing_since: Option<SystemTime>,
    /// Why the last try failed; `None` again after one that succeeded.
    pub last_error: Option<String>,
}

/// Counts tries.
#[derive(Debug, Default)]
pub(super) struct Tries {
    shown: FlushHealth,
    /// How many have ended, for those who wait for one.
    pub(super) ended: u64,
    in_a_row: usize,
    first_failed: Option<SystemTime>,
    pub(super) last: Option<IndexError>,
}

impl Tries {
    pub(super) fn shown(&self) -> FlushHealth {
        self.shown.clone()
    }

    /// Whether three in a row have failed.
    pub(super) fn failing(&self) -> bool {
        self.shown.failing_since.is_some()
    }

    /// A flush succeeded.
    pub(super) fn succeeded(&mut self) {
        self.ended += 1;
        self.in_a_row = 0;
        self.first_failed = None;
        self.last = None;
        self.shown.failing_since = None;
        self.shown.last_error = None;
    }

    /// A flush failed. Returns how long to pause before the next try.
    pub(super) fn failed(&mut self, error: &IndexError) -> Duration {
        self.ended += 1;
        self.in_a_row += 1;
        let first = *self.first_failed.get_or_insert_with(SystemTime::now);
        self.merge_failed(error);
        self.last = Some(error.clone());
        if self.in_a_row == PAUSES.len() {
            self.shown.failures += 1;
            self.shown.failing_since = Some(first);
        }
        PAUSES.get(self.in_a_row - 1).copied().unwrap_or(PAUSE_MAX)
    }

    /// A merge failed, which costs nobody anything yet. Returns how long to pause merging.
    pub(super) fn merge_failed(&mut self, error: &IndexError) -> Duration {
        self.shown.retries += 1;
        self.shown.last_error = Some(error.to_string());
        PAUSE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_tries_are_one_failure_which_lasts_until_a_success() {
        let mut tries = Tries::default();
        let pauses: Vec<u128> = (0..5)
            .map(|_| tries.failed(&IndexError::DeltaFull).as_millis())
            .collect();
        assert_eq!(pauses, [50, 200, 800, 2000, 2000]);
        let shown = tries.shown();
        assert_eq!((shown.retries, shown.failures), (5, 1));
        assert!(shown.failing_since.is_some() && shown.last_error.is_some());
        tries.succeeded();
        let shown = tries.shown();
        assert_eq!((shown.retries, shown.failures), (5, 1));
        assert!(shown.failing_since.is_none() && shown.last_error.is_none());
    }
}
