//! What the index still knows of events that the log has lost: their topics, the digests of
//! their keys, and which of them were repeats of others.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ranges::SeqRanges;
use crate::event::Seq;
use crate::index::digest::KeyDigest;
use crate::index::fold::Verdict;
use crate::index::{IndexError, StoredIndex};

/// How many events are told one by one; all are counted.
const LISTED_MAX: usize = 100;

/// What the index knows of them.
#[derive(Clone, Debug, Default)]
pub struct LostEvents {
    /// How many had been stored: these are lost.
    pub stored: u64,
    /// How many were repeats, or had another payload.
    pub repeats: u64,
    /// How many of those repeat an event that is intact.
    pub repeats_of_intact: u64,
    /// The topics of those that had been stored, in order of first arrival, with how many.
    pub topics: Vec<(Arc<str>, u64)>,
    /// The first of all of them, in order.
    pub events: Vec<LostEvent>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct LostEvent {
    /// Its seq.
    pub seq: Seq,
    /// What had become of it.
    pub verdict: Verdict,
    /// The first with its key.
    pub original_seq: Seq,
    /// Its topic, if it had been stored.
    pub topic: Option<Arc<str>>,
    /// The digest of its topic and id.
    pub key: Option<KeyDigest>,
}

impl LostEvents {
    /// Asks the store's index. None if it has none of them.
    ///
    /// # Errors
    /// The index cannot be read, or is damaged itself.
    pub(super) fn of(
        index: &StoredIndex,
        lost: &SeqRanges,
    ) -> Result<Option<LostEvents>, IndexError> {
        let upto = index.flushed();
        if lost.listed().first().is_none_or(|range| range.first > upto) {
            return Ok(None);
        }
        let mut found = LostEvents::default();
        let mut events = BTreeMap::new();
        let list_to = nth(lost, LISTED_MAX as u64);
        let mut not_stored = index.not_stored(upto);
        while let Some(row) = not_stored.next_row()? {
            let judged = row.first.judged;
            if judged.verdict == Verdict::Lost || !lost.contains(judged.seq) {
                continue;
            }
            found.repeats += 1;
            found.repeats_of_intact += u64::from(!lost.contains(judged.original_seq));
            if judged.seq <= list_to {
                let event = LostEvent {
                    seq: judged.seq,
                    verdict: judged.verdict,
                    original_seq: judged.original_seq,
                    topic: None,
                    key: Some(row.first.key),
                };
                events.insert(judged.seq, event);
            }
        }
        let (mut counts, mut topics_of) = (HashMap::<u64, u64>::new(), Vec::new());
        let mut postings = index.postings(upto);
        while let Some(row) = postings.next_row()? {
            if lost.contains(row.seq) {
                *counts.entry(row.topic).or_default() += 1;
                if row.seq <= list_to {
                    topics_of.push((row.topic, row.seq));
                }
            }
        }
        let mut names = HashMap::new();
        let mut topics = index.topics(upto);
        while let Some(topic) = topics.next_row()? {
            if let Some(count) = counts.get(&topic.no) {
                found.stored += count;
                found.topics.push((Arc::clone(&topic.name), *count));
                names.insert(topic.no, topic.name);
            }
        }
        for (topic, seq) in topics_of {
            let event = LostEvent {
                seq,
                verdict: Verdict::Stored,
                original_seq: seq,
                topic: names.get(&topic).cloned(),
                key: None,
            };
            events.insert(seq, event);
        }
        let mut keys = index.keys(upto)?;
        while let Some(row) = keys.next_row()? {
            if row.seq <= list_to
                && let Some(event) = events.get_mut(&row.seq)
            {
                event.key = Some(row.key);
            }
        }
        found.events = events.into_values().collect();
        Ok(Some(found))
    }
}

/// The seq that is the n-th of these, or the last one.
fn nth(ranges: &SeqRanges, n: u64) -> Seq {
    let mut left = n;
    for range in ranges.listed() {
        let seqs = range.last.next().since(range.first);
        if seqs >= left {
            return range.first.plus(left - 1);
        }
        left -= seqs;
    }
    Seq::new(u64::MAX)
}
