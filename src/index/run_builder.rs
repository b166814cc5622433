//! Makes a run of entries that come in the order of their keys. Whatever is full is
//! written, so the memory that it takes does not grow with the run.

use std::sync::Arc;

use super::error::IndexError;
use super::files::Files;
use super::filter::{FilterShape, LINE_BYTES, Lines};
use super::key_block::{BlockPacker, Entry, number_of};
use super::options::{Durability, Shape};
use super::pace::Pace;
use super::run::Run;
use super::run_file::{RunFile, fence_block};
use super::run_row::RunRow;
use super::run_writer::{RunWriter, Stream};
use super::sealed::{self, CRC_BYTES, Kind};

/// What the runs of one index have in common.
#[derive(Clone)]
pub(super) struct RunMaker {
    pub(super) files: Files,
    pub(super) log_id: [u8; 16],
    pub(super) durability: Durability,
    pub(super) shape: Shape,
    pub(super) pace: Pace,
}

/// A run in the making. Dropping it removes its file.
pub(super) struct RunBuilder {
    maker: RunMaker,
    /// With the blocks of keys that there are so far.
    row: RunRow,
    out: RunWriter,
    keys: Stream,
    filter: Stream,
    packer: BlockPacker,
    last_key: Option<u128>,
    /// Of the group that is being filled.
    fences: Vec<u128>,
    /// The first fence of each group.
    top: Vec<u128>,
    chunk: u64,
    lines: Lines,
    pushed: u64,
}

impl RunBuilder {
    /// Begins a run of exactly this many entries, at least one, beside those that there are.
    /// `is_large` says that it will not be read soon, and goes past the page cache.
    ///
    /// # Errors
    /// When its file cannot be made.
    pub(super) fn begin(
        maker: &RunMaker,
        id: u64,
        entries: u64,
        beside: &[Arc<Run>],
        is_large: bool,
    ) -> Result<RunBuilder, IndexError> {
        let block_bytes = maker.shape.block_bytes;
        let lines_each = ((block_bytes - CRC_BYTES) / LINE_BYTES) as u64;
        let chunk_lines = maker.shape.filter_chunk_blocks * lines_each;
        let shapes = beside.iter().map(|run| run.file.row.filter);
        let row = RunRow {
            id,
            salt: getrandom::u64().map_err(std::io::Error::other)?,
            entries,
            key_blocks: 0,
            filter: FilterShape::for_keys(entries, chunk_lines, shapes),
            block_bytes: block_bytes as u64,
        };
        let offset = |block: u64| block * row.block_bytes;
        Ok(RunBuilder {
            out: RunWriter::create(&maker.files, id, is_large, maker.durability, &maker.shape)?,
            maker: maker.clone(),
            keys: Stream::at(offset(row.key_block(0)))?,
            filter: Stream::at(offset(row.filter_block(0, 0)))?,
            packer: BlockPacker::new(block_bytes),
            last_key: None,
            fences: Vec::new(),
            top: Vec::new(),
            chunk: 0,
            lines: Lines::empty(row.filter.chunk_lines as usize)?,
            pushed: 0,
            row,
        })
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when its key is not above the last, since a key is stored
    /// once; when it cannot be written.
    pub(super) fn push(&mut self, entry: Entry) -> Result<(), IndexError> {
        let key = number_of(entry.key);
        if self.last_key.is_some_and(|last| last >= key) {
            return Err(IndexError::damaged(format!(
                "key {} is in two places",
                entry.key
            )));
        }
        if !self.packer.has_room_for(&entry) {
            // Above the last key, so above zero.
            self.finish_block(key - 1)?;
        }
        let (chunk, line) = self.row.filter.place(entry.key);
        while self.chunk < chunk as u64 {
            self.finish_chunk()?;
        }
        self.lines.insert(line, entry.key);
        self.packer.push(entry);
        self.last_key = Some(key);
        self.pushed += 1;
        Ok(())
    }

    /// How many blocks of keys there are so far.
    pub(super) fn blocks(&self) -> u64 {
        self.row.key_blocks
    }

    /// Writes what is left, and syncs file and name: then a row may name it.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when there were not as many entries as there should be; when
    /// it cannot be written or synced.
    pub(super) fn finish(mut self) -> Result<RunFile, IndexError> {
        if self.pushed != self.row.entries {
            return Err(IndexError::damaged(
                "runs do not have the keys that they should",
            ));
        }
        self.finish_block(u128::MAX)?;
        if !self.fences.is_empty() {
            self.finish_group()?;
        }
        while self.chunk < self.row.filter.chunks {
            self.finish_chunk()?;
        }
        let fences_each = self.row.fences_each() as usize;
        for (number, fences) in (self.row.top_block()..).zip(self.top.chunks(fences_each)) {
            let block = fence_block(Kind::Top, &self.row, number, fences);
            self.keys.push(&block, &mut self.out)?;
        }
        self.keys.flush(&mut self.out)?;
        self.filter.flush(&mut self.out)?;
        let RunMaker { files, log_id, .. } = &self.maker;
        self.out.write(&self.row.header(*log_id), 0)?;
        self.out.finish(files)?;
        RunFile::open(files, *log_id, self.row)
    }

    fn finish_block(&mut self, covers_to: u128) -> Result<(), IndexError> {
        self.fences.push(self.packer.covers_from());
        let number = self.row.key_block(self.row.key_blocks);
        let block = self.packer.finish(self.row.salt, number, covers_to);
        self.keys.push(&block, &mut self.out)?;
        self.row.key_blocks += 1;
        self.maker.pace.give_way();
        if self.fences.len() as u64 == self.row.fences_each() {
            self.finish_group()?;
        }
        Ok(())
    }

    fn finish_group(&mut self) -> Result<(), IndexError> {
        let number = self
            .row
            .fence_block(self.top.len() as u64, self.row.key_blocks);
        let block = fence_block(Kind::Fences, &self.row, number, &self.fences);
        self.top.push(self.fences[0]);
        self.fences.clear();
        self.keys.push(&block, &mut self.out)
    }

    fn finish_chunk(&mut self) -> Result<(), IndexError> {
        let lines_each = self.row.lines_each() as usize;
        let first = self.row.filter_block(self.chunk, 0);
        for (number, from) in (first..).zip((0..self.lines.len()).step_by(lines_each)) {
            let to = (from + lines_each).min(self.lines.len());
            let mut block = vec![0; CRC_BYTES];
            block.extend_from_slice(self.lines.bytes(from, to));
            block.resize(self.row.block_bytes as usize, 0);
            sealed::seal(Kind::Filter, [self.row.salt, number], &mut block);
            self.filter.push(&block, &mut self.out)?;
        }
        self.lines.clear();
        self.chunk += 1;
        Ok(())
    }
}
