//! Which slots of the `slots` table a run's blocks are in, and which are free.
//!
//! A slot is a row that fills a page and is written over when its run is gone: to
//! DELETE a run's rows instead would read every page of it back. What no named run
//! claims is free, so whatever an unfinished merge left behind needs no cleaning.

use std::collections::BTreeMap;

use super::sealed::{Contents, put_varint};

/// The slots of a run's blocks, in the order of the blocks, as stretches of neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SlotList {
    stretches: Vec<Stretch>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Stretch {
    first_block: u64,
    first_slot: u64,
    blocks: u64,
}

impl SlotList {
    /// Appends the slot of the next block.
    pub(super) fn push(&mut self, slot: u64) {
        let first_block = self.len();
        match self.stretches.last_mut() {
            Some(last) if last.first_slot + last.blocks == slot => last.blocks += 1,
            _ => self.stretches.push(Stretch {
                first_block,
                first_slot: slot,
                blocks: 1,
            }),
        }
    }

    /// How many blocks there are.
    pub(super) fn len(&self) -> u64 {
        self.stretches
            .last()
            .map_or(0, |last| last.first_block + last.blocks)
    }

    /// The slot of a block; `None` beyond the last.
    pub(super) fn slot(&self, block: u64) -> Option<u64> {
        let after = self
            .stretches
            .partition_point(|stretch| stretch.first_block <= block);
        let stretch = self.stretches.get(after.checked_sub(1)?)?;
        let offset = block - stretch.first_block;
        (offset < stretch.blocks).then(|| stretch.first_slot + offset)
    }

    /// Each stretch as its first slot and its length.
    fn stretches(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.stretches
            .iter()
            .map(|stretch| (stretch.first_slot, stretch.blocks))
    }

    /// First slot and length of each stretch, as varints.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (first, blocks) in self.stretches() {
            put_varint(&mut bytes, first);
            put_varint(&mut bytes, blocks);
        }
        bytes
    }

    /// Reads what [`SlotList::encode`] wrote; `None` when it cannot have.
    pub(super) fn decode(bytes: &[u8]) -> Option<SlotList> {
        let mut contents = Contents(bytes);
        let mut list = SlotList::default();
        while !contents.0.is_empty() {
            let stretch = Stretch {
                first_block: list.len(),
                first_slot: contents.varint()?,
                blocks: contents.varint()?,
            };
            let end = stretch.first_slot.checked_add(stretch.blocks)?;
            if stretch.blocks == 0
                || end > i64::MAX as u64
                || stretch.first_block.checked_add(stretch.blocks).is_none()
            {
                return None;
            }
            list.stretches.push(stretch);
        }
        Some(list)
    }
}

/// The slots that no run claims.
#[derive(Clone, Debug, Default)]
pub(super) struct FreeSlots {
    /// First slot to length; neighbours are joined.
    stretches: BTreeMap<u64, u64>,
    /// The first slot that was never written.
    end: u64,
}

impl FreeSlots {
    /// Of `end` slots all that these lists do not claim; `None` when two claim the same
    /// slot or one claims a slot that is not there.
    pub(super) fn beside<'a>(
        end: u64,
        claimed: impl Iterator<Item = &'a SlotList>,
    ) -> Option<FreeSlots> {
        let mut taken: Vec<(u64, u64)> = claimed.flat_map(SlotList::stretches).collect();
        taken.sort_unstable();
        let mut free = FreeSlots {
            stretches: BTreeMap::new(),
            end,
        };
        let mut next = 0;
        for (first, blocks) in taken.into_iter().chain([(end, 0)]) {
            let gap = first.checked_sub(next)?;
            if gap > 0 {
                free.stretches.insert(next, gap);
            }
            next = first + blocks;
        }
        (next == end).then_some(free)
    }

    /// Takes the lowest free slot.
    pub(super) fn take(&mut self) -> u64 {
        match self.stretches.pop_first() {
            Some((first, blocks)) => {
                if blocks > 1 {
                    self.stretches.insert(first + 1, blocks - 1);
                }
                first
            }
            None => {
                self.end += 1;
                self.end - 1
            }
        }
    }

    /// Takes a run's slots back.
    pub(super) fn give_back(&mut self, list: &SlotList) {
        for (mut first, mut blocks) in list.stretches() {
            if let Some((&before, &length)) = self.stretches.range(..first).next_back()
                && before + length == first
            {
                self.stretches.remove(&before);
                (first, blocks) = (before, blocks + length);
            }
            if let Some(length) = self.stretches.remove(&(first + blocks)) {
                blocks += length;
            }
            self.stretches.insert(first, blocks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(slots: &[u64]) -> SlotList {
        let mut list = SlotList::default();
        slots.iter().for_each(|slot| list.push(*slot));
        list
    }

    #[test]
    fn blocks_keep_their_slots_through_encoding() {
        let slots = [4, 5, 6, 0, 1, 9];
        let list = SlotList::decode(&list(&slots).encode()).unwrap();
        for (block, slot) in slots.iter().enumerate() {
            assert_eq!(list.slot(block as u64), Some(*slot));
        }
        assert_eq!(list.slot(6), None);
        assert_eq!(SlotList::decode(&[1]), None);
        assert_eq!(SlotList::decode(&[1, 0]), None);
    }

    #[test]
    fn a_slot_is_never_given_twice() {
        let (first, second) = (list(&[1, 2]), list(&[5]));
        let mut free = FreeSlots::beside(7, [&first, &second].into_iter()).unwrap();
        let taken: Vec<u64> = (0..6).map(|_| free.take()).collect();
        assert_eq!(taken, [0, 3, 4, 6, 7, 8]);
        free.give_back(&first);
        free.give_back(&list(&[0, 3]));
        assert_eq!(free.stretches, BTreeMap::from([(0, 4)]));
        assert_eq!(
            (0..5).map(|_| free.take()).collect::<Vec<_>>(),
            [0, 1, 2, 3, 9]
        );
    }

    #[test]
    fn slots_claimed_twice_or_beyond_the_end_are_noticed() {
        assert!(FreeSlots::beside(7, [&list(&[1, 2]), &list(&[2])].into_iter()).is_none());
        assert!(FreeSlots::beside(2, [&list(&[1, 2])].into_iter()).is_none());
        assert!(FreeSlots::beside(3, [&list(&[1, 2])].into_iter()).is_some());
    }
}
