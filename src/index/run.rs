//! A sorted run as it is kept in memory: where its blocks are, the first key that each
//! answers for, and its filter.
//!
//! Blocks are numbered: first those with keys, then the fences, then the filter.

use super::digest::KeyDigest;
use super::error::IndexError;
use super::filter::{Filter, LINE_BYTES};
use super::key_block::number_of;
use super::sealed::{self, CRC_BYTES, Kind};
use super::slots::SlotList;

/// The row of the manifest that makes a run exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunRow {
    /// Never given twice, so that a stale block cannot pass for one of another run.
    pub(super) id: u64,
    /// How many keys it has.
    pub(super) entries: u64,
    /// How many of its blocks hold keys.
    pub(super) key_blocks: u64,
    /// How many hold fences; the rest hold the filter.
    pub(super) fence_blocks: u64,
    /// Where the blocks are.
    pub(super) slots: SlotList,
}

impl RunRow {
    /// The CRC over all of it.
    pub(super) fn crc(&self) -> u32 {
        let mut contents = Vec::new();
        for number in [self.entries, self.key_blocks, self.fence_blocks] {
            contents.extend_from_slice(&number.to_le_bytes());
        }
        contents.extend_from_slice(&self.slots.encode());
        sealed::crc(Kind::Run, [self.id, 0], &contents)
    }
}

/// A run whose fences and filter are in memory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) row: RunRow,
    fences: Vec<u128>,
    filter: Filter,
}

impl Run {
    pub(super) fn new(row: RunRow, fences: Vec<u128>, filter: Filter) -> Run {
        Run {
            row,
            fences,
            filter,
        }
    }

    /// Whether the key may be in this run; false is certain.
    pub(super) fn may_contain(&self, key: KeyDigest) -> bool {
        self.filter.may_contain(key)
    }

    /// The number of the block that answers for a key.
    pub(super) fn block_of(&self, key: KeyDigest) -> u64 {
        let after = self
            .fences
            .partition_point(|fence| *fence <= number_of(key));
        after.saturating_sub(1) as u64
    }

    /// The slot of a block.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] beyond the last block.
    pub(super) fn slot(&self, block: u64) -> Result<u64, IndexError> {
        slot_of(&self.row, block)
    }

    /// Reads fences and filter through `read_slot`.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when they are not intact, and what `read_slot` returns.
    pub(super) fn load(
        row: RunRow,
        mut read_slot: impl FnMut(u64) -> Result<Vec<u8>, IndexError>,
    ) -> Result<Run, IndexError> {
        let id = row.id;
        let mut fences = Vec::new();
        let mut filter = Filter::with_capacity(0);
        for number in row.key_blocks..row.slots.len() {
            let block = read_slot(slot_of(&row, number)?)?;
            if number < row.key_blocks + row.fence_blocks {
                let (found, _) =
                    sealed::open(Kind::Fences, [id, number], &block)?.as_chunks::<16>();
                fences.extend(found.iter().map(|fence| u128::from_le_bytes(*fence)));
            } else {
                filter.read_lines(sealed::open(Kind::Filter, [id, number], &block)?);
            }
        }
        let sound = fences.len() as u64 == row.key_blocks
            && fences.first() == Some(&0)
            && fences.is_sorted_by(|lower, upper| lower < upper)
            && filter.lines() as u64 == Filter::lines_for(row.entries);
        if !sound {
            return Err(sealed::malformed(Kind::Fences, [id, 0]));
        }
        Ok(Run {
            row,
            fences,
            filter,
        })
    }

    /// How many blocks the fences and the filter take, at this size of a block.
    pub(super) fn parts(&self, block_bytes: usize) -> (u64, u64) {
        let (fences, lines) = part_sizes(block_bytes);
        (
            self.fences.len().div_ceil(fences) as u64,
            self.filter.lines().div_ceil(lines) as u64,
        )
    }

    /// Encodes one of those blocks, the fences' first.
    pub(super) fn encode_part(&self, part: u64, block_bytes: usize) -> Vec<u8> {
        let (fences_each, lines_each) = part_sizes(block_bytes);
        let (fence_blocks, _) = self.parts(block_bytes);
        let number = self.row.key_blocks + part;
        let mut block = Vec::with_capacity(block_bytes);
        block.extend_from_slice(&[0; CRC_BYTES]);
        let kind = if part < fence_blocks {
            let from = part as usize * fences_each;
            let to = (from + fences_each).min(self.fences.len());
            self.fences[from..to]
                .iter()
                .for_each(|fence| block.extend_from_slice(&fence.to_le_bytes()));
            Kind::Fences
        } else {
            let from = (part - fence_blocks) as usize * lines_each;
            let to = (from + lines_each).min(self.filter.lines());
            self.filter.write_lines(from, to, &mut block);
            Kind::Filter
        };
        sealed::seal(kind, [self.row.id, number], &mut block);
        block
    }
}

fn slot_of(row: &RunRow, block: u64) -> Result<u64, IndexError> {
    row.slots
        .slot(block)
        .ok_or_else(|| sealed::malformed(Kind::Run, [row.id, block]))
}

/// How many fences and how many filter lines a block of this size holds.
fn part_sizes(block_bytes: usize) -> (usize, usize) {
    let room = block_bytes - CRC_BYTES;
    (room / 16, room / LINE_BYTES)
}
