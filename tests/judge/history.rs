//! What publishers did and what they were told, and what the log says came in.

use std::fmt;
use std::sync::Arc;

use crate::client::{ShownEvent, Stats};

/// Which request of which publisher. It travels in the `source` of the events, which has no
/// part in any verdict, so that every attempt can be told from its repetition.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mark {
    pub(crate) publisher: u32,
    pub(crate) batch: u32,
    pub(crate) attempt: u32,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}/b{}/a{}", self.publisher, self.batch, self.attempt)
    }
}

impl Mark {
    pub(crate) fn parse(source: &str) -> Option<Mark> {
        let mut parts = source.split('/');
        let mut number = |prefix| parts.next()?.strip_prefix(prefix)?.parse().ok();
        Some(Mark {
            publisher: number('p')?,
            batch: number('b')?,
            attempt: number('a')?,
        })
    }
}

/// One event of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) topic: String,
    pub(crate) event_id: String,
    pub(crate) payload: String,
}

/// One request with a batch.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) mark: Mark,
    pub(crate) events: Arc<[Sent]>,
    pub(crate) outcome: Outcome,
    #[allow(dead_code, reason = "read where crashes are thought up afterwards")]
    pub(crate) span: Span,
}

/// When a request was begun and when it was answered, or given up, as a gate counts time.
#[derive(Copy, Clone, Debug, Default)]
#[allow(dead_code, reason = "read where crashes are thought up afterwards")]
pub(crate) struct Span {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
}

/// What the publisher knows afterwards.
#[derive(Clone, Debug)]
#[allow(
    dead_code,
    reason = "not every test binary that has it looks at the code"
)]
pub(crate) enum Outcome {
    /// No answer, or one that leaves it open.
    Unknown,
    /// Refused: nothing of it was written. With the code of the problem.
    Refused(String),
    /// 202: kept from this seq on.
    Durable { first_seq: u64 },
    /// 200: kept, with a verdict for each event.
    Judged(Vec<Told>),
}

impl Outcome {
    pub(crate) fn is_acknowledged(&self) -> bool {
        !matches!(self, Outcome::Unknown | Outcome::Refused(_))
    }

    /// Where the first event was said to be.
    pub(crate) fn first_seq(&self) -> Option<u64> {
        match self {
            Outcome::Unknown | Outcome::Refused(_) => None,
            Outcome::Durable { first_seq } => Some(*first_seq),
            Outcome::Judged(told) => told.first().map(|told| told.seq),
        }
    }
}

/// A verdict with its seqs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) seq: u64,
    pub(crate) verdict: String,
    pub(crate) original_seq: Option<u64>,
}

/// One event as the store shows it.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) sent: Sent,
    pub(crate) source: String,
    pub(crate) told: Told,
}

impl From<ShownEvent> for Logged {
    fn from(shown: ShownEvent) -> Logged {
        Logged {
            sent: Sent {
                topic: shown.topic,
                event_id: shown.event_id,
                payload: shown.payload.get().to_owned(),
            },
            source: shown.source,
            told: Told {
                seq: shown.seq,
                verdict: shown.verdict.expect("a verdict"),
                original_seq: shown.original_seq,
            },
        }
    }
}

/// The counters of `/stats`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) received: u64,
    pub(crate) unique: u64,
    pub(crate) duplicates: u64,
    pub(crate) conflicts: u64,
    pub(crate) lost: u64,
    pub(crate) pending: u64,
}

impl From<&Stats> for Figures {
    fn from(stats: &Stats) -> Figures {
        Figures {
            received: stats.received,
            unique: stats.unique_processed,
            duplicates: stats.duplicate_dropped,
            conflicts: stats.conflicts,
            lost: stats.lost,
            pending: stats.pending,
        }
    }
}
