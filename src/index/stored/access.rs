//! How the database can be read without a change to it.

use std::io;

use rusqlite::Connection;
use tempfile::TempDir;

use super::super::aside::copy_database;
use super::super::error::IndexError;
use super::super::files::Files;
use super::super::options::IndexOptions;
use super::super::schema::connection;

/// A connection that only reads; `None` when there is no database. With it the directory of a
/// copy, if one had to be made.
///
/// An index that is open, and mostly one that was killed, has the index of its WAL in `-shm`,
/// which is only read. One that was closed is all in the database. Else there is a WAL alone,
/// as a copy of a store may have it: SQLite would make the `-shm`, so it gets a copy.
pub(super) fn connect(
    files: &Files,
    copy_to: &dyn Fn() -> io::Result<TempDir>,
) -> Result<Option<(Connection, Option<TempDir>)>, IndexError> {
    if !files.main().try_exists()? {
        return Ok(None);
    }
    let options = IndexOptions::default();
    if files.has_shm()? && files.wal().try_exists()? {
        return Ok(Some((connection::beside_writer(files, &options)?, None)));
    }
    if !files.has_wal()? {
        return Ok(Some((connection::at_rest(files, &options)?, None)));
    }
    let directory = copy_to()?;
    let copy = Files::of(directory.path())?;
    copy_database(files, &copy)?;
    let connection = connection::reading(&copy, &options)?;
    Ok(Some((connection, Some(directory))))
}
