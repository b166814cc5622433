//! What the store is asked and what it answers, as plain data.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use crate::event::Seq;
use crate::index::fold::{Arrivals, Counters, FoldHash, Judged};
pub use crate::index::{Order, TopicCount};
pub use crate::render::LoggedEvent;

/// When a publisher wants its answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ReplyWhen {
    /// When every event of the batch has its verdict.
    Judged,
    /// When the batch is durable.
    Durable,
}

/// What became of a batch.
#[derive(Debug)]
pub enum Outcome {
    /// Durable, and every event judged, in the order sent.
    Judged(Vec<Judged>),
    /// Durable; the verdicts come later.
    Durable {
        /// The seq of the batch's first event.
        first_seq: Seq,
        /// The seq of its last.
        last_seq: Seq,
    },
    /// Not acknowledged.
    Refused(PublishRefusal),
}

/// Where a batch begins, once it is durable: for who does not wait for its verdicts.
#[derive(Clone, Debug, Default)]
pub struct DurableFrom(Arc<AtomicU64>);

impl DurableFrom {
    /// The batch is durable from this seq on.
    pub fn set(&self, first_seq: Seq) {
        self.0.store(first_seq.get(), Ordering::Release);
    }

    /// The seq of its first event; `None` while it is not durable.
    pub fn get(&self) -> Option<Seq> {
        match self.0.load(Ordering::Acquire) {
            0 => None,
            seq => Some(Seq::new(seq)),
        }
    }
}

/// A batch on its way.
#[derive(Debug)]
pub struct Submitted {
    /// The digests of its events, in the order sent.
    pub arrivals: Arc<Arrivals>,
    /// Resolves once.
    pub outcome: oneshot::Receiver<Outcome>,
    /// Set as soon as the batch is durable, before its verdicts are there.
    pub durable_from: DurableFrom,
}

/// Why a batch was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefusal {
    /// Written, perhaps, but not known to be on disk: the same ids must be sent again.
    #[error(
        "the batch was written but its sync failed; whether it was kept is decided at the restart"
    )]
    OutcomeUnknown,
    /// Nothing of it was written.
    #[error("nothing of the batch was written: {0}")]
    NotWritten(String),
    /// There is no room for it on the disk; nothing was written.
    #[error("no room on the disk: {0}")]
    DiskFull(String),
    /// Too much is durable and not yet applied.
    #[error("{pending} events are durable and not yet applied")]
    BacklogFull {
        /// How many.
        pending: u64,
    },
    /// It names more new topics than the store may still take.
    #[error("the store has {topics} topics and may have {max}")]
    TooManyTopics {
        /// How many there are.
        topics: u64,
        /// How many there may be.
        max: u64,
    },
    /// The store is stopping.
    #[error("the store is stopping")]
    Draining,
}

/// What the store is doing, in the order of how much it matters.
#[derive(Copy, Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All well.
    Ready,
    /// Folding the log into the index from its start; publishes are taken.
    Rebuilding,
    /// The index fails; publishes are taken.
    Degraded,
    /// Too much waits for the index.
    BacklogFull,
    /// There is no room for more.
    DiskFull,
    /// Stopping.
    Draining,
    /// A write or a sync failed; the process is about to exit.
    Poisoned,
}

/// The state with its reasons, for /readyz.
#[derive(Clone, Debug, serde::Serialize)]
pub struct StateReport {
    /// The gravest of what holds.
    pub state: State,
    /// Whether a publish would get 200 or 202.
    pub ready: bool,
    /// One sentence for each thing that is not as it should be.
    pub reasons: Vec<String>,
    /// The last durable seq.
    pub durable: Seq,
    /// The last judged seq.
    pub applied: Seq,
}

/// Figures for /stats.
#[derive(Clone, Debug)]
pub struct Stats {
    /// The state.
    pub state: StateReport,
    /// At the applied watermark.
    pub counters: Counters,
    /// At the applied watermark.
    pub fold_hash: FoldHash,
    /// The last durable seq: all events received.
    pub received: u64,
    /// Durable and not yet judged.
    pub pending: u64,
    /// The first 1 000 topics in order of first arrival.
    pub topics: Vec<String>,
    /// How many topics there are.
    pub topics_total: u64,
    /// Seconds since the process started.
    pub uptime_seconds: f64,
    /// The last seq committed in SQLite.
    pub flushed: Seq,
    /// Segments of the log.
    pub log_segments: u64,
    /// Bytes of the log's files, prepared room included.
    pub log_bytes: u64,
    /// Bytes of frames in the log.
    pub log_frame_bytes: u64,
    /// Bytes of the index's files.
    pub index_bytes: u64,
    /// Bytes that may still be used on the log's disk.
    pub disk_free_bytes: u64,
    /// Attempts to apply or flush that failed and were repeated.
    pub apply_retries: u64,
    /// Times that three attempts in a row failed.
    pub apply_failures: u64,
    /// Since when the index fails, µs UTC.
    pub degraded_since: Option<i64>,
    /// Bytes written to the log by this process, marks included.
    pub written_bytes: u64,
    /// Syncs of the log by this process.
    pub syncs: u64,
    /// Frames of events written by this process.
    pub batches: u64,
}

/// Which events a scan gives.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub enum VerdictFilter {
    /// Those that were kept.
    #[default]
    Stored,
    /// Those whose key was known, conflicts not among them.
    Duplicate,
    /// Those whose key was known with another payload.
    Conflict,
    /// All of them.
    All,
}

/// What a scan looks for.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only this topic.
    pub topic: Option<String>,
    /// Only this source.
    pub source: Option<String>,
    /// Only these verdicts.
    pub verdict: VerdictFilter,
    /// Ascending: only seqs after it. Descending: only seqs before it, unless zero.
    pub after: Seq,
    /// In which direction.
    pub order: Order,
}

/// Why something cannot be read now.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The index does not know yet: it is rebuilding, or it fails.
    #[error("the index cannot answer now: {0}")]
    IndexUnavailable(String),
    /// The log could not be read there: damage or an I/O error.
    #[error("the log cannot be read: {0}")]
    Log(String),
}

/// What is known of some seqs.
#[derive(Debug)]
pub enum Verdicts {
    /// All of them are judged.
    Judged(Vec<Judged>),
    /// Some are not judged yet; `applied` is how far it is.
    Pending {
        /// The last judged seq.
        applied: Seq,
    },
    /// Some were never given.
    Unknown {
        /// The last seq that was.
        durable: Seq,
    },
}

/// A seq looked up.
pub enum Lookup<T> {
    /// Found.
    Found(T),
    /// Durable and not yet judged.
    Pending,
    /// In a hole: its bytes are gone.
    Lost,
    /// Never given.
    Unknown,
}
