//! The index's files by name: where they are, whether they are still the ones that were
//! opened, and their end.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::IndexError;

const MAIN: &str = "index.sqlite3";

/// The names of the index's files in a directory.
#[derive(Clone, Debug)]
pub(super) struct Files {
    directory: PathBuf,
    main: PathBuf,
    wal: PathBuf,
    shm: PathBuf,
}

impl Files {
    /// The names. The directory is made absolute: SQLite would take `file:x` for a URI.
    pub(super) fn of(directory: &Path) -> io::Result<Files> {
        let directory = std::path::absolute(directory)?;
        Ok(Files {
            main: directory.join(MAIN),
            wal: directory.join(format!("{MAIN}-wal")),
            shm: directory.join(format!("{MAIN}-shm")),
            directory,
        })
    }

    /// The database itself.
    pub(super) fn main(&self) -> &Path {
        &self.main
    }

    /// Whether the WAL holds anything, so that the database alone is not the whole.
    pub(super) fn has_wal(&self) -> io::Result<bool> {
        Ok(metadata(&self.wal)?.is_some_and(|found| found.len() > 0))
    }

    /// Removes them; those that are not there are as good as removed.
    pub(super) fn remove(&self) -> io::Result<()> {
        // The database first: without it SQLite ignores the others.
        for path in [&self.main, &self.wal, &self.shm] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.sync_directory()
    }

    /// Makes what was created or removed last.
    pub(super) fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    /// The size of the database itself, in bytes.
    pub(super) fn database_bytes(&self) -> io::Result<u64> {
        Ok(metadata(&self.main)?.map_or(0, |found| found.len()))
    }

    /// Their sizes together, in bytes.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        let mut total = 0;
        for path in [&self.main, &self.wal, &self.shm] {
            total += metadata(path)?.map_or(0, |found| found.len());
        }
        Ok(total)
    }
}

/// Which files were opened.
///
/// A deleted or replaced file goes on working for the one who has it open, so what is
/// written to it would be lost in silence. Only names are looked at, nothing is opened:
/// closing any handle of the database would drop SQLite's own locks on it.
#[derive(Debug)]
pub(super) struct Identity {
    files: Files,
    main: Option<(u64, u64)>,
    wal: Option<(u64, u64)>,
    /// What the database's size cannot fall below.
    bytes_min: u64,
}

impl Identity {
    /// Remembers the files as they are now, just opened.
    pub(super) fn now(files: &Files) -> Result<Identity, IndexError> {
        Ok(Identity {
            files: files.clone(),
            main: metadata(&files.main)?.map(|found| number(&found)),
            wal: metadata(&files.wal)?.map(|found| number(&found)),
            bytes_min: 0,
        })
    }

    /// Remembers that the database has at least this size.
    pub(super) fn has_bytes(&mut self, bytes: u64) {
        self.bytes_min = self.bytes_min.max(bytes);
    }

    /// # Errors
    /// [`IndexError::Damaged`] when a file is no longer there, or another, or cut.
    pub(super) fn check(&self) -> Result<(), IndexError> {
        let main = metadata(&self.files.main)?;
        let wal = metadata(&self.files.wal)?;
        if main.as_ref().map(number) != self.main || main.is_none() {
            return Err(IndexError::damaged("its file was deleted or replaced"));
        }
        if wal.as_ref().map(number) != self.wal {
            return Err(IndexError::damaged("its WAL was deleted or replaced"));
        }
        if main.is_some_and(|found| found.len() < self.bytes_min) {
            return Err(IndexError::damaged("its file was cut"));
        }
        Ok(())
    }
}

fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn number(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
