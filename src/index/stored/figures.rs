//! What an index's files say of it at once.

use std::io;

use super::super::fold::FoldState;
use super::super::schema::SCHEMA_VERSION;
use super::StoredIndex;
use crate::event::Seq;

/// Figures of an index that is looked at.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct StoredFigures {
    /// The version of its tables.
    pub schema: i64,
    /// The last seq that it has.
    pub flushed: Seq,
    /// Counters and hash there.
    pub state: FoldState,
    /// How many topics it has.
    pub topics: u64,
    /// How many runs.
    pub runs: u64,
    /// Their bytes.
    pub run_bytes: u64,
    /// The bytes of the database, and of its WAL.
    pub database_bytes: u64,
    /// The bytes of all of its files, also of such as are of no use any more.
    pub bytes: u64,
}

impl StoredIndex {
    /// Figures about it.
    ///
    /// # Errors
    /// When its files cannot be looked at.
    pub fn figures(&self) -> io::Result<StoredFigures> {
        let row_bytes = self.runs.iter().map(|run| run.row.bytes());
        Ok(StoredFigures {
            schema: SCHEMA_VERSION,
            flushed: self.flushed(),
            state: self.state(),
            topics: self.head.topics,
            runs: self.runs.len() as u64,
            run_bytes: row_bytes.sum(),
            database_bytes: self.files.database_bytes()?,
            bytes: self.files.bytes()?,
        })
    }
}
