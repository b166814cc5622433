//! The manifest of runs.

use rusqlite::{Connection, params};

use super::super::error::IndexError;
use super::super::run_row::RunRow;
use super::super::sealed::{self, Kind};
use super::{from_sql, to_sql};

/// The rows of all runs, which have `entries` keys in all, in the order in which they were
/// begun.
///
/// # Errors
/// [`IndexError::Damaged`] when a row is missing or not intact.
pub(in super::super) fn load(
    connection: &Connection,
    entries: u64,
) -> Result<Vec<RunRow>, IndexError> {
    let rows = rows(connection)?;
    let sum = rows
        .iter()
        .try_fold(0u64, |sum, row| sum.checked_add(row.entries));
    if sum != Some(entries) {
        return Err(IndexError::damaged(
            "its runs do not have the keys that were stored",
        ));
    }
    Ok(rows)
}

/// The rows that there are.
///
/// # Errors
/// [`IndexError::Damaged`] when one is not intact.
pub(in super::super) fn rows(connection: &Connection) -> Result<Vec<RunRow>, IndexError> {
    let mut statement = connection.prepare(
        "SELECT run, salt, entries, key_blocks, filter_chunks, chunk_lines, block_bytes, crc
         FROM runs ORDER BY run",
    )?;
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let id = from_sql(row.get(0)?);
        let mut numbers = [0; 6];
        for (column, number) in (1..).zip(&mut numbers) {
            *number = from_sql(row.get(column)?);
        }
        let crc: i64 = row.get(7)?;
        let run = RunRow::of(id, numbers)
            .filter(|run| crc == i64::from(run.crc()))
            .ok_or_else(|| sealed::malformed(Kind::Run, [id, 0]))?;
        rows.push(run);
    }
    Ok(rows)
}

/// Makes a run exist, in the caller's transaction. May be repeated.
pub(in super::super) fn name(connection: &Connection, row: &RunRow) -> Result<(), IndexError> {
    let [salt, entries, key_blocks, chunks, chunk_lines, block_bytes] = row.numbers().map(to_sql);
    connection
        .prepare_cached("REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            to_sql(row.id),
            salt,
            entries,
            key_blocks,
            chunks,
            chunk_lines,
            block_bytes,
            row.crc(),
        ])?;
    Ok(())
}

/// Makes a run exist no longer, in the caller's transaction. May be repeated.
pub(in super::super) fn unname(connection: &Connection, run: u64) -> Result<(), IndexError> {
    connection
        .prepare_cached("DELETE FROM runs WHERE run = ?1")?
        .execute([to_sql(run)])?;
    Ok(())
}
