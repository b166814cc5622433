//! Connections and checkpoints.

use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::error::IndexError;
use super::super::files::Files;
use super::super::options::{Durability, IndexOptions};

/// Short: the flush thread has its own way of trying again.
const BUSY_TIMEOUT: Duration = Duration::from_millis(200);

/// What a WAL that once grew is cut to when it is begun anew.
const WAL_BYTES_KEPT: i64 = 64 << 20;

/// The one connection that writes. Makes the database if there is none.
pub(in super::super) fn writing(
    files: &Files,
    options: &IndexOptions,
) -> Result<Connection, IndexError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(files.main(), flags)?;
    prepare(&connection, options)?;
    leave_wal(&connection, true)?;
    connection.pragma_update(None, "page_size", 4096)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(IndexError::damaged(format!("its journal mode is {mode}")));
    }
    let synchronous = match options.durability {
        Durability::Normal => "NORMAL",
        Durability::Throwaway => "OFF",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    Ok(connection)
}

/// One of the connections that only read.
pub(in super::super) fn reading(
    files: &Files,
    options: &IndexOptions,
) -> Result<Connection, IndexError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(files.main(), flags)?;
    prepare(&connection, options)?;
    leave_wal(&connection, true)?;
    Ok(connection)
}

/// A connection for a look at the head of an index that is not open. Closing it may, as
/// with any last connection, empty the WAL into the database.
pub(in super::super) fn glancing(
    files: &Files,
    options: &IndexOptions,
) -> Result<Connection, IndexError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(files.main(), flags)?;
    prepare(&connection, options)?;
    Ok(connection)
}

/// A connection for a look at a database without a WAL, that nobody writes. It takes no lock
/// and makes no file, so it works while another process has the lock, or without any room.
pub(in super::super) fn at_rest(
    files: &Files,
    options: &IndexOptions,
) -> Result<Connection, IndexError> {
    looking(files, options, "immutable=1")
}

/// A connection for a look at a database that another process may be writing, or was when it was
/// killed. It makes no file and changes none: of the index of the WAL it uses what is there, and
/// where no writer vouches for that, makes one in memory.
pub(in super::super) fn beside_writer(
    files: &Files,
    options: &IndexOptions,
) -> Result<Connection, IndexError> {
    looking(files, options, "readonly_shm=1")
}

fn looking(
    files: &Files,
    options: &IndexOptions,
    parameter: &str,
) -> Result<Connection, IndexError> {
    let mut uri = String::from("file:");
    for byte in files.main().as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push('?');
    uri.push_str(parameter);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    prepare(&connection, options)?;
    leave_wal(&connection, true)?;
    Ok(connection)
}

fn prepare(connection: &Connection, options: &IndexOptions) -> Result<(), IndexError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -i64::from(options.cache_kib))?;
    // Faults of a map read around themselves, which a memory limit makes slow.
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

/// Whether closing the connection, as the last one, leaves the WAL as it is. Else SQLite
/// copies it into the database and removes it, by name: only an orderly close wants that.
fn leave_wal(connection: &Connection, leave: bool) -> Result<(), IndexError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave)?;
    Ok(())
}

/// Copies what it can from the WAL into the database, without waiting for readers.
/// Returns the size in bytes that the database must have from now on, when all was copied.
pub(in super::super) fn checkpoint(connection: &Connection) -> Result<Option<u64>, IndexError> {
    let (busy, pages, copied): (i64, i64, i64) =
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    if busy != 0 || pages != copied {
        return Ok(None);
    }
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(Some(super::from_sql(pages) * super::from_sql(page_bytes)))
}

/// Closes the connection that writes, once all others are closed, so that only the database
/// itself is left.
///
/// # Errors
/// [`IndexError`] also when another process still reads the WAL, which then stays.
pub(in super::super) fn close(connection: Connection) -> Result<(), IndexError> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy != 0 {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(code, None).into());
    }
    leave_wal(&connection, false)?;
    connection.close().map_err(|(_, error)| error.into())
}
