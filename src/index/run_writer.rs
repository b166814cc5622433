//! Writes the file of a run. Until it is finished, its end is the end of the file too.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::direct;
use super::error::IndexError;
use super::files::Files;
use super::options::{Durability, Shape};
use super::pages::Pages;
use super::steps::{Step, Steps};

/// What is gathered before it is written. The log's syncs wait for what is under way.
const WRITE_BYTES: usize = 256 << 10;

/// After how many bytes they are synced: each sync is then short, so that none of the log's waits
/// long behind it.
const SYNC_BYTES: usize = 1 << 20;

/// Past the page cache a sync has nothing to write: it is for the disk's own cache.
const DIRECT_SYNC_BYTES: usize = 16 << 20;

/// A file in the making, under the name that its run will have. No row names it yet.
pub(super) struct RunWriter {
    file: File,
    /// Past the page cache, where that is wanted and can be had.
    direct: Option<File>,
    path: PathBuf,
    durable: bool,
    steps: Steps,
    unsynced_bytes: usize,
    finished: bool,
}

impl RunWriter {
    /// Makes the file. `is_large` says that what is written will not be read soon.
    ///
    /// # Errors
    /// [`IndexError::Full`], [`IndexError::File`].
    pub(super) fn create(
        files: &Files,
        id: u64,
        is_large: bool,
        durability: Durability,
        shape: &Shape,
    ) -> Result<RunWriter, IndexError> {
        shape.steps.before(Step::CreateRun)?;
        let path = files.run(id);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        let direct = match is_large {
            true => direct::open(&path, true, shape.block_bytes),
            false => None,
        };
        Ok(RunWriter {
            file,
            direct,
            path,
            durable: durability == Durability::Normal,
            steps: shape.steps.clone(),
            unsynced_bytes: 0,
            finished: false,
        })
    }

    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// As [`RunWriter::create`].
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> Result<(), IndexError> {
        self.steps.before(Step::WriteRun)?;
        self.file.write_all_at(bytes, offset)?;
        self.written(bytes.len())
    }

    /// The same with whole blocks in memory that begins with a page.
    fn write_pages(&mut self, bytes: &[u8], offset: u64) -> Result<(), IndexError> {
        self.steps.before(Step::WriteRun)?;
        let file = self.direct.as_ref().unwrap_or(&self.file);
        file.write_all_at(bytes, offset)?;
        self.written(bytes.len())
    }

    fn written(&mut self, bytes: usize) -> Result<(), IndexError> {
        self.unsynced_bytes += bytes;
        let sync_bytes = match self.direct {
            Some(_) => DIRECT_SYNC_BYTES,
            None => SYNC_BYTES,
        };
        if self.durable && self.unsynced_bytes >= sync_bytes {
            self.file.sync_data()?;
            self.unsynced_bytes = 0;
        }
        Ok(())
    }

    /// Makes the file and its name last.
    ///
    /// # Errors
    /// As [`RunWriter::create`]. The file is then of no use: a sync that failed is not
    /// repeated.
    pub(super) fn finish(&mut self, files: &Files) -> Result<(), IndexError> {
        if self.durable {
            self.steps.before(Step::SyncRun)?;
            self.file.sync_all()?;
            self.steps.before(Step::SyncDirectory)?;
            files.sync_directory()?;
        }
        self.finished = true;
        Ok(())
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        // What is not finished gives its room back at once.
        if !self.finished && self.steps.before(Step::Unlink).is_ok() {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Blocks that follow each other, written in large pieces.
pub(super) struct Stream {
    offset: u64,
    buffer: Pages,
    filled: usize,
}

impl Stream {
    /// Begins at this offset.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(super) fn at(offset: u64) -> io::Result<Stream> {
        Ok(Stream {
            offset,
            buffer: Pages::mapped(WRITE_BYTES)?,
            filled: 0,
        })
    }

    /// Appends a block.
    ///
    /// # Errors
    /// As [`RunWriter::write`].
    pub(super) fn push(&mut self, block: &[u8], out: &mut RunWriter) -> Result<(), IndexError> {
        if self.filled + block.len() > WRITE_BYTES {
            self.flush(out)?;
        }
        self.buffer.bytes_mut()[self.filled..self.filled + block.len()].copy_from_slice(block);
        self.filled += block.len();
        Ok(())
    }

    /// Writes what is gathered.
    ///
    /// # Errors
    /// As [`RunWriter::write`].
    pub(super) fn flush(&mut self, out: &mut RunWriter) -> Result<(), IndexError> {
        if self.filled > 0 {
            out.write_pages(&self.buffer.bytes()[..self.filled], self.offset)?;
            self.offset += self.filled as u64;
            self.filled = 0;
        }
        Ok(())
    }
}
