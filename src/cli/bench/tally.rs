//! What became of the requests, and how long they took.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::target::{Counts, Outcome};

/// Different errors and differences that are told; the rest is counted.
const WORDS_MAX: usize = 8;

/// A request that is sent so long after it was due is late.
const LATE: Duration = Duration::from_millis(1);

/// Counts over the whole of a run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answered.
    pub requests: u64,
    /// In answered requests.
    pub bytes: u64,
    /// Acknowledged.
    pub events: u64,
    /// Those of them that were judged; their verdicts.
    pub verdicts: Counts,
    /// Those of them that were acknowledged without verdicts.
    pub pending: u64,
    /// Fresh ids among the acknowledged.
    pub fresh: u64,
    /// In requests that were answered otherwise.
    pub refused: u64,
    /// In requests that have no answer: it is not known whether they are in the log.
    pub unknown: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Why there is no answer, or no connection, and what refusals say.
    pub errors: Words,
    /// Answers that are not what the events were.
    pub differences: Words,
    /// Requests that were sent over a millisecond after they were due, in an open loop.
    pub late: u64,
    /// The latest of them.
    pub late_most: Duration,
    /// Requests that were due and not sent before the end.
    pub not_sent: u64,
    /// From the moment a request was sent, in an open loop from when it was due, in µs.
    pub latency: Latency,
}

/// What of it the server must have.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Published {
    /// As in [`Tally`], and so are the next.
    pub(super) events: u64,
    pub(super) fresh: u64,
    pub(super) unknown: u64,
}

impl Published {
    pub(super) fn and(self, more: Published) -> Published {
        Published {
            events: self.events + more.events,
            fresh: self.fresh + more.fresh,
            unknown: self.unknown + more.unknown,
        }
    }
}

impl Tally {
    pub(super) fn published(&self) -> Published {
        Published {
            events: self.events,
            fresh: self.fresh,
            unknown: self.unknown,
        }
    }

    /// Every event was acknowledged, and every answer right.
    pub fn is_all_well(&self) -> bool {
        self.refused + self.unknown + self.errors.total + self.differences.total == 0
    }

    /// A request was sent so long after it was due.
    pub(super) fn was_late_by(&mut self, time: Duration) {
        if time > LATE {
            self.late += 1;
            self.late_most = self.late_most.max(time);
        }
    }

    /// A request was answered; its events must get these verdicts.
    pub(super) fn answered(&mut self, outcome: Outcome, sent: Counts) {
        self.requests += 1;
        self.bytes += outcome.request_bytes as u64;
        *self.statuses.entry(outcome.status).or_default() += 1;
        let events = sent.events();
        if !outcome.is_acknowledged() {
            self.refused += events;
            self.errors
                .add(&format!("{}: {}", outcome.status, outcome.words));
            return;
        }
        self.events += events;
        self.fresh += sent.unique;
        let mut difference = outcome.difference;
        match outcome.verdicts {
            Some(verdicts) => {
                self.verdicts.unique += verdicts.unique;
                self.verdicts.duplicates += verdicts.duplicates;
                self.verdicts.conflicts += verdicts.conflicts;
                if verdicts != sent {
                    let differs = || format!("sent {sent}, and the answer says {verdicts}");
                    difference = difference.or_else(|| Some(differs()));
                }
            }
            None => self.pending += events,
        }
        if let Some(difference) = difference {
            self.differences.add(&difference);
        }
    }
}

/// Sentences with how often they were said: the first few different ones, and how many in all.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// The first ones.
    pub first: BTreeMap<String, u64>,
    /// All of them.
    pub total: u64,
}

impl Words {
    pub(super) fn add(&mut self, words: &str) {
        self.total += 1;
        if let Some(count) = self.first.get_mut(words) {
            *count += 1;
        } else if self.first.len() < WORDS_MAX {
            self.first.insert(words.to_owned(), 1);
        }
    }
}

/// A distribution of times, to three digits.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Latency {
        // It grows as it needs, and three digits are allowed.
        let Ok(histogram) = Histogram::new(3) else {
            unreachable!("three digits are allowed")
        };
        Latency(histogram)
    }
}

impl Latency {
    pub(super) fn record(&mut self, time: Duration) {
        // Only a histogram that may not grow refuses.
        let _ = self.0.record(time.as_micros() as u64);
    }

    pub(super) fn add(&mut self, other: &Latency) {
        let _ = self.0.add(&other.0);
    }

    pub(super) fn clear(&mut self) {
        self.0.reset();
    }

    /// The time within which such a share, from 0 to 1, of all were done, in ms.
    pub fn ms(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1000.0
    }

    /// The longest, in ms.
    pub fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }
}
