//! What was applied and is not yet flushed, in memory.

use std::time::Instant;

use hashbrown::HashMap;

use super::digest::KeyDigest;
use super::fold::{First, FoldState};
use super::note::Note;
use super::topics::TopicCount;
use crate::event::Seq;

/// The events of one topic that were stored.
#[derive(Debug)]
pub(super) struct TopicDelta {
    /// The topic as it was before, or new.
    pub(super) before: TopicCount,
    /// Ascending; at least one by the time anyone looks.
    pub(super) seqs: Vec<Seq>,
}

/// The effect of the frames in `(after, state.applied()]`.
#[derive(Debug)]
pub(super) struct Delta {
    pub(super) after: Seq,
    /// At its end.
    pub(super) state: FoldState,
    pub(super) keys: HashMap<KeyDigest, First>,
    /// In order of seq.
    pub(super) notes: Vec<Note>,
    /// In order of first appearance here.
    pub(super) topics: Vec<TopicDelta>,
    topic_places: HashMap<u64, usize>,
    /// When the first event came; for the flush's timer only.
    pub(super) since: Option<Instant>,
}

impl Delta {
    /// An empty delta on top of this state.
    pub(super) fn on(state: FoldState) -> Delta {
        Delta {
            after: state.applied(),
            state,
            keys: HashMap::new(),
            notes: Vec::new(),
            topics: Vec::new(),
            topic_places: HashMap::new(),
            since: None,
        }
    }

    /// How many entries it holds; a hole is one, however long.
    pub(super) fn len(&self) -> u64 {
        (self.keys.len() + self.notes.len()) as u64
    }

    /// The last seq in it.
    pub(super) fn applied(&self) -> Seq {
        self.state.applied()
    }

    /// The place of a topic in `topics`.
    pub(super) fn place_of(&mut self, topic: &TopicCount) -> usize {
        let topics = &mut self.topics;
        *self.topic_places.entry(topic.no).or_insert_with(|| {
            topics.push(TopicDelta {
                before: topic.clone(),
                seqs: Vec::new(),
            });
            topics.len() - 1
        })
    }

    /// The seqs of a topic in `(after, upto]`.
    pub(super) fn seqs_of(&self, topic: u64, after: Seq, upto: Seq) -> &[Seq] {
        let Some(place) = self.topic_places.get(&topic) else {
            return &[];
        };
        let seqs = &self.topics[*place].seqs;
        let from = seqs.partition_point(|seq| *seq <= after);
        let to = seqs.partition_point(|seq| *seq <= upto);
        &seqs[from..to.max(from)]
    }

    /// The notes that touch `(after, upto]`.
    pub(super) fn notes_in(&self, after: Seq, upto: Seq) -> &[Note] {
        let from = self.notes.partition_point(|note| note.last() <= after);
        let to = self.notes.partition_point(|note| note.seq() <= upto);
        &self.notes[from..to.max(from)]
    }
}
