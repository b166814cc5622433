//! The differences that were found, counted, and the first of them.

use super::DifferenceCounts;
use super::difference::{Difference, Pair};
use crate::event::Seq;
use crate::index::fold::{Counters, FoldState};
use crate::index::{KeyRow, NotStoredRow, PostingRow, TopicRow};

/// The differences that were found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) counts: DifferenceCounts,
    pub(super) first: Option<Difference>,
}

impl Found {
    pub(super) fn keys(&mut self, pair: Pair<KeyRow>) {
        if pair.found != pair.expected {
            self.counts.keys += 1;
            self.note(Difference::Key(pair));
        }
    }

    pub(super) fn not_stored(&mut self, pair: Pair<NotStoredRow>) {
        if pair.found != pair.expected {
            self.counts.not_stored += 1;
            self.note(Difference::NotStored(pair));
        }
    }

    pub(super) fn topics(&mut self, pair: Pair<TopicRow>) {
        if pair.found != pair.expected {
            self.counts.topics += 1;
            self.note(Difference::Topic(pair));
        }
    }

    pub(super) fn postings(&mut self, pair: Pair<PostingRow>) {
        if pair.found != pair.expected {
            self.counts.postings += 1;
            self.note(Difference::Posting(pair));
        }
    }

    /// What the index says of itself, what is right, and what was counted of the rows that are.
    pub(super) fn state(
        &mut self,
        found: FoldState,
        expected: Option<FoldState>,
        counted: Counters,
    ) {
        let right = expected.map_or(counted, |state| state.counters);
        if expected.is_none() && found.applied() > Seq::ZERO {
            self.counts.state += 1;
            self.note(Difference::Watermark(found.applied()));
        }
        if found.counters != right {
            self.counts.state += 1;
            self.note(Difference::Counters {
                found: found.counters,
                expected: right,
            });
        }
        if let Some(expected) = expected
            && found.hash != expected.hash
        {
            self.counts.state += 1;
            self.note(Difference::Hash {
                found: found.hash,
                expected: expected.hash,
            });
        }
    }

    /// Keeps the one of the lowest seq; one without comes last.
    fn note(&mut self, difference: Difference) {
        let place = |difference: &Difference| difference.seq().unwrap_or(Seq::new(u64::MAX));
        let is_first = |first: &Difference| place(&difference) < place(first);
        if self.first.as_ref().is_none_or(is_first) {
            self.first = Some(difference);
        }
    }
}
