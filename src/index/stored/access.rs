//! How the database can be read without a change to it.

use std::io;

use rusqlite::Connection;
use tempfile::TempDir;

use super::super::aside::copy_database;
use super::super::error::IndexError;
use super::super::files::Files;
use super::super::options::IndexOptions;
use super::super::schema::connection;
use crate::log::Holder;

/// Whether a process has the index open.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// One has: its files change all the time.
    Writer,
    /// None has, or it cannot be told: its files are as they are.
    Nobody,
}

impl From<&Holder> for Beside {
    fn from(holder: &Holder) -> Beside {
        match holder {
            Holder::Process { .. } => Beside::Writer,
            Holder::Nobody | Holder::Unknown { .. } => Beside::Nobody,
        }
    }
}

/// A connection that only reads; `None` when there is no database. With it the directory of a
/// copy, if one had to be made.
///
/// An index that is open has the index of its WAL in `-shm`, which is only read. One that was
/// closed is all in the database. Of one that was killed SQLite would make a `-shm`, or give the
/// one that is there, and the WAL, to the database's owner, which is a change even if they are
/// his: so it gets a copy, and only where there is no room for that, none.
pub(super) fn connect(
    files: &Files,
    beside: &dyn Fn() -> Beside,
    copy_to: &dyn Fn() -> io::Result<TempDir>,
) -> Result<Option<(Connection, Option<TempDir>)>, IndexError> {
    if !files.main().try_exists()? {
        return Ok(None);
    }
    let options = IndexOptions::default();
    let has_index_of_wal = files.has_shm()? && files.wal().try_exists()?;
    if has_index_of_wal && beside() == Beside::Writer {
        return Ok(Some((connection::beside_writer(files, &options)?, None)));
    }
    if !files.has_wal()? {
        return Ok(Some((connection::at_rest(files, &options)?, None)));
    }
    match copied(files, &options, copy_to) {
        Err(IndexError::Full(_)) if has_index_of_wal => {
            Ok(Some((connection::beside_writer(files, &options)?, None)))
        }
        copied => copied.map(Some),
    }
}

fn copied(
    files: &Files,
    options: &IndexOptions,
    copy_to: &dyn Fn() -> io::Result<TempDir>,
) -> Result<(Connection, Option<TempDir>), IndexError> {
    let directory = copy_to()?;
    let copy = Files::of(directory.path())?;
    copy_database(files, &copy)?;
    let connection = connection::reading(&copy, options)?;
    Ok((connection, Some(directory)))
}
