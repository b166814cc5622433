//! A copy of an index that is not one's own: for tools that must not change it and want to apply
//! more to it, whether its store runs, was stopped or was killed; and of its database alone, for a
//! look that cannot be had without. (Opening a database, even for reading, makes or changes its
//! `-shm`, and without that its WAL is passed over.)
//!
//! The database and its WAL are copied; runs never change, and are linked to. While a store is
//! writing, the copy of the database may have pages of different moments. Each of those that
//! changed meanwhile stands in the WAL too, unless that was begun anew: its header tells.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use super::error::IndexError;
use super::files::Files;
use super::handle::Index;

/// The header of a WAL has salts that change when it is begun anew.
const WAL_HEADER_BYTES: u64 = 32;
/// A store that writes all the time begins its WAL anew every few seconds.
const TRIES: u32 = 10;

impl Index {
    /// Copies the index of one directory into another, empty one, where it may be opened as
    /// one's own. False when there is no index.
    ///
    /// # Errors
    /// Files that cannot be read or written; [`IndexError::Busy`] never.
    pub fn copy_aside(from: &Path, to: &Path) -> Result<bool, IndexError> {
        let (from, to) = (Files::of(from)?, Files::of(to)?);
        if !from.main().try_exists()? {
            return Ok(false);
        }
        copy_database(&from, &to)?;
        for id in from.runs()? {
            symlink(from.run(id), to.run(id))?;
        }
        Ok(true)
    }

    /// How many bytes [`Index::copy_aside`] copies; 0 when there is no index.
    ///
    /// # Errors
    /// When its files cannot be looked at.
    pub fn aside_bytes(from: &Path) -> io::Result<u64> {
        let files = Files::of(from)?;
        let mut bytes = 0;
        for path in [files.main(), files.wal()] {
            bytes += match fs::metadata(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                found => found?.len(),
            };
        }
        Ok(bytes)
    }
}

/// Copies the database and its WAL, as of one moment.
pub(super) fn copy_database(from: &Files, to: &Files) -> Result<(), IndexError> {
    for _ in 0..TRIES {
        let before = state(from)?;
        copy(from.main(), to.main())?;
        match copy(from.wal(), to.wal()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            copied => copied?,
        }
        if state(from)? == before {
            return Ok(());
        }
        to.remove()?;
    }
    let error = "it changes faster than it can be copied";
    Err(io::Error::new(io::ErrorKind::ResourceBusy, error).into())
}

/// Not with its rights: the copy is written to.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    io::copy(&mut from, &mut File::create(to)?)?;
    Ok(())
}

/// Which database it is, and which WAL; where there is none, when the database was written last.
#[derive(PartialEq, Eq)]
struct Moment {
    database: (u64, u64),
    written: Option<(i64, i64)>,
    wal: Option<Vec<u8>>,
}

fn state(files: &Files) -> io::Result<Moment> {
    let main = fs::metadata(files.main())?;
    let wal = match File::open(files.wal()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        opened => {
            let mut header = Vec::new();
            opened?.take(WAL_HEADER_BYTES).read_to_end(&mut header)?;
            // One that is empty is as good as none.
            (!header.is_empty()).then_some(header)
        }
    };
    Ok(Moment {
        database: (main.dev(), main.ino()),
        written: wal.is_none().then(|| (main.mtime(), main.mtime_nsec())),
        wal,
    })
}
