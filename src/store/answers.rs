//! What the store is asked and what it answers, as plain data.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::event::Seq;
use crate::index::fold::{Arrivals, Judged};
pub use crate::index::{Order, TopicCount};
use crate::log::Lack;
pub use crate::render::LoggedEvent;
use crate::render::rfc3339;

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
    /// Nothing failed, but it is not durable after this time; it may still become so.
    #[error(
        "the batch is not on the disk after {} ms: the disk is slow, or has much to do; it may \
         still be kept",
        .0.as_millis()
    )]
    NotDurableYet(Duration),
    /// Nothing of it was written.
    #[error("nothing of the batch was written: {0}")]
    NotWritten(String),
    /// There is no room for it on the disk; nothing was written.
    #[error("no room on the disk: {0}")]
    DiskFull(String),
    /// Too much is durable and not yet applied.
    #[error("{0}")]
    BacklogFull(String),
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
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
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
    /// The disk fails when room for more is made.
    DiskFailing,
    /// Stopping.
    Draining,
    /// A write or a sync failed; the process is about to exit.
    Poisoned,
}

impl State {
    /// As it stands in answers and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            State::Ready => "ready",
            State::Rebuilding => "rebuilding",
            State::Degraded => "degraded",
            State::BacklogFull => "backlog_full",
            State::DiskFull => "disk_full",
            State::DiskFailing => "disk_failing",
            State::Draining => "draining",
            State::Poisoned => "poisoned",
        }
    }
}

impl State {
    /// What the store is doing when there is no room in its log for more; nothing special when
    /// it only stops, which is a state of its own.
    pub(super) fn without_room(lack: Lack) -> Option<State> {
        match lack {
            Lack::DiskFull => Some(State::DiskFull),
            Lack::DiskFails => Some(State::DiskFailing),
            Lack::Stopping => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for State {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
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
    /// Since when this state holds, µs UTC; shown as RFC 3339.
    #[serde(serialize_with = "as_rfc3339")]
    pub since: i64,
    /// The last durable seq.
    pub durable: Seq,
    /// The last judged seq.
    pub applied: Seq,
}

fn as_rfc3339<S: serde::Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*micros))
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
