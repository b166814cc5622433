//! The tables, and all SQL that is neither a flush nor a query.
//!
//! | table | rows |
//! |---|---|
//! | `head` | one: whose index this is, the flushed watermark, counters, hash |
//! | `runs` | the manifest: a run, a file beside the database, exists when, and only when, it has a row here |
//! | `notes` | arrivals that were not stored, in blocks, by the first seq covered |
//! | `generations` | the manifest of generations of postings: one exists when, and only when, it has a row here |
//! | `postings` | the stored seqs of each topic, in blocks, by generation, topic and first seq |
//! | `topics` | names, in order of first arrival |
//! | `counts` | how many stored events each topic has, in blocks |
//!
//! Every row has a CRC, and every missing row shows: the runs' entries and the topics'
//! counts must each add up to `unique_events`, the runs' blocks share out the key space,
//! the notes' blocks and the generations the seqs, and the postings' blocks all places in
//! their generation; a topic's postings are also chained by their counts.
//!
//! With `synchronous=NORMAL` a commit is not synced, so a power cut can cost the last ones:
//! SQLite then plays back the WAL up to the last whole commit. The file of a run lasts
//! before its row is written, and is removed only when the WAL that took the row away has
//! been synced. So whatever rows are found, their files are there.

pub(super) mod connection;
pub(super) mod counts;
pub(super) mod generations;
pub(super) mod head;
pub(super) mod runs;
pub(super) mod topics;

use rusqlite::{Connection, TransactionBehavior};

use self::head::Head;
use super::error::IndexError;

/// The version of the tables and of what is in their blocks.
pub(super) const SCHEMA_VERSION: i64 = 3;

/// `oncl`, for file(1).
const APPLICATION_ID: i64 = 0x6f6e_636c;

const TABLES: &str = "
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    fold_version INTEGER NOT NULL,
    log_id BLOB NOT NULL,
    flushed INTEGER NOT NULL,
    unique_events INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    conflicts INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    fold_hash BLOB NOT NULL,
    topics INTEGER NOT NULL,
    next_run INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    salt INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    key_blocks INTEGER NOT NULL,
    filter_chunks INTEGER NOT NULL,
    chunk_lines INTEGER NOT NULL,
    block_bytes INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE notes (first_seq INTEGER PRIMARY KEY, block BLOB NOT NULL) STRICT;
CREATE TABLE generations (
    generation INTEGER PRIMARY KEY,
    after_seq INTEGER NOT NULL,
    upto_seq INTEGER NOT NULL,
    postings INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE postings (
    generation INTEGER NOT NULL,
    topic INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    block BLOB NOT NULL,
    UNIQUE (generation, topic, first_seq)
) STRICT;
CREATE TABLE topics (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE counts (block INTEGER PRIMARY KEY, counts BLOB NOT NULL) STRICT;
";

/// Makes the tables if the database is empty. Returns whether it was.
///
/// # Errors
/// [`IndexError::OtherVersion`] when it has tables of another version.
pub(super) fn create_if_empty(
    connection: &mut Connection,
    log_id: [u8; 16],
) -> Result<bool, IndexError> {
    if !is_empty(connection)? {
        return Ok(false);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !is_empty(&transaction)? {
        return Ok(false);
    }
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    head::write(&transaction, &Head::new(log_id))?;
    transaction.commit()?;
    Ok(true)
}

/// Whether the database has no tables yet.
///
/// # Errors
/// [`IndexError::OtherVersion`] when it has tables of another version.
pub(super) fn is_empty(connection: &Connection) -> Result<bool, IndexError> {
    let schema: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (schema, tables) {
        (0, 0) => Ok(true),
        (SCHEMA_VERSION, _) => Ok(false),
        _ => Err(IndexError::OtherVersion { schema, fold: 0 }),
    }
}

/// A number as SQLite keeps it. No bit is lost, and those that are compared or ordered
/// by are below 2⁶³ (see [`IndexError::TooManySeqs`]).
pub(super) fn to_sql(number: u64) -> i64 {
    number.cast_signed()
}

/// And back.
pub(super) fn from_sql(number: i64) -> u64 {
    number.cast_unsigned()
}
