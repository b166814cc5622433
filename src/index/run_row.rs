//! The row of the manifest that a run has, and what follows from it: where in its file each
//! block stands (see `run_file` for the order), and the header that repeats it.

use super::error::IndexError;
use super::filter::{FilterShape, LINE_BYTES};
use super::sealed::{self, CRC_BYTES, Kind};

const MAGIC: &[u8; 8] = b"oncelrun";
const VERSION: u32 = 1;
pub(super) const FENCE_BYTES: usize = 16;

/// The row of the manifest that makes a run exist, and all that its file must be.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct RunRow {
    /// Names the file. Never given twice.
    pub(super) id: u64,
    /// Random, so that nothing stale can pass for a block of this run.
    pub(super) salt: u64,
    /// How many keys it has.
    pub(super) entries: u64,
    /// How many blocks they fill.
    pub(super) key_blocks: u64,
    /// How its filter is cut up.
    pub(super) filter: FilterShape,
    /// The size of each block, in bytes.
    pub(super) block_bytes: u64,
}

impl RunRow {
    /// All of it but the id, in the order of the columns.
    pub(super) fn numbers(&self) -> [u64; 6] {
        [
            self.salt,
            self.entries,
            self.key_blocks,
            self.filter.chunks,
            self.filter.chunk_lines,
            self.block_bytes,
        ]
    }

    /// What [`RunRow::numbers`] has given; `None` when it cannot have.
    pub(super) fn of(id: u64, numbers: [u64; 6]) -> Option<RunRow> {
        let [salt, entries, key_blocks, chunks, chunk_lines, block_bytes] = numbers;
        let row = RunRow {
            id,
            salt,
            entries,
            key_blocks,
            filter: FilterShape {
                chunks,
                chunk_lines,
            },
            block_bytes,
        };
        let sound = chunks > 0 && chunk_lines > 0 && key_blocks > 0;
        (sound && (128..=1 << 20).contains(&block_bytes)).then_some(row)
    }

    /// The CRC over all of it.
    pub(super) fn crc(&self) -> u32 {
        let mut contents = Vec::new();
        for number in self.numbers() {
            contents.extend_from_slice(&number.to_le_bytes());
        }
        sealed::crc(Kind::Run, [self.id, 0], &contents)
    }

    /// How many fences a block holds.
    pub(super) fn fences_each(&self) -> u64 {
        (self.block_bytes - CRC_BYTES as u64) / FENCE_BYTES as u64
    }

    /// How many lines of the filter a block holds.
    pub(super) fn lines_each(&self) -> u64 {
        (self.block_bytes - CRC_BYTES as u64) / LINE_BYTES as u64
    }

    /// How many blocks a chunk of the filter takes.
    pub(super) fn chunk_blocks(&self) -> u64 {
        self.filter.chunk_lines.div_ceil(self.lines_each())
    }

    /// How many blocks of fences there are.
    pub(super) fn groups(&self) -> u64 {
        self.key_blocks.div_ceil(self.fences_each())
    }

    fn top_blocks(&self) -> u64 {
        self.groups().div_ceil(self.fences_each())
    }

    fn keys_begin(&self) -> u64 {
        1 + self.filter.chunks * self.chunk_blocks()
    }

    /// The number in the file of a block of the filter, by the line within its chunk.
    pub(super) fn filter_block(&self, chunk: u64, line: u64) -> u64 {
        1 + chunk * self.chunk_blocks() + line / self.lines_each()
    }

    /// The number in the file of a block of keys.
    pub(super) fn key_block(&self, number: u64) -> u64 {
        self.keys_begin() + number + number / self.fences_each()
    }

    /// The number in the file of a block of fences, when this many blocks of keys are
    /// before it.
    pub(super) fn fence_block(&self, group: u64, keys_before: u64) -> u64 {
        self.keys_begin() + keys_before + group
    }

    /// The number in the file of the first block of the top.
    pub(super) fn top_block(&self) -> u64 {
        self.keys_begin() + self.key_blocks + self.groups()
    }

    /// How many blocks the file has.
    pub(super) fn blocks(&self) -> u64 {
        self.top_block() + self.top_blocks()
    }

    /// The size of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks() * self.block_bytes
    }

    /// The header of the file, which is its first block.
    pub(super) fn header(&self, log_id: [u8; 16]) -> Vec<u8> {
        let mut block = vec![0; CRC_BYTES];
        block.extend_from_slice(MAGIC);
        block.extend_from_slice(&VERSION.to_le_bytes());
        block.extend_from_slice(&log_id);
        block.extend_from_slice(&self.id.to_le_bytes());
        for number in self.numbers() {
            block.extend_from_slice(&number.to_le_bytes());
        }
        block.resize(self.block_bytes as usize, 0);
        sealed::seal(Kind::RunHeader, [self.salt, 0], &mut block);
        block
    }

    /// The error for a block that is not as it must be.
    pub(super) fn broken(&self, kind: Kind, block: u64) -> IndexError {
        IndexError::damaged(format!("{kind:?} block {block} of run {}", self.id))
    }
}
