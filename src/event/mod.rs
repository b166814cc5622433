//! What publishers send: events, and the batch that is kept whole or not at all.
//!
//! An [`Event`] is plain data, as a publisher sent it or as the log gives it
//! back. A [`Batch`] is what may enter the log: it can only be made from events
//! that passed every rule of [`EventLimits`].

pub(crate) mod json;
mod limits;
mod refused;
mod timestamp;
mod validate;

pub use json::{
    Found, InvalidEvents, ParsedBatch, Place, PublishRefusal, PublishSyntaxError, parse_publish,
};
pub use limits::{ERRORS_LISTED_MAX, EventLimits, NAME_BYTES_MAX, PAYLOAD_DEPTH_MAX};
pub use refused::{EventError, EventErrorCode, EventErrors, RefusedEvents};

use std::borrow::Cow;
use std::fmt;

/// An event's arrival number: 1, 2, 3 … over all events received.
///
/// Zero stands for "before the first event", so that watermarks need no `Option`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Seq = Seq(0);
    /// The first event's number.
    pub const FIRST: Seq = Seq(1);

    /// The seq with this number.
    pub const fn new(number: u64) -> Seq {
        Seq(number)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The seq `count` places later. Saturates, so that a hostile frame cannot wrap it.
    pub const fn plus(self, count: u64) -> Seq {
        Seq(self.0.saturating_add(count))
    }

    /// The seq that follows.
    pub const fn next(self) -> Seq {
        self.plus(1)
    }

    /// The seq before; zero stays zero.
    pub const fn previous(self) -> Seq {
        Seq(self.0.saturating_sub(1))
    }

    /// How many seqs lie in `(earlier, self]`; zero if there are none.
    pub const fn since(self, earlier: Seq) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which members of an event make its dedup key. Written in every frame, so the
/// discriminants are persisted and never change.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyRule {
    /// `(topic, event_id)`: events published natively.
    TopicAndId = 1,
    /// `(source, event_id)`: CloudEvents.
    SourceAndId = 2,
}

/// What an event's payload is. Persisted: the discriminants never change.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PayloadKind {
    /// RFC 8259 text, kept byte for byte.
    Json = 0,
    /// Any bytes.
    Bytes = 1,
}

/// Names with values, in the order given: CloudEvents attributes, trace context.
pub type Attributes<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// A publisher's fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Where it belongs.
    pub topic: Cow<'a, str>,
    /// What its publisher calls it.
    pub event_id: Cow<'a, str>,
    /// Who sent it; empty when not given.
    pub source: Cow<'a, str>,
    /// When it happened, exactly as its publisher wrote it.
    pub timestamp: Option<Cow<'a, str>>,
    /// How to read `payload`.
    pub kind: PayloadKind,
    /// The payload, byte for byte as sent.
    pub payload: &'a [u8],
    /// Optional attributes; empty for most.
    pub attributes: Attributes<'a>,
}

/// The events of one request: all of it enters the log, or none. Valid by construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    key_rule: KeyRule,
    events: Vec<Event<'a>>,
}

impl<'a> Batch<'a> {
    /// A batch of these events, or every reason why it may not be one.
    ///
    /// # Errors
    /// [`RefusedEvents`] when there are no events, too many, or one breaks a rule.
    pub fn new(
        key_rule: KeyRule,
        events: Vec<Event<'a>>,
        limits: &EventLimits,
    ) -> Result<Batch<'a>, RefusedEvents> {
        validate::check_all(key_rule, &events, limits)?;
        Ok(Batch { key_rule, events })
    }

    /// What makes the dedup key of these events.
    pub fn key_rule(&self) -> KeyRule {
        self.key_rule
    }

    /// The events, in the order sent; at least one.
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }
}
