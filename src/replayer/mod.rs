//! Drives durable frames through the fold: from the flushed watermark on at start, and ever
//! after. Recovery is not a second code path.
//!
//! What the committer just wrote comes in memory, through the [`Inbox`]; whatever does not
//! (at start, after a stall, for a new index) is read from the log, on a second thread where
//! it is much. The fold cannot tell.
//!
//! The cursor never passes a frame that was not applied. When the index fails, a frame is
//! tried three times, then the line stops and is said to be degraded, and it is tried on and
//! on until it heals; a damaged index is discarded and folded anew from the whole log.

mod ahead;
mod ahead_queue;
mod behind;
mod frames;
mod health;
mod inbox;
mod kept_frame;
mod line;
#[cfg(test)]
mod lives_tests;
mod offline;
mod payloads;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use behind::Behind;
pub use frames::{FrameReader, LoggedFrame};
pub use health::{Health, HealthReport};
pub use inbox::{Handed, Inbox, Next, Waiter};
pub use kept_frame::{KeptFrame, PayloadBytes};
pub use offline::{FoldLogError, apply_offline, fold_log};
pub use payloads::LogPayloads;

use behind::AppliedBytes;
use line::Line;

use crate::event::Seq;
use crate::index::{Index, IndexOptions};
use crate::log::LiveLog;

/// How often a stop looks whether all is applied.
const STOP_PAUSE: Duration = Duration::from_millis(2);
/// Where the index is and how it is opened: what a rebuild needs.
#[derive(Clone, Debug)]
pub struct IndexPlace {
    /// Its directory.
    pub dir: PathBuf,
    /// The log that it belongs to.
    pub log_id: [u8; 16],
    /// How it is opened.
    pub options: IndexOptions,
}

/// What the replayer shares with those who ask.
#[derive(Debug)]
pub struct Shared {
    log: Arc<LiveLog>,
    place: IndexPlace,
    index: RwLock<Arc<Index>>,
    health: Health,
    /// The seq that a replay goes up to, which the log had when it began; zero when there is
    /// none. What is published meanwhile does not make it longer.
    replaying_to: AtomicU64,
    applied_bytes: AppliedBytes,
    stopping: Arc<AtomicBool>,
}

impl Shared {
    /// Whether nothing can be applied at present.
    pub fn is_stalled(&self) -> bool {
        self.health.is_stalled()
    }

    /// The index as it is now. After damage it is another one.
    pub fn index(&self) -> Arc<Index> {
        self.index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The log.
    pub fn log(&self) -> &Arc<LiveLog> {
        &self.log
    }

    /// How the line is doing.
    pub fn health(&self) -> HealthReport {
        // Under the lock: what an index counted is taken over when it is replaced.
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        self.health.report(&index.flush_health())
    }

    /// Puts another index in the place of an abandoned one.
    fn replace_index(&self, new: Index) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        self.health.take_over(&index.flush_health());
        *index = Arc::new(new);
    }

    /// The seq that the index must reach to have what the log had at the start, or when it was
    /// given up; none when it has.
    pub fn replaying_to(&self) -> Option<Seq> {
        match self.replaying_to.load(Ordering::Acquire) {
            0 => None,
            seq => Some(Seq::new(seq)),
        }
    }

    /// How many events a replay has still to apply.
    pub fn left_to_replay(&self) -> u64 {
        match self.replaying_to() {
            None => 0,
            Some(goal) => goal.since(self.index().applied()),
        }
    }

    /// What is durable and not applied.
    pub fn behind(&self) -> Behind {
        let durable = self.log.durable();
        let replayed = self.replaying_to().unwrap_or_default();
        Behind {
            events: durable.since(self.index().applied().max(replayed)),
            bytes: self.applied_bytes.behind(self.log.batch_bytes()),
        }
    }

    fn replay_to(&self, seq: Seq) {
        self.replaying_to.store(seq.get(), Ordering::Release);
    }
}

/// The replayer's thread.
#[derive(Debug)]
pub struct Replayer<W: Waiter> {
    shared: Arc<Shared>,
    inbox: Arc<Inbox<W>>,
    thread: Option<JoinHandle<()>>,
}

impl<W: Waiter> Replayer<W> {
    /// Starts folding into an index, or into one that cannot be opened yet: then `unopened`
    /// says why, `index` stands in for it, and it is opened as soon as that can be done.
    pub fn start(
        log: Arc<LiveLog>,
        index: Index,
        unopened: Option<String>,
        place: IndexPlace,
        inbox: Arc<Inbox<W>>,
    ) -> Replayer<W> {
        let durable = log.durable();
        let replaying_to = if index.applied() < durable {
            durable
        } else {
            Seq::ZERO
        };
        let shared = Arc::new(Shared {
            log: log.clone(),
            place,
            index: RwLock::new(Arc::new(index)),
            health: Health::default(),
            replaying_to: AtomicU64::new(replaying_to.get()),
            applied_bytes: AppliedBytes::new(durable),
            stopping: Arc::default(),
        });
        let line = Line::new(shared.clone(), inbox.clone());
        let thread = std::thread::Builder::new()
            .name("replayer".into())
            .spawn(move || line.run(unopened))
            .expect("a thread can be started when the store opens");
        Replayer {
            shared,
            inbox,
            thread: Some(thread),
        }
    }

    /// What it shares.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Applies what is durable, as far as it can be done by `until`, flushes and closes the
    /// index. What is left is applied after the next start.
    pub fn stop(&mut self, until: Instant) {
        while Instant::now() < until
            && !self.shared.health.is_stalled()
            && self.shared.index().applied() < self.shared.log.durable()
        {
            std::thread::sleep(STOP_PAUSE);
        }
        self.end_thread();
        let index = self.shared.index();
        if self.shared.health.is_stalled() || index.flush_health().failing_since.is_some() {
            // It would only wait for what does not come.
            tracing::warn!("the index fails and is left as it is; the next start replays the log");
            return;
        }
        if let Err(error) = index.close() {
            tracing::warn!("the index was not closed cleanly: {error}");
        }
    }

    fn end_thread(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.inbox.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl<W: Waiter> Drop for Replayer<W> {
    fn drop(&mut self) {
        self.end_thread();
    }
}
