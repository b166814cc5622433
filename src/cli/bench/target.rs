//! What can be driven: anything that takes batches of events and answers each.

use std::fmt;
use std::io;

use super::shape::{Sent, Shape};

/// Where connections come from.
pub trait Target {
    /// One of them, which has one batch in flight at a time.
    type Connection: Connection;

    /// Opens a connection.
    ///
    /// # Errors
    /// Nobody is there.
    fn connect(&self) -> impl Future<Output = io::Result<Self::Connection>>;
}

/// A connection.
pub trait Connection {
    /// Sends these events and waits for the answer.
    ///
    /// # Errors
    /// There is none: what became of the events is not known, and the connection is of no
    /// further use.
    fn send(&mut self, shape: &Shape, events: &[Sent])
    -> impl Future<Output = io::Result<Outcome>>;

    /// Whether it may be used again.
    fn is_open(&self) -> bool {
        true
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// As HTTP has it: 2xx acknowledges.
    pub status: u16,
    /// The verdicts, if they are told.
    pub verdicts: Option<Counts>,
    /// Why it was refused.
    pub words: String,
    /// What in the answer cannot be true.
    pub difference: Option<String>,
    /// What the request took.
    pub request_bytes: usize,
}

impl Outcome {
    /// The events are durable.
    pub fn is_acknowledged(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Events by verdict.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Ids that were not known.
    pub unique: u64,
    /// Ids that were, conflicts among them.
    pub duplicates: u64,
    /// Known ids with another payload.
    pub conflicts: u64,
}

impl Counts {
    /// The verdicts that these events must get.
    pub(super) fn due(events: &[Sent]) -> Counts {
        let duplicates = events.iter().filter(|event| event.is_repeat).count() as u64;
        Counts {
            unique: events.len() as u64 - duplicates,
            duplicates,
            conflicts: 0,
        }
    }

    /// All of them.
    pub(super) fn events(&self) -> u64 {
        self.unique + self.duplicates
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} unique, {} duplicates, {} conflicts",
            self.unique, self.duplicates, self.conflicts
        )
    }
}
