//! The file of a sorted run. It is written once and never changed.
//!
//! All of it is blocks of one size, each with a CRC (see `sealed`) that covers what it is,
//! its number in the file and the run's salt:
//!
//! ```text
//! header │ filter … │ (fences_each times keys │ fences) … │ top …
//! ```
//!
//! - The *header* repeats the run's row in the manifest, and says of which log it is.
//! - The *filter* comes in chunks of so many blocks each. How many there are follows from
//!   the number of entries, which a merge knows beforehand: so filter and keys are written
//!   at the same time, at two places, and neither is held in memory.
//! - A block of *fences* has the first key that each block of keys before it answers for,
//!   16 bytes each. The last group of keys may be shorter than the others.
//! - The *top* has the first fence of each block of fences.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::OnceLock;

use super::closing::Closer;
use super::direct;
use super::error::IndexError;
use super::files::Files;
use super::filter::{LINE_BYTES, Lines};
use super::key_block::KeyBlock;
use super::pages::Pages;
use super::run_row::{FENCE_BYTES, RunRow};
use super::sealed::{self, CRC_BYTES, Kind};
use crate::log::storage::side_by_side::{self, BLOCKS_EACH_MIN};

/// How much of a chunk is read at once: the log's syncs wait for what is under way.
const READ_BYTES: u64 = 256 << 10;

/// The open file of a run that is named, or was.
#[derive(Debug)]
pub(super) struct RunFile {
    pub(super) row: RunRow,
    path: PathBuf,
    file: File,
    number: (u64, u64),
    /// The first fence of each group.
    top: Vec<u128>,
    /// Once it is removed: who closes it.
    closer: OnceLock<Closer>,
    /// For tests: how often a look-up or a load read it.
    #[cfg(test)]
    pub(super) reads: std::sync::atomic::AtomicU64,
}

