//! How a start went, for the line that says so.

use std::fmt;
use std::time::Duration;

use crate::event::Seq;

/// How the last run left the log.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum LastStop {
    /// There was none: the store is new.
    None,
    /// Its end is proven.
    Clean,
    /// It was stopped by force while there was something to prove.
    Unclean,
}

/// What a start found, and how long it took.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct StartReport {
    /// How the last run left the log.
    pub last_stop: LastStop,
    /// The last durable seq.
    pub durable: Seq,
    /// Segments of the log.
    pub segments: u64,
    /// From the lock to the log being open; what the index lacks is applied later.
    pub took: Duration,
}

impl fmt::Display for StartReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let (events, segments) = (self.durable, self.segments);
        match self.last_stop {
            LastStop::None => write!(f, "a new store, made in {seconds:.2} s"),
            LastStop::Clean => write!(
                f,
                "{events} events in {segments} segments, opened in {seconds:.2} s, the log was clean"
            ),
            LastStop::Unclean => write!(
                f,
                "{events} events in {segments} segments, recovered in {seconds:.2} s, the log was not clean"
            ),
        }
    }
}
