//! What the applying thread, the flush thread and queries share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard,
    RwLockWriteGuard,
};
use std::time::{Duration, Instant};

use super::delta::{Delta, DeltaRoom};
use super::error::IndexError;
use super::health::Tries;
use super::options::IndexOptions;
use super::pace::Pace;
use super::run_set::RunSet;
use super::topics::Topics;
use crate::event::Seq;

/// The runs as of one commit. Whoever holds it can read them also when they are removed.
pub(super) type Runs = Arc<RunSet>;

/// The state above SQLite. Deltas, runs and the flushed watermark change together.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) active: Delta,
    /// Being flushed; dropped only after its commit.
    pub(super) frozen: Option<Arc<Delta>>,
    pub(super) topics: Topics,
    pub(super) runs: Runs,
    pub(super) flushed: Seq,
}

impl Live {
    /// How many entries wait for a flush.
    pub(super) fn waiting(&self) -> u64 {
        self.active.len() + self.frozen.as_ref().map_or(0, |frozen| frozen.len())
    }
}

/// What the flush thread is told and tells.
#[derive(Debug, Default)]
pub(super) struct Signal {
    pub(super) stop: bool,
    /// There is something to look at.
    pub(super) woken: bool,
    /// Flush at least up to here without delay.
    pub(super) flush_upto: Seq,
    /// What only waits for its time is not flushed before this.
    pub(super) not_before: Option<Instant>,
    pub(super) tries: Tries,
    /// What there is room for of filters was read, or could not be.
    pub(super) loaded: bool,
    /// The thread has ended.
    pub(super) gone: bool,
}

impl Signal {
    /// Whether somebody waits for the end, or for more than is flushed.
    fn is_waited_for(&self, flushed: Seq) -> bool {
        self.stop || self.flush_upto > flushed
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: IndexOptions,
    pub(super) pace: Pace,
    live: RwLock<Live>,
    /// For the next delta.
    room: Mutex<DeltaRoom>,
    signal: Mutex<Signal>,
    to_worker: Condvar,
    from_worker: Condvar,
    damage: OnceLock<String>,
    closed: AtomicBool,
    /// For tests: how many pages the database may have; 0 for any number.
    #[cfg(test)]
    pub(super) pages_max: std::sync::atomic::AtomicI64,
}

/// When the next flush is due.
pub(super) enum Due {
    Now(Arc<Delta>),
    At(Instant),
    Never,
}

impl Shared {
    pub(super) fn new(options: IndexOptions, live: Live) -> Shared {
        Shared {
            options,
            pace: Pace::new(),
            live: RwLock::new(live),
            room: Mutex::default(),
            signal: Mutex::default(),
            to_worker: Condvar::new(),
            from_worker: Condvar::new(),
            damage: OnceLock::new(),
            closed: AtomicBool::new(false),
            #[cfg(test)]
            pages_max: std::sync::atomic::AtomicI64::new(0),
        }
    }