impl RunFile {
    /// Opens the file that a row names, and checks that it is that one. Reads the header and
    /// the top only.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when it is missing, short or another.
    pub(super) fn open(
        files: &Files,
        log_id: [u8; 16],
        row: RunRow,
    ) -> Result<RunFile, IndexError> {
        let path = files.run(row.id);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(IndexError::damaged(format!("run {} is missing", row.id)));
            }
            other => other?,
        };
        let found = file.metadata()?;
        if found.len() != row.bytes() {
            return Err(IndexError::damaged(format!(
                "run {} has {} bytes instead of {}",
                row.id,
                found.len(),
                row.bytes()
            )));
        }
        let mut opened = RunFile {
            row,
            path,
            file,
            number: (found.dev(), found.ino()),
            top: Vec::new(),
            closer: OnceLock::new(),
            #[cfg(test)]
            reads: std::sync::atomic::AtomicU64::new(0),
        };
        let mut block = vec![0; row.block_bytes as usize];
        opened.read(0, &mut block)?;
        if block != row.header(log_id) {
            return Err(row.broken(Kind::RunHeader, 0));
        }
        let mut top = Vec::with_capacity(row.groups() as usize);
        for number in row.top_block()..row.blocks() {
            opened.read(number, &mut block)?;
            let left = row.groups() as usize - top.len();
            top.extend(
                opened
                    .fences_in(Kind::Top, number, &block, left)?
                    .take(left),
            );
        }
        check_fences(&top, row.groups()).ok_or_else(|| row.broken(Kind::Top, row.top_block()))?;
        opened.top = top;
        Ok(opened)
    }

    /// Its name was removed: whoever uses it last leaves it to the closer.
    pub(super) fn is_removed(&self, closer: &Closer) {
        self.closer.get_or_init(|| closer.clone());
    }

    /// Reads blocks, as many as fit into `buffer`, from this one on.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when the file ends before.
    pub(super) fn read(&self, block: u64, buffer: &mut [u8]) -> Result<(), IndexError> {
        #[cfg(test)]
        self.reads
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.read_through(None, block, buffer)
    }

    /// A handle past the page cache for [`RunFile::read_through`], where that can be had. It
    /// stays with the file when that is unlinked.
    pub(super) fn open_direct(&self) -> Option<File> {
        let opened = direct::open(&self.path, false, self.row.block_bytes as usize)?;
        let found = opened.metadata().ok()?;
        ((found.dev(), found.ino()) == self.number).then_some(opened)
    }

    /// The same through another handle.
    ///
    /// # Errors
    /// As [`RunFile::read`].
    pub(super) fn read_through(
        &self,
        handle: Option<&File>,
        block: u64,
        buffer: &mut [u8],
    ) -> Result<(), IndexError> {
        let file = handle.unwrap_or(&self.file);
        match file.read_exact_at(buffer, block * self.row.block_bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(IndexError::damaged(format!("run {} was cut", self.row.id)))
            }
            other => Ok(other?),
        }
    }

    /// Checks a block of keys that was read.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when it is not that block, intact.
    pub(super) fn key_block<'b>(
        &self,
        block: u64,
        bytes: &'b [u8],
    ) -> Result<KeyBlock<'b>, IndexError> {
        KeyBlock::open(self.row.salt, block, bytes).map_err(|_| self.row.broken(Kind::Keys, block))
    }

    /// The lines in a block of the filter that was read.
    ///
    /// # Errors
    /// As [`RunFile::key_block`].
    pub(super) fn filter_lines<'b>(
        &self,
        block: u64,
        bytes: &'b [u8],
    ) -> Result<&'b [u8], IndexError> {
        sealed::open(Kind::Filter, [self.row.salt, block], bytes)
            .map_err(|_| self.row.broken(Kind::Filter, block))
    }

    /// Reads a chunk of the filter, through `buffer`, which begins with a page.
    ///
    /// # Errors
    /// [`IndexError`] when it cannot be read or is damaged.
    pub(super) fn load_chunk(&self, chunk: u64, buffer: &mut Pages) -> Result<Lines, IndexError> {
        let row = &self.row;
        let first = row.filter_block(chunk, 0);
        // Once read it is in memory: a copy in the page cache would only take room.
        let bytes = buffer.reach((row.chunk_blocks() * row.block_bytes) as usize)?;
        let direct = self.open_direct();
        let piece_blocks = (READ_BYTES / row.block_bytes).max(1);
        let pieces = bytes.chunks_mut((piece_blocks * row.block_bytes) as usize);
        for (from, piece) in (first..).step_by(piece_blocks as usize).zip(pieces) {
            self.read_through(direct.as_ref(), from, piece)?;
        }
        let mut lines = Lines::empty(row.filter.chunk_lines as usize)?;
        let blocks = (first..).zip(bytes.chunks_exact(row.block_bytes as usize));
        for (from, (number, block)) in (0..).step_by(row.lines_each() as usize).zip(blocks) {
            let left = lines.len() - from;
            let contents = self.filter_lines(number, block)?;
            lines.read(from, &contents[..contents.len().min(left * LINE_BYTES)]);
        }
        Ok(lines)
    }

    /// The group in whose fences the block of keys is that answers for a key.
    pub(super) fn group_of(&self, key: u128) -> u64 {
        place_in(&self.top, key)
    }

    /// Reads the fences of a group.
    ///
    /// # Errors
    /// [`IndexError`] when they cannot be read or are damaged.
    pub(super) fn load_group(&self, group: u64, fences: &mut Vec<u128>) -> Result<(), IndexError> {
        let row = &self.row;
        let begin = group * row.fences_each();
        let end = (begin + row.fences_each()).min(row.key_blocks);
        let number = row.fence_block(group, end);
        let mut block = vec![0; row.block_bytes as usize];
        self.read(number, &mut block)?;
        let count = (end - begin) as usize;
        let before = fences.len();
        fences.extend(
            self.fences_in(Kind::Fences, number, &block, count)?
                .take(count),
        );
        let found = &fences[before..];
        let sound = found.len() == count
            && found.first() == self.top.get(group as usize)
            && found.is_sorted_by(|lower, upper| lower < upper);
        if sound {
            Ok(())
        } else {
            Err(row.broken(Kind::Fences, number))
        }
    }

    /// Reads all fences.
    ///
    /// # Errors
    /// As [`RunFile::load_group`].
    pub(super) fn load_fences(&self) -> Result<Vec<u128>, IndexError> {
        // They lie far from each other.
        let groups: Vec<u64> = (0..self.row.groups()).collect();
        let fences = side_by_side::on_pieces(&groups, BLOCKS_EACH_MIN, |piece| {
            let mut fences = Vec::new();
            for group in piece {
                self.load_group(*group, &mut fences)?;
            }
            Ok::<_, IndexError>(fences)
        })?;
        check_fences(&fences, self.row.key_blocks)
            .ok_or_else(|| self.row.broken(Kind::Fences, 0))?;
        Ok(fences)
    }

    fn fences_in<'b>(
        &self,
        kind: Kind,
        number: u64,
        block: &'b [u8],
        count: usize,
    ) -> Result<impl Iterator<Item = u128> + use<'b>, IndexError> {
        let contents = sealed::open(kind, [self.row.salt, number], block)
            .map_err(|_| self.row.broken(kind, number))?;
        let (found, _) = contents.as_chunks::<FENCE_BYTES>();
        let fences = found.iter().map(|fence| u128::from_be_bytes(*fence));
        Ok(fences.take(count))
    }

    /// # Errors
    /// [`IndexError::Damaged`] when its name is gone, or stands for another file, or it was
    /// cut. It could still be read, but not after the next start.
    pub(super) fn check(&self) -> Result<(), IndexError> {
        let gone = || {
            let id = self.row.id;
            IndexError::damaged(format!("the file of run {id} was deleted or replaced"))
        };
        let found = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gone()),
            other => other?,
        };
        if (found.dev(), found.ino()) != self.number {
            return Err(gone());
        }
        if found.len() != self.row.bytes() {
            return Err(IndexError::damaged(format!("run {} was cut", self.row.id)));
        }
        Ok(())
    }
}

/// The place of the last fence that is not above a key.
pub(super) fn place_in(fences: &[u128], key: u128) -> u64 {
    let after = fences.partition_point(|fence| *fence <= key);
    after.saturating_sub(1) as u64
}

/// Fences as the blocks of a file have them.
pub(super) fn fence_block(kind: Kind, row: &RunRow, number: u64, fences: &[u128]) -> Vec<u8> {
    let mut block = vec![0; CRC_BYTES];
    for fence in fences {
        block.extend_from_slice(&fence.to_be_bytes());
    }
    block.resize(row.block_bytes as usize, 0);
    sealed::seal(kind, [row.salt, number], &mut block);
    block
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if let Some(closer) = self.closer.get() {
            closer.close_after(&self.file);
        }
    }
}

fn check_fences(fences: &[u128], count: u64) -> Option<()> {
    let sound = fences.len() as u64 == count
        && fences.first() == Some(&0)
        && fences.is_sorted_by(|lower, upper| lower < upper);
    sound.then_some(())
}
