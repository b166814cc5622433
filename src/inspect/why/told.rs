//! What is told of an event: its keys, and each with its arrivals as the log has them.

use super::asked::{Asked, KeyName};
use super::logged::BatchPlace;
use super::wrongs::Wrongs;
use crate::event::Seq;
use crate::index::canonical::differences::Differences;
use crate::index::digest::KeyDigest;
use crate::index::fold::{Judged, Verdict};
use crate::log::Holder;
use crate::render::verdict::VerdictCounts;

/// The answer.
#[derive(Debug)]
pub struct Why {
    /// What was asked.
    pub asked: Asked,
    /// What came out.
    pub outcome: Outcome,
    /// Where the log and its index end.
    pub marks: Marks,
    /// Who has the lock of the store.
    pub holder: Holder,
    /// What is wrong with the log where it was looked.
    pub wrongs: Wrongs,
}

/// Where the log and its index end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// The last seq in the log.
    pub last: Seq,
    /// The last one that the log itself proves to be durable.
    pub proven: Seq,
    /// The last one that the index has; none where there is none that can be used, so that all
    /// of the log was read.
    pub flushed: Option<Seq>,
    /// How many events the holes of earlier repairs stand for, in what the index has and what was
    /// read.
    pub lost: u64,
}

impl Marks {
    /// Whether it is proven that this arrival is durable. Only what is gets into the index.
    pub fn is_proven(&self, seq: Seq) -> bool {
        seq <= self.proven || self.is_flushed(seq)
    }

    /// Whether the index has it.
    pub fn is_flushed(&self, seq: Seq) -> bool {
        self.flushed.is_some_and(|flushed| seq <= flushed)
    }
}

/// What came out.
#[derive(Debug)]
pub enum Outcome {
    /// It arrived.
    Found(Found),
    /// No event with this id has arrived, as far as can be read.
    NeverArrived,
    /// The log does not go that far.
    NotGivenYet,
    /// The seq was given, and what stood there is gone.
    Lost(LostSeq),
}

/// The keys that were found.
#[derive(Debug)]
pub struct Found {
    /// In order of their first arrivals, as many as were wanted.
    pub keys: Vec<KeyLife>,
    /// How many there are.
    pub total: u64,
}

/// All that is known of a key.
#[derive(Debug)]
pub struct KeyLife {
    /// The digest of the key.
    pub key: KeyDigest,
    /// Its parts; none where only events without their payloads are left of it.
    pub name: Option<KeyName>,
    /// The seq of the event that is kept.
    pub kept: Seq,
    /// As many of its arrivals as were wanted, in order.
    pub arrivals: Vec<Arrival>,
    /// How many there are.
    pub total: u64,
    /// By verdict.
    pub counts: VerdictCounts,
    /// The last one.
    pub last: Seq,
}

/// An arrival of a key.
#[derive(Debug)]
pub struct Arrival {
    /// Its seq.
    pub seq: Seq,
    /// What became of it; none where that cannot be told, since the first payload cannot be read.
    pub verdict: Option<Verdict>,
    /// It is the one that was asked about.
    pub is_asked: bool,
    /// What the log has of it.
    pub logged: Logged,
    /// Whether its payload is byte for byte that of the event that is kept.
    pub has_same_bytes: bool,
    /// Of a conflict, in what it differs from the event that is kept.
    pub differs: Option<Differs>,
}

/// What the log has of an arrival.
#[derive(Debug)]
pub enum Logged {
    /// The event.
    Event {
        /// Its batch.
        batch: BatchPlace,
        /// Its topic.
        topic: String,
        /// Who sent it; empty when not given.
        source: String,
        /// When it happened, as its publisher wrote it.
        timestamp: Option<String>,
        /// How long its payload is.
        payload_bytes: usize,
    },
    /// Its payload was dropped.
    Erased {
        /// Its batch.
        batch: BatchPlace,
        /// Its topic.
        topic: String,
    },
    /// Nothing that can be read: by what, among the wrongs that are listed, if that can be told.
    Gone(Option<usize>),
}

/// In what two payloads differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Both are JSON.
    Json(Differences),
    /// One of them is not.
    Bytes {
        /// How long that of the event kept is.
        first_bytes: usize,
        /// And this one.
        other_bytes: usize,
        /// The offset of the first byte that is another, or is in one only; none where only the
        /// kind of the payload is another.
        at: Option<usize>,
    },
    /// One of them was dropped, or cannot be read.
    Unknown,
}

/// A seq that was given, and is gone.
#[derive(Debug)]
pub struct LostSeq {
    /// What is there instead.
    pub to: LostTo,
    /// What the index still says of it.
    pub judged: Option<Judged>,
}

/// What stands where something is gone.
#[derive(Debug)]
pub enum LostTo {
    /// A hole that a repair left.
    Hole(BatchPlace),
    /// Damage: this one, among the wrongs that are listed.
    Damage(usize),
    /// Nothing: the index has seen more than the log has.
    BehindIndex(Seq),
    /// Nothing that would explain it.
    Unknown,
}
