//! The head: one row that says whose index this is and how far it goes.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::IndexError;
use super::super::fold::{Counters, FOLD_VERSION, FoldHash, FoldState};
use super::super::sealed::{self, Kind};
use super::{SCHEMA_VERSION, from_sql, to_sql};
use crate::event::Seq;

/// What the head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Head {
    pub(in super::super) log_id: [u8; 16],
    /// At the flushed watermark.
    pub(in super::super) state: FoldState,
    /// How many topics have a row.
    pub(in super::super) topics: u64,
    /// The id that no run has had.
    pub(in super::super) next_run: u64,
}

impl Head {
    /// Of an index in which nothing is.
    pub(in super::super) fn new(log_id: [u8; 16]) -> Head {
        Head {
            log_id,
            state: FoldState::default(),
            topics: 0,
            next_run: 1,
        }
    }

    /// The flushed watermark.
    pub(in super::super) fn flushed(&self) -> Seq {
        self.state.applied()
    }

    fn numbers(&self) -> [u64; 7] {
        let Counters {
            unique,
            duplicates,
            conflicts,
            lost,
        } = self.state.counters;
        [
            self.flushed().get(),
            unique,
            duplicates,
            conflicts,
            lost,
            self.topics,
            self.next_run,
        ]
    }
}

fn crc(fold_version: i64, log_id: &[u8; 16], numbers: [u64; 7], hash: &[u8; 32]) -> u32 {
    let mut contents = Vec::with_capacity(112);
    contents.extend_from_slice(log_id);
    numbers
        .iter()
        .for_each(|number| contents.extend_from_slice(&number.to_le_bytes()));
    contents.extend_from_slice(hash);
    sealed::crc(
        Kind::Head,
        [from_sql(SCHEMA_VERSION), from_sql(fold_version)],
        &contents,
    )
}

/// Writes the head, in the caller's transaction.
pub(in super::super) fn write(connection: &Connection, head: &Head) -> Result<(), IndexError> {
    let numbers = head.numbers();
    let hash = head.state.hash.0;
    let [
        flushed,
        unique,
        duplicates,
        conflicts,
        lost,
        topics,
        next_run,
    ] = numbers.map(to_sql);
    connection
        .prepare_cached(
            "REPLACE INTO head (id, fold_version, log_id, flushed, unique_events, duplicates,
                 conflicts, lost, fold_hash, topics, next_run, crc)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            FOLD_VERSION,
            head.log_id,
            flushed,
            unique,
            duplicates,
            conflicts,
            lost,
            hash,
            topics,
            next_run,
            crc(i64::from(FOLD_VERSION), &head.log_id, numbers, &hash),
        ])?;
    Ok(())
}

/// Reads the head as of the caller's transaction.
///
/// # Errors
/// [`IndexError::Damaged`], or [`IndexError::OtherVersion`] of the fold.
pub(in super::super) fn read(connection: &Connection) -> Result<Head, IndexError> {
    let row = connection
        .prepare_cached(
            "SELECT fold_version, log_id, flushed, unique_events, duplicates, conflicts, lost,
                 topics, next_run, fold_hash, crc FROM head WHERE id = 1",
        )?
        .query_row([], |row| {
            let mut numbers = [0u64; 7];
            for (column, number) in (2..).zip(&mut numbers) {
                *number = from_sql(row.get(column)?);
            }
            let fold: i64 = row.get(0)?;
            let log_id: [u8; 16] = row.get(1)?;
            let hash: [u8; 32] = row.get(9)?;
            let crc: i64 = row.get(10)?;
            Ok((fold, log_id, numbers, hash, crc))
        })
        .optional()?;
    let Some((fold, log_id, numbers, hash, found)) = row else {
        return Err(IndexError::damaged("its head is missing"));
    };
    if found != i64::from(crc(fold, &log_id, numbers, &hash)) {
        return Err(sealed::malformed(Kind::Head, [0, 0]));
    }
    if fold != i64::from(FOLD_VERSION) {
        return Err(IndexError::OtherVersion {
            schema: SCHEMA_VERSION,
            fold,
        });
    }
    let [_, unique, duplicates, conflicts, lost, topics, next_run] = numbers;
    let counters = Counters {
        unique,
        duplicates,
        conflicts,
        lost,
    };
    Ok(Head {
        log_id,
        state: FoldState {
            counters,
            hash: FoldHash(hash),
        },
        topics,
        next_run,
    })
}
