//! How the flush thread goes about it. While there is time it offers the processor every now and
//! then: whoever wakes up where it runs would else wait until its slice is over, which is
//! milliseconds, and publishers wait for them. When it falls behind, or somebody waits for it, it
//! keeps what it has: on a busy machine offering costs most of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// For how long it keeps the processor. Tests, many at once, count how far merging comes meanwhile.
const KEPT: Duration = Duration::from_micros(if cfg!(test) { 5_000 } else { 100 });

/// Whether there is time; shared by the flush thread and those who know.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    in_haste: AtomicBool,
    begun: Instant,
    /// When it was offered last, in nanoseconds since it has begun.
    offered: AtomicU64,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace(Arc::new(Inner {
            in_haste: AtomicBool::new(false),
            begun: Instant::now(),
            offered: AtomicU64::new(0),
        }))
    }

    /// Says whether others wait, or soon will.
    pub(super) fn set_haste(&self, in_haste: bool) {
        self.0.in_haste.store(in_haste, Ordering::Relaxed);
    }

    /// Is called by the flush thread after anything that takes some microseconds.
    pub(super) fn give_way(&self) {
        let inner = &self.0;
        if inner.in_haste.load(Ordering::Relaxed) {
            return;
        }
        let now = || inner.begun.elapsed().as_nanos() as u64;
        let kept = now() - inner.offered.load(Ordering::Relaxed);
        if u128::from(kept) >= KEPT.as_nanos() {
            thread::yield_now();
            inner.offered.store(now(), Ordering::Relaxed);
        }
    }
}
