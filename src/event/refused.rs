//! Why events may not enter the log, in words for the publisher.

use std::fmt;

use super::limits::ERRORS_LISTED_MAX;

/// Which rule an event breaks. Part of the HTTP interface: the names never change.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventErrorCode {
    /// A required member is not there.
    MissingField,
    /// A member, or the body itself, is another kind of JSON value than it must be.
    WrongType,
    /// A member that events, or the envelope, do not have.
    UnknownField,
    /// `topic` is empty, too long, or has characters that it must not have.
    InvalidTopic,
    /// `event_id` is empty, too long, or has characters that it must not have.
    InvalidEventId,
    /// `source` is too long, or has characters that it must not have.
    InvalidSource,
    /// `timestamp` is no RFC 3339.
    InvalidTimestamp,
    /// `payload` is said to be JSON and is not.
    InvalidPayload,
    /// `payload` is nested too deep.
    PayloadTooDeep,
    /// The members are too large together.
    EventTooLarge,
}

impl EventErrorCode {
    /// The stable name, as in answers.
    pub const fn code(self) -> &'static str {
        match self {
            EventErrorCode::MissingField => "missing_field",
            EventErrorCode::WrongType => "wrong_type",
            EventErrorCode::UnknownField => "unknown_field",
            EventErrorCode::InvalidTopic => "invalid_topic",
            EventErrorCode::InvalidEventId => "invalid_event_id",
            EventErrorCode::InvalidSource => "invalid_source",
            EventErrorCode::InvalidTimestamp => "invalid_timestamp",
            EventErrorCode::InvalidPayload => "invalid_payload",
            EventErrorCode::PayloadTooDeep => "payload_too_deep",
            EventErrorCode::EventTooLarge => "event_too_large",
        }
    }
}

impl fmt::Display for EventErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{pointer}: {detail}")]
pub struct EventError {
    /// The event's place among those sent, from 0; `None` when the fault is in what is
    /// around the events.
    pub index: Option<usize>,
    /// The place of the fault in the request body as sent: an RFC 6901 JSON pointer.
    pub pointer: String,
    /// Which rule.
    pub code: EventErrorCode,
    /// What is wrong, for people.
    pub detail: String,
}

/// The errors of a batch: the first [`ERRORS_LISTED_MAX`], and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventErrors {
    listed: Vec<EventError>,
    total: usize,
    too_large: usize,
}

impl EventErrors {
    /// The first errors, in the order of the events.
    pub fn listed(&self) -> &[EventError] {
        &self.listed
    }

    /// How many errors there are, those not listed included.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Whether there is no error.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Counts an error, and lists it while there is room: `make` is not called after.
    pub(super) fn add(&mut self, code: EventErrorCode, make: impl FnOnce() -> EventError) {
        self.total += 1;
        self.too_large += usize::from(code == EventErrorCode::EventTooLarge);
        if self.listed.len() < ERRORS_LISTED_MAX {
            self.listed.push(make());
        }
    }

    /// Counts more errors like the last, after as many as can be listed.
    pub(super) fn add_unlisted(&mut self, count: usize) {
        self.total += count;
    }

    /// These errors, and then the later ones.
    pub(super) fn followed_by(mut self, later: EventErrors) -> EventErrors {
        let room = ERRORS_LISTED_MAX - self.listed.len();
        self.listed.extend(later.listed.into_iter().take(room));
        self.total += later.total;
        self.too_large += later.too_large;
        self
    }

    /// The refusal of a batch for these errors, of which there must be one.
    pub(super) fn into_refusal(self) -> RefusedEvents {
        if self.too_large == self.total {
            RefusedEvents::EventTooLarge(self)
        } else {
            RefusedEvents::Invalid(self)
        }
    }
}

/// Why events, although well-formed, are no batch. Nothing of them was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedEvents {
    /// There is no event.
    #[error("the batch has no events")]
    EmptyBatch,
    /// There are more than one batch may have.
    #[error("the batch has {sent} events; {limit} are allowed")]
    TooManyEvents {
        /// How many there are.
        sent: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Nothing is wrong but that events are too large.
    #[error("{} too large", counted(.0.too_large, "event is", "events are"))]
    EventTooLarge(EventErrors),
    /// Rules are broken.
    #[error("{} in the batch", counted(.0.total, "error", "errors"))]
    Invalid(EventErrors),
}

fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

impl RefusedEvents {
    /// The stable name, as in answers.
    pub const fn code(&self) -> &'static str {
        match self {
            RefusedEvents::EmptyBatch => "empty_batch",
            RefusedEvents::TooManyEvents { .. } => "too_many_events",
            RefusedEvents::EventTooLarge(_) => "event_too_large",
            RefusedEvents::Invalid(_) => "invalid_events",
        }
    }

    /// The errors of single events, if that is the reason.
    pub fn errors(&self) -> Option<&EventErrors> {
        match self {
            RefusedEvents::EmptyBatch | RefusedEvents::TooManyEvents { .. } => None,
            RefusedEvents::EventTooLarge(errors) | RefusedEvents::Invalid(errors) => Some(errors),
        }
    }
}
