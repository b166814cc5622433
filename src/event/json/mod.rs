//! Request bodies of `POST /publish`: one event object, an array of events, or an
//! envelope `{"events": […]}`.
//!
//! - The body must be one RFC 8259 text in UTF-8, to its last byte; a fault in that
//!   ([`PublishSyntaxError`]) wins over every fault in an event, wherever they stand.
//! - An object with a member `events` is the envelope, and has nothing else. Any other
//!   object is an event.
//! - `null` for `source` or `timestamp` is the same as leaving them out: publishers in
//!   Python send `None` so. `payload` must be there and may be `null`.
//! - Names are compared with their escapes resolved, so `"\u0074opic"` is `topic`.
//!   Inside a payload nothing is looked at but its syntax and its depth.
//! - A payload keeps its own bytes, without the white space around it.

mod interpret;
pub(crate) mod lexer;
mod members;
pub(crate) mod pointer;
mod reader;
pub(crate) mod string;
mod syntax_error;

pub use syntax_error::{Found, Place, PublishSyntaxError};

use super::refused::{EventErrors, RefusedEvents};
use super::{Batch, EventLimits};

/// What to do about a batch with invalid events.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum InvalidEvents {
    /// One refuses all.
    #[default]
    Refuse,
    /// They are left out; the others are a batch, if there are any.
    Skip,
}

/// Why nothing of a request body was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefusal {
    /// The body is malformed.
    #[error(transparent)]
    Syntax(#[from] PublishSyntaxError),
    /// The body is well-formed; its events are not.
    #[error(transparent)]
    Events(#[from] RefusedEvents),
}

impl PublishRefusal {
    /// The stable name, as in answers.
    pub const fn code(&self) -> &'static str {
        match self {
            PublishRefusal::Syntax(error) => error.code(),
            PublishRefusal::Events(refused) => refused.code(),
        }
    }
}

/// The batch that a request body is, and what was left out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedBatch<'a> {
    batch: Batch<'a>,
    sent: usize,
    /// For each event of the batch its place among those sent; empty when all were taken.
    places: Vec<usize>,
    refused: EventErrors,
}

impl<'a> ParsedBatch<'a> {
    /// The good events.
    pub fn batch(&self) -> &Batch<'a> {
        &self.batch
    }

    /// The good events, alone.
    pub fn into_batch(self) -> Batch<'a> {
        self.batch
    }

    /// How many events the body has, refused ones included.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// The place among those sent of the event at `position` in the batch, both from 0.
    pub fn sent_index(&self, position: usize) -> usize {
        self.places.get(position).copied().unwrap_or(position)
    }

    /// How many events were left out.
    pub fn refused_count(&self) -> usize {
        self.sent - self.batch.events().len()
    }

    /// The places among those sent of the events left out, all of them, in order.
    pub fn refused_indexes(&self) -> impl Iterator<Item = usize> {
        let mut taken = self.places.iter().copied().peekable();
        let any_refused = self.refused_count() > 0;
        (0..self.sent).filter(move |&index| any_refused && taken.next_if_eq(&index).is_none())
    }

    /// Why events were left out: the first errors, of which one event can have several.
    pub fn refused(&self) -> &EventErrors {
        &self.refused
    }
}

/// Reads a request body, which borrows from it what it can.
///
/// Takes time and memory in proportion to the body, whatever is in it. `body_bytes` of
/// the limits is not looked at: the body has been read.
///
/// # Errors
/// [`PublishRefusal`]: the body is malformed, or its events may not be a batch. With
/// [`InvalidEvents::Skip`], the latter only if no event is good, if there are too many,
/// or if what is around them is wrong.
pub fn parse_publish<'a>(
    body: &'a [u8],
    limits: &EventLimits,
    invalid: InvalidEvents,
) -> Result<ParsedBatch<'a>, PublishRefusal> {
    reader::BodyReader::new(text_of(body)?, limits, invalid).read()
}

fn text_of(body: &[u8]) -> Result<&str, PublishSyntaxError> {
    let text = std::str::from_utf8(body).map_err(|error| PublishSyntaxError::InvalidUtf8 {
        offset: error.valid_up_to(),
    })?;
    if text.starts_with('\u{feff}') {
        return Err(PublishSyntaxError::ByteOrderMark);
    }
    if text
        .bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
    {
        return Err(PublishSyntaxError::EmptyBody);
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
