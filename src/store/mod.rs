//! The wiring: log, index and replayer as one store, its state, and what HTTP and the
//! command line ask of it.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::event::{Batch, Event, Seq};
use crate::index::fold::{Arrivals, Counters, FoldHash, Judged, Verdict};
use crate::log::LogId;

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

/// A batch on its way.
#[derive(Debug)]
pub struct Submitted {
    /// The digests of its events, in the order sent.
    pub arrivals: Arc<Arrivals>,
    /// Resolves once.
    pub outcome: oneshot::Receiver<Outcome>,
}

/// Why a batch was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefusal {
    /// Written, perhaps, but not known to be on disk: the same ids must be sent again.
    #[error("the batch was written but its sync failed; whether it was kept is decided at the restart")]
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

/// In which direction.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub enum Order {
    /// As they arrived.
    #[default]
    Ascending,
    /// The latest first.
    Descending,
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

/// An event out of the log with its verdict.
#[derive(Clone, Debug)]
pub struct LoggedEvent<'a> {
    /// Its verdict, its seq and the seq of the first with its key.
    pub judged: Judged,
    /// µs UTC, as the clock said.
    pub received_at: i64,
    /// As sent.
    pub event: Event<'a>,
}

/// A page of topics.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TopicCount {
    /// The topic's number, in order of first arrival, from 1.
    pub no: u64,
    /// Its name.
    pub name: String,
    /// How many events are stored in it.
    pub stored: u64,
    /// The first of them.
    pub first_seq: Seq,
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

/// A running store. All its calls are thread-safe; those marked blocking read disks.
#[derive(Debug)]
pub struct Store {}

/// A scan in progress.
#[derive(Debug)]
pub struct EventScan {}

impl EventScan {
    /// Gives the next events to `visit`, about `page_bytes` of them, holding no lock and no
    /// transaction between pages. False when there is nothing more. `visit` says false to stop.
    /// Blocking.
    pub fn next_page(
        &mut self,
        page_bytes: usize,
        visit: &mut dyn FnMut(&LoggedEvent<'_>) -> bool,
    ) -> Result<bool, ReadError> {
        let _ = (page_bytes, visit);
        unimplemented!()
    }
}

impl Store {
    /// Which log this is.
    pub fn log_id(&self) -> LogId {
        unimplemented!()
    }

    /// Encodes, hashes and queues a batch. Not async, takes CPU time in proportion to the batch.
    pub fn submit(&self, batch: &Batch<'_>, when: ReplyWhen) -> Result<Submitted, PublishRefusal> {
        let _ = (batch, when);
        unimplemented!()
    }

    /// Its state. Cheap.
    pub fn state(&self) -> StateReport {
        unimplemented!()
    }

    /// Figures. Blocking.
    pub fn stats(&self) -> Stats {
        unimplemented!()
    }

    /// The verdicts of the seqs from `from` to `to`, both included. Blocking.
    pub fn verdicts(&self, from: Seq, to: Seq) -> Result<Verdicts, ReadError> {
        let _ = (from, to);
        unimplemented!()
    }

    /// Gives one event to `visit`. Blocking.
    pub fn event<T>(
        &self,
        seq: Seq,
        visit: impl FnOnce(&LoggedEvent<'_>) -> T,
    ) -> Result<Lookup<T>, ReadError> {
        let _ = (seq, visit);
        unimplemented!()
    }

    /// Events up to what is applied now.
    pub fn scan(&self, filter: EventFilter) -> Result<EventScan, ReadError> {
        let _ = filter;
        unimplemented!()
    }

    /// Topics after this number, in order of first arrival. Blocking.
    pub fn topics(&self, after_no: u64, limit: usize) -> Result<Vec<TopicCount>, ReadError> {
        let _ = (after_no, limit);
        unimplemented!()
    }
}
