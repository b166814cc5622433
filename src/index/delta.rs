//! What was applied and is not yet flushed, in memory.

use std::time::Instant;

use hashbrown::HashMap;

use super::delta_keys::DeltaKeys;
use super::error::IndexError;
use super::fold::FoldState;
use super::key_block::{Entry, number_of};
use super::note::Note;
use super::pace::Pace;
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

/// A table of which less than one part in so many was used is not used again.
const ROOM_USED_PARTS: usize = 16;

/// How many keys are sorted at once, about: what takes some ten microseconds.
const SORTED_TOGETHER: usize = 512;

/// Into how many parts they are shared out at most, as a power of two.
const PARTS_BITS_MAX: u32 = 10;

/// How many keys are looked through before others may go first.
const TAKEN_TOGETHER: usize = 1024;

/// The effect of the frames in `(after, state.applied()]`.
#[derive(Debug)]
pub(super) struct Delta {
    pub(super) after: Seq,
    /// At its end.
    pub(super) state: FoldState,
    pub(super) keys: DeltaKeys,
    /// In order of seq.
    pub(super) notes: Vec<Note>,
    /// In order of first appearance here.
    pub(super) topics: Vec<TopicDelta>,
    topic_places: HashMap<u64, usize>,
    /// When the first event came; for the flush's timer only.
    pub(super) since: Option<Instant>,
}

/// An empty table that has grown before. While a large one grows, which takes tens of
/// milliseconds, nothing is judged; and memory that is new to the process is slow at first.
#[derive(Debug, Default)]
pub(super) struct DeltaRoom(DeltaKeys);

impl Delta {
    /// An empty delta on top of this state, with the room of an earlier one.
    pub(super) fn on(state: FoldState, room: DeltaRoom) -> Delta {
        Delta {
            after: state.applied(),
            state,
            keys: room.0,
            notes: Vec::new(),
            topics: Vec::new(),
            topic_places: HashMap::new(),
            since: None,
        }
    }

    /// The room of a delta that is no longer needed, unless it is much too large.
    pub(super) fn into_room(mut self) -> DeltaRoom {
        if self.keys.len() < self.keys.capacity() / ROOM_USED_PARTS {
            return DeltaRoom::default();
        }
        self.keys.clear();
        DeltaRoom(self.keys)
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

    /// Gives its keys in their order. It takes as much memory again as the keys.
    ///
    /// # Errors
    /// What `give` returns.
    pub(super) fn in_order(
        &self,
        pace: &Pace,
        mut give: impl FnMut(Entry) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        // Digests are spread evenly, so a first look at their highest bits shares them out.
        let bits = (self.keys.len() / SORTED_TOGETHER).checked_ilog2();
        let bits = bits.unwrap_or(0).min(PARTS_BITS_MAX);
        let share = self.keys.len() >> bits;
        let part = || Vec::with_capacity(share + share / 4);
        let mut parts: Vec<Vec<Entry>> = (0..1 << bits).map(|_| part()).collect();
        for taken in self.keys.entries().chunks(TAKEN_TOGETHER) {
            for entry in taken {
                let high = number_of(entry.key).checked_shr(u128::BITS - bits);
                parts[high.unwrap_or(0) as usize].push(*entry);
            }
            pace.give_way();
        }
        for mut part in parts {
            part.sort_unstable_by_key(|entry| number_of(entry.key));
            part.into_iter().try_for_each(&mut give)?;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::super::digest::{KeyDigest, PayloadDigest};
    use super::super::fold::First;
    use super::*;

    fn filled(delta: &mut Delta, count: u128) {
        for number in 0..count {
            let first = First {
                seq: Seq::FIRST,
                payload: PayloadDigest([0; 16]),
            };
            delta.keys.add(KeyDigest(number.to_le_bytes()), first);
        }
    }

    #[test]
    fn a_table_keeps_its_room_and_none_of_its_keys_unless_it_is_much_too_large() {
        let mut delta = Delta::on(FoldState::default(), DeltaRoom::default());
        filled(&mut delta, 10_000);
        let room = delta.keys.capacity();
        let mut delta = Delta::on(FoldState::default(), delta.into_room());
        assert_eq!((delta.keys.len(), delta.keys.capacity()), (0, room));
        filled(&mut delta, 1000);
        let mut delta = Delta::on(FoldState::default(), delta.into_room());
        assert_eq!((delta.keys.len(), delta.keys.capacity()), (0, room));
        filled(&mut delta, 100);
        let delta = Delta::on(FoldState::default(), delta.into_room());
        assert_eq!((delta.keys.len(), delta.keys.capacity()), (0, 0));
    }

    #[test]
    fn keys_come_in_their_order_each_once_however_many_there_are() {
        for count in [
            1,
            2,
            SORTED_TOGETHER,
            SORTED_TOGETHER * 2,
            30_000,
            1_200_000,
        ] {
            let mut delta = Delta::on(FoldState::default(), DeltaRoom::default());
            // An odd factor: no two are the same, and all parts get some.
            let spread =
                |number: u128| number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let keys: Vec<u128> = (1..=count as u128).map(spread).collect();
            for key in &keys {
                let first = First {
                    seq: Seq::new(*key as u64),
                    payload: PayloadDigest([0; 16]),
                };
                delta.keys.add(KeyDigest(key.to_be_bytes()), first);
            }
            let mut came = Vec::new();
            let given = delta.in_order(&Pace::new(), |entry| {
                came.push(number_of(entry.key));
                assert_eq!(entry.first.seq, Seq::new(number_of(entry.key) as u64));
                Ok(())
            });
            given.expect("nothing refuses");
            let mut expected = keys;
            expected.sort_unstable();
            assert!(came == expected, "{count}");
        }
    }

    #[test]
    fn what_cannot_be_written_ends_it() {
        let mut delta = Delta::on(FoldState::default(), DeltaRoom::default());
        filled(&mut delta, 3000);
        let mut given = 0;
        let ended = delta.in_order(&Pace::new(), |_| {
            given += 1;
            match given {
                10 => Err(IndexError::Closed),
                _ => Ok(()),
            }
        });
        assert!(matches!(ended, Err(IndexError::Closed)));
        assert_eq!(given, 10);
    }
}
