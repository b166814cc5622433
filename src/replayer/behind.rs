//! How far the fold is behind the log.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::Seq;

/// What is durable and not applied. What a replay still has to do was there before it and is
/// not counted.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Events.
    pub events: u64,
    /// Bytes of their frames.
    pub bytes: u64,
}

/// Counts the bytes that were applied.
#[derive(Debug)]
pub(super) struct AppliedBytes {
    /// What the log had when this process began; only frames behind it are counted.
    start: Seq,
    applied: AtomicU64,
    /// As many were durable when the last replay began.
    replayed: AtomicU64,
}

impl AppliedBytes {
    pub(super) fn new(start: Seq) -> AppliedBytes {
        AppliedBytes {
            start,
            applied: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
        }
    }

    /// A frame was applied.
    pub(super) fn add(&self, first_seq: Seq, frame_bytes: u64) {
        if first_seq > self.start {
            self.applied.fetch_add(frame_bytes, Ordering::Relaxed);
        }
    }

    /// The index begins anew, when this process has made `durable_bytes` of frames durable.
    pub(super) fn start_over(&self, durable_bytes: u64) {
        self.replayed.store(durable_bytes, Ordering::Relaxed);
        self.applied.store(0, Ordering::Relaxed);
    }

    /// How many of the frames that this process made durable are not applied.
    pub(super) fn behind(&self, durable_bytes: u64) -> u64 {
        let applied = self.applied.load(Ordering::Relaxed);
        durable_bytes.saturating_sub(applied.max(self.replayed.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_what_was_there_before_nor_a_replay_is_behind() {
        let bytes = AppliedBytes::new(Seq::new(9));
        bytes.add(Seq::new(1), 700);
        assert_eq!(bytes.behind(0), 0);
        assert_eq!(bytes.behind(300), 300);
        bytes.add(Seq::new(10), 100);
        assert_eq!(bytes.behind(300), 200);

        bytes.start_over(300);
        assert_eq!(bytes.behind(300), 0);
        assert_eq!(bytes.behind(350), 50, "published during the replay");
        bytes.add(Seq::new(1), 700);
        bytes.add(Seq::new(10), 100);
        bytes.add(Seq::new(11), 200);
        assert_eq!(bytes.behind(350), 50);
        bytes.add(Seq::new(12), 50);
        assert_eq!(bytes.behind(350), 0);
    }
}
