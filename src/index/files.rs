//! The index's files by name: where they are, whether they are still the ones that were
//! opened, and their end.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::IndexError;
use super::options::Durability;
use super::run_row::RunRow;

const MAIN: &str = "index.sqlite3";
const RUN_ENDING: &str = ".run";

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

    /// The database's WAL.
    pub(super) fn wal(&self) -> &Path {
        &self.wal
    }

    /// Whether the WAL holds anything, so that the database alone is not the whole.
    pub(super) fn has_wal(&self) -> io::Result<bool> {
        Ok(metadata(&self.wal)?.is_some_and(|found| found.len() > 0))
    }

    /// Whether there is an index of the WAL: it is open, or was killed.
    pub(super) fn has_shm(&self) -> io::Result<bool> {
        self.shm.try_exists()
    }

    /// The file of a run.
    pub(super) fn run(&self, id: u64) -> PathBuf {
        self.directory.join(format!("{id:020}{RUN_ENDING}"))
    }

    /// The ids of all runs whose files are there, named in the manifest or not.
    pub(super) fn runs(&self) -> io::Result<Vec<u64>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            ids.extend(name.to_str().and_then(run_of_name));
        }
        Ok(ids)
    }

    /// Removes the file of a run; one that is not there is as good as removed.
    pub(super) fn remove_run(&self, id: u64) -> io::Result<()> {
        remove(&self.run(id))
    }

    /// Removes the files of all runs but these. What un-named them must last.
    pub(super) fn remove_left_overs(&self, named: &[RunRow]) -> io::Result<()> {
        for id in self.runs()? {
            if !named.iter().any(|row| row.id == id) {
                self.remove_run(id)?;
            }
        }
        Ok(())
    }

    /// Makes all that was committed last. (Unlike the database, the WAL has no locks that
    /// closing a handle could drop.)
    pub(super) fn sync_wal(&self, durability: Durability) -> io::Result<()> {
        if durability == Durability::Throwaway {
            return Ok(());
        }
        match File::open(&self.wal) {
            // An orderly close has synced it into the database.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other?.sync_all(),
        }
    }

    /// Whether so many bytes could be written now.
    pub(super) fn has_room_for(&self, bytes: u64) -> io::Result<bool> {
        let disk = rustix::fs::statvfs(&self.directory)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize) >= bytes)
    }

    /// Removes them; those that are not there are as good as removed.
    pub(super) fn remove(&self) -> io::Result<()> {
        // The database first: without it SQLite ignores the others.
        for path in [&self.main, &self.wal, &self.shm] {
            remove(path)?;
        }
        for id in self.runs()? {
            self.remove_run(id)?;
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
        for id in self.runs()? {
            total += metadata(&self.run(id))?.map_or(0, |found| found.len());
        }
        Ok(total)
    }
}

/// The id of the run that a file of this name has; `None` if it is no run's.
fn run_of_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(RUN_ENDING)?;
    let all_digits = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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
