//! Makes a run of entries that come in the order of their keys, block by block.

use super::error::IndexError;
use super::filter::Filter;
use super::key_block::{BlockPacker, Entry, number_of};
use super::run::{Run, RunRow};
use super::slots::{FreeSlots, SlotList};

/// A block that is ready to be written.
pub(super) type SlotBlock = (u64, Vec<u8>);

/// A run in the making.
pub(super) struct RunBuilder {
    id: u64,
    block_bytes: usize,
    packer: BlockPacker,
    last_key: Option<u128>,
    fences: Vec<u128>,
    filter: Filter,
    slots: SlotList,
    entries: u64,
}

impl RunBuilder {
    /// Begins a run of exactly this many entries.
    pub(super) fn new(id: u64, entries: u64, block_bytes: usize) -> RunBuilder {
        RunBuilder {
            id,
            block_bytes,
            packer: BlockPacker::new(block_bytes),
            last_key: None,
            fences: Vec::new(),
            filter: Filter::for_keys(entries),
            slots: SlotList::default(),
            entries: 0,
        }
    }

    /// Takes the next entry; a block that it fills goes to `ready`.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when its key is not above the last: a key is stored once.
    pub(super) fn push(
        &mut self,
        entry: Entry,
        free: &mut FreeSlots,
        ready: &mut Vec<SlotBlock>,
    ) -> Result<(), IndexError> {
        let key = number_of(entry.key);
        if self.last_key.is_some_and(|last| last >= key) {
            return Err(IndexError::damaged(format!(
                "key {} is in two places",
                entry.key
            )));
        }
        if !self.packer.has_room_for(&entry) {
            // Above the last key, so above zero.
            self.finish_block(key - 1, free, ready);
        }
        self.filter.insert(entry.key);
        self.packer.push(entry);
        self.last_key = Some(key);
        self.entries += 1;
        Ok(())
    }

    /// Finishes the keys: the last block goes to `ready`. What is returned still has no
    /// slots for its parts.
    pub(super) fn finish(mut self, free: &mut FreeSlots, ready: &mut Vec<SlotBlock>) -> Run {
        self.finish_block(u128::MAX, free, ready);
        let key_blocks = self.fences.len() as u64;
        let row = RunRow {
            id: self.id,
            entries: self.entries,
            key_blocks,
            fence_blocks: 0,
            slots: self.slots,
        };
        let mut run = Run::new(row, self.fences, self.filter);
        run.row.fence_blocks = run.parts(self.block_bytes).0;
        run
    }

    /// How many entries it has so far.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    fn finish_block(&mut self, covers_to: u128, free: &mut FreeSlots, ready: &mut Vec<SlotBlock>) {
        let number = self.fences.len() as u64;
        self.fences.push(self.packer.covers_from());
        let slot = free.take();
        self.slots.push(slot);
        ready.push((slot, self.packer.finish(self.id, number, covers_to)));
    }
}

/// Appends the next block of fences or filter to `ready`, if one is left.
pub(super) fn next_part(
    run: &mut Run,
    block_bytes: usize,
    free: &mut FreeSlots,
    ready: &mut Vec<SlotBlock>,
) -> bool {
    let (fences, lines) = run.parts(block_bytes);
    let part = run.row.slots.len() - run.row.key_blocks;
    if part == fences + lines {
        return false;
    }
    let slot = free.take();
    ready.push((slot, run.encode_part(part, block_bytes)));
    run.row.slots.push(slot);
    true
}
