//! An index as who only looks at it sees it: stopped, killed, or being written right now. It
//! changes nothing, and no file is made in its directory.
//!
//! What is there once, whatever runs and generations it is in, is given in one order: the
//! *logical rows*, which two indexes of the same log have in common. They are read in pages, each
//! with a read transaction of its own: rows up to the watermark never change what they say.

mod access;
mod figures;
mod keys;
mod look_up;
mod not_stored;
mod postings;
mod topics;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::error::IndexError;
use super::files::Files;
use super::fold::FoldState;
use super::run_file::RunFile;
use super::schema::head::{self, Head};
use super::schema::{self, runs};
use crate::event::Seq;

pub use access::Beside;
pub use figures::StoredFigures;
pub use keys::{KeyRow, KeyRows};
pub use not_stored::{NotStoredRow, NotStoredRows};
pub use postings::{PostingRow, PostingRows};
pub use topics::{TopicRow, TopicRows};

/// A writer at work may remove a run between a look at the manifest and one at the file.
const LOOKS_MAX: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// An index that is looked at. What it says is as of one commit, which had happened when it was
/// opened.
#[derive(Debug)]
pub struct StoredIndex {
    connection: Connection,
    files: Files,
    head: Head,
    runs: Vec<Arc<RunFile>>,
    /// Where a copy lies, if one had to be made.
    _copy: Option<TempDir>,
}

impl StoredIndex {
    /// Looks at the index in a directory; `None` when there is none. `beside` is asked only where
    /// the files do not tell. Of one that was killed, the database may have to be copied: then
    /// `copy_to` makes a directory for it.
    ///
    /// # Errors
    /// [`IndexError::Damaged`], [`IndexError::OtherVersion`] and [`IndexError::OtherLog`] of an
    /// index that is of no use; others may pass by themselves.
    pub fn open(
        directory: &Path,
        log_id: [u8; 16],
        beside: &dyn Fn() -> Beside,
        copy_to: &dyn Fn() -> io::Result<TempDir>,
    ) -> Result<Option<StoredIndex>, IndexError> {
        let files = Files::of(directory)?;
        let mut looks = 0;
        loop {
            looks += 1;
            match look(&files, log_id, beside, copy_to) {
                Err(IndexError::Damaged { .. } | IndexError::Busy(_))
                    if looks < LOOKS_MAX && files.has_shm()? =>
                {
                    thread::sleep(BETWEEN_LOOKS);
                }
                other => return other,
            }
        }
    }

    /// Counters and hash at the flushed watermark.
    pub fn state(&self) -> FoldState {
        self.head.state
    }

    /// The last seq that it has.
    pub fn flushed(&self) -> Seq {
        self.head.flushed()
    }
}

fn look(
    files: &Files,
    log_id: [u8; 16],
    beside: &dyn Fn() -> Beside,
    copy_to: &dyn Fn() -> io::Result<TempDir>,
) -> Result<Option<StoredIndex>, IndexError> {
    let Some((connection, copy)) = access::connect(files, beside, copy_to)? else {
        return Ok(None);
    };
    if schema::is_empty(&connection)? {
        return Ok(None);
    }
    let (head, runs) = {
        let snapshot = connection.unchecked_transaction()?;
        let head = head::read(&snapshot)?;
        if head.log_id != log_id {
            return Err(IndexError::OtherLog { found: head.log_id });
        }
        let rows = runs::load(&snapshot, head.state.counters.unique)?;
        let open = |row| RunFile::open(files, log_id, row).map(Arc::new);
        let runs = rows.into_iter().map(open).collect::<Result<_, _>>()?;
        (head, runs)
    };
    Ok(Some(StoredIndex {
        connection,
        files: files.clone(),
        head,
        runs,
        _copy: copy,
    }))
}