    /// Nobody panics while writing, short of a bug, so what is behind a poisoned lock is
    /// whole; a panic in `apply` is remembered as damage all the same.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(|poisoned| {
            self.remember_damage("a thread panicked");
            poisoned.into_inner()
        })
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(|poisoned| {
            self.remember_damage("a thread panicked");
            poisoned.into_inner()
        })
    }

    pub(super) fn signal(&self) -> MutexGuard<'_, Signal> {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> MutexGuard<'_, DeltaRoom> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the room of a delta that was flushed, unless somebody still reads it.
    pub(super) fn reuse(&self, flushed: Arc<Delta>) {
        if let Some(delta) = Arc::into_inner(flushed) {
            let room = delta.into_room();
            *self.room() = room;
        }
    }

    /// # Errors
    /// [`IndexError::Closed`] after the end, [`IndexError::Damaged`] once damage was
    /// noticed anywhere.
    pub(super) fn check(&self) -> Result<(), IndexError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(IndexError::Closed);
        }
        self.damage()
            .map_or(Ok(()), |what| Err(IndexError::damaged(what)))
    }

    /// From now on nothing is looked up or applied.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }

    pub(super) fn remember_damage(&self, what: &str) {
        // The first that was noticed is the one to tell.
        self.damage.get_or_init(|| what.to_owned());
    }

    /// Passes a result on, remembering damage.
    pub(super) fn watch<T>(&self, result: Result<T, IndexError>) -> Result<T, IndexError> {
        if let Err(IndexError::Damaged { what }) = &result {
            self.remember_damage(what);
        }
        result
    }

    /// Whether so many more fit in beside those that wait. A frame larger than all room
    /// there is goes in when nothing waits.
    pub(super) fn has_room(&self, waiting: u64, events: u64) -> bool {
        waiting == 0 || waiting.saturating_add(events) <= self.options.delta_events_max
    }

    /// Changes the signal and wakes the flush thread.
    pub(super) fn tell_worker(&self, change: impl FnOnce(&mut Signal)) {
        let flushed = self.read().flushed;
        let mut signal = self.signal();
        change(&mut signal);
        if signal.is_waited_for(flushed) {
            self.pace.set_haste(true);
        }
        signal.woken = true;
        self.to_worker.notify_one();
    }

    /// Sets the pace: in haste if this says so, or if somebody waits for the flush thread.
    pub(super) fn set_haste_if(&self, in_haste: bool) {
        let flushed = self.read().flushed;
        // Under the lock, so that nobody's haste is taken back.
        let signal = self.signal();
        self.pace
            .set_haste(in_haste || signal.is_waited_for(flushed));
    }

    /// Changes the signal and wakes those who wait for the flush thread.
    pub(super) fn tell_waiting<T>(&self, change: impl FnOnce(&mut Signal) -> T) -> T {
        let mut signal = self.signal();
        let told = change(&mut signal);
        self.from_worker.notify_all();
        told
    }

    /// Waits for a change by the flush thread.
    pub(super) fn wait_for_worker<'a>(
        &self,
        signal: MutexGuard<'a, Signal>,
        longest: Duration,
    ) -> MutexGuard<'a, Signal> {
        let waited = self.from_worker.wait_timeout(signal, longest);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The flush thread's wait for something to look at.
    pub(super) fn wait_for_work(&self, longest: Option<Duration>) {
        let signal = self.signal();
        let idle = |signal: &mut Signal| !signal.woken && !signal.stop;
        let mut signal = match longest {
            Some(longest) => {
                let waited = self.to_worker.wait_timeout_while(signal, longest, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self
                .to_worker
                .wait_while(signal, idle)
                .unwrap_or_else(PoisonError::into_inner),
        };
        signal.woken = false;
    }

    /// The flush thread's pause after a failure; only a stop cuts it short.
    pub(super) fn pause(&self, length: Duration) {
        let waited = self
            .to_worker
            .wait_timeout_while(self.signal(), length, |signal| !signal.stop);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// When to flush next; what is due is frozen.
    pub(super) fn due(&self) -> Due {
        let (flush_upto, not_before) = {
            let signal = self.signal();
            (signal.flush_upto, signal.not_before)
        };
        {
            let live = self.read();
            if let Some(frozen) = &live.frozen {
                return Due::Now(Arc::clone(frozen));
            }
            let Some(since) = live.active.since else {
                return Due::Never;
            };
            let timed = since + self.options.flush_after;
            let at = not_before.map_or(timed, |not_before| timed.max(not_before));
            let early =
                live.active.len() >= self.options.flush_at_events || flush_upto > live.flushed;
            if !early && Instant::now() < at {
                return Due::At(at);
            }
        }
        let room = std::mem::take(&mut *self.room());
        let mut live = self.write();
        let next = Delta::on(live.active.state, room);
        let frozen = Arc::new(std::mem::replace(&mut live.active, next));
        live.frozen = Some(Arc::clone(&frozen));
        Due::Now(frozen)
    }
}
