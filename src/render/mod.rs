//! Text and JSON as users see them, over HTTP and on the command line alike: the same
//! event looks the same wherever it is shown.

mod event;
pub mod json;
pub mod verdict;

pub use event::{EventWriter, Show, TimeText, rfc3339};

use crate::event::Event;
use crate::index::fold::Judged;

/// An event out of the log with its verdict.
#[derive(Clone, Debug)]
pub struct LoggedEvent<'a> {
    /// Its verdict, its seq and the seq of the first with its key.
    pub judged: Judged,
    /// µs UTC, as the clock said.
    pub received_at: i64,
    /// As sent.
    pub event: &'a Event<'a>,
}
