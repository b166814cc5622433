//! What can go wrong with the index. None of it is ever a verdict.

use std::io;
use std::sync::Arc;

use rusqlite::{Error as SqlError, ErrorCode, ffi};

use super::fold::PayloadUnreadable;
use crate::event::Seq;

/// Why the index could not do what it was asked. Nothing has changed when one is returned.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IndexError {
    /// What is stored contradicts itself. Drop the index, discard it, rebuild it from the log.
    #[error("the index is damaged: {what}")]
    Damaged {
        /// Where it was noticed.
        what: String,
    },
    /// Written by another version: discard and rebuild.
    #[error(
        "the index has schema {schema} and fold version {fold}, which this program does not read"
    )]
    OtherVersion {
        /// The schema version found.
        schema: i64,
        /// The fold version found; zero where the schema is unknown.
        fold: i64,
    },
    /// It belongs to another log: discard and rebuild.
    #[error("the index belongs to another log")]
    OtherLog {
        /// The id of that log.
        found: [u8; 16],
    },
    /// Another process holds SQLite's lock. Passes by itself.
    #[error("the index is locked: {0}")]
    Busy(#[source] Arc<SqlError>),
    /// No room on the disk.
    #[error("no room for the index: {0}")]
    Full(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// SQLite met an operating system's error, or refused.
    #[error("SQLite: {0}")]
    Sqlite(#[source] Arc<SqlError>),
    /// A file of the index could not be made, written or read.
    #[error("a file of the index: {0}")]
    File(#[source] Arc<io::Error>),
    /// The delta has no room for the frame until a flush succeeds.
    #[error("the delta is full until it can be flushed")]
    DeltaFull,
    /// Frames are applied in order, each once.
    #[error("event {expected} is due, not {given}")]
    NotNext {
        /// The first seq that may come.
        expected: Seq,
        /// The one that came.
        given: Seq,
    },
    /// Seqs end at 2⁶³ − 1, which is what SQLite can hold.
    #[error("{count} events from {first} on go beyond the last seq there can be")]
    TooManySeqs {
        /// The first seq of the frame.
        first: Seq,
        /// How many it has.
        count: u64,
    },
    /// A payload that had to be compared could not be read.
    #[error(transparent)]
    Payload(Arc<PayloadUnreadable>),
    /// Whoever reads the payloads wanted it to be broken off.
    #[error("applying was interrupted")]
    Interrupted,
    /// It was closed or abandoned; there may be another one in its place.
    #[error("the index is closed")]
    Closed,
}

impl IndexError {
    pub(super) fn damaged(what: impl Into<String>) -> IndexError {
        IndexError::Damaged { what: what.into() }
    }
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> IndexError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                IndexError::Full(Arc::new(error))
            }
            _ => IndexError::File(Arc::new(error)),
        }
    }
}

impl From<PayloadUnreadable> for IndexError {
    fn from(error: PayloadUnreadable) -> IndexError {
        IndexError::Payload(Arc::new(error))
    }
}

impl From<SqlError> for IndexError {
    fn from(error: SqlError) -> IndexError {
        match &error {
            SqlError::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed => IndexError::Busy(Arc::new(error)),
                ErrorCode::DiskFull => IndexError::Full(Arc::new(error)),
                // The statements are fixed and right, so a constraint or a type that
                // does not hold, or a missing table, is what a flipped bit looks like.
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::Unknown => IndexError::damaged(error.to_string()),
                // The index of the WAL cannot grow.
                _ if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
                    IndexError::Full(Arc::new(error))
                }
                _ if is_damage(failure.extended_code) => IndexError::damaged(error.to_string()),
                _ => IndexError::Sqlite(Arc::new(error)),
            },
            SqlError::FromSqlConversionFailure(..)
            | SqlError::IntegralValueOutOfRange(..)
            | SqlError::InvalidColumnType(..)
            | SqlError::Utf8Error(..)
            | SqlError::QueryReturnedNoRows
            | SqlError::SqlInputError { .. } => IndexError::damaged(error.to_string()),
            _ => IndexError::Sqlite(Arc::new(error)),
        }
    }
}

fn is_damage(extended_code: i32) -> bool {
    matches!(
        extended_code,
        ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_READONLY_DBMOVED
    )
}
