//! The manifest of runs, and the slots that their blocks are in.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, params};

use super::super::error::IndexError;
use super::super::run::{Run, RunRow};
use super::super::run_builder::SlotBlock;
use super::super::sealed::{self, Kind};
use super::super::slots::{FreeSlots, SlotList};
use super::{from_sql, to_sql};

/// Loads all runs, in the order they were made, and finds the free slots.
///
/// # Errors
/// [`IndexError::Damaged`] when a row, fence or filter is not intact, when the runs do
/// not have `entries` keys in all, or when two claim the same slot.
pub(in super::super) fn load(
    connection: &Connection,
    entries: u64,
) -> Result<(Vec<Arc<Run>>, FreeSlots), IndexError> {
    let mut runs = Vec::new();
    let mut reader = SlotReader::on(connection)?;
    for row in rows(connection)? {
        runs.push(Arc::new(Run::load(row, |slot| {
            reader.read(slot, |block| Ok(block.to_vec()))
        })?));
    }
    let found = runs
        .iter()
        .try_fold(0u64, |sum, run| sum.checked_add(run.row.entries));
    if found != Some(entries) {
        return Err(IndexError::damaged(
            "its runs do not have the keys that were stored",
        ));
    }
    let end: i64 =
        connection.query_row("SELECT coalesce(max(slot) + 1, 0) FROM slots", [], |row| {
            row.get(0)
        })?;
    let free = FreeSlots::beside(from_sql(end), runs.iter().map(|run| &run.row.slots))
        .ok_or_else(|| IndexError::damaged("a slot of a run is missing or claimed twice"))?;
    Ok((runs, free))
}

fn rows(connection: &Connection) -> Result<Vec<RunRow>, IndexError> {
    let mut statement = connection.prepare(
        "SELECT run, entries, key_blocks, fence_blocks, slots, crc FROM runs ORDER BY run",
    )?;
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let id = from_sql(row.get(0)?);
        let malformed = || sealed::malformed(Kind::Run, [id, 0]);
        let slots = SlotList::decode(row.get_ref(4)?.as_blob().map_err(|_| malformed())?)
            .ok_or_else(malformed)?;
        let run = RunRow {
            id,
            entries: from_sql(row.get(1)?),
            key_blocks: from_sql(row.get(2)?),
            fence_blocks: from_sql(row.get(3)?),
            slots,
        };
        if row.get::<_, i64>(5)? != i64::from(run.crc()) {
            return Err(malformed());
        }
        rows.push(run);
    }
    Ok(rows)
}

/// Writes blocks into their slots, in the caller's transaction.
pub(in super::super) fn write_slots(
    connection: &Connection,
    blocks: &[SlotBlock],
) -> Result<(), IndexError> {
    let mut statement =
        connection.prepare_cached("REPLACE INTO slots (slot, block) VALUES (?1, ?2)")?;
    for (slot, block) in blocks {
        statement.execute(params![to_sql(*slot), block])?;
    }
    Ok(())
}

/// Makes a run exist, in the caller's transaction. May be repeated.
pub(in super::super) fn name(connection: &Connection, row: &RunRow) -> Result<(), IndexError> {
    connection
        .prepare_cached("REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            to_sql(row.id),
            to_sql(row.entries),
            to_sql(row.key_blocks),
            to_sql(row.fence_blocks),
            row.slots.encode(),
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

/// Reads slots, one after the other.
pub(in super::super) struct SlotReader<'c> {
    statement: CachedStatement<'c>,
}

impl<'c> SlotReader<'c> {
    pub(in super::super) fn on(connection: &'c Connection) -> Result<SlotReader<'c>, IndexError> {
        let statement = connection.prepare_cached("SELECT block FROM slots WHERE slot = ?1")?;
        Ok(SlotReader { statement })
    }

    /// Shows a slot's block to `look`.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when there is none, and what `look` returns.
    pub(in super::super) fn read<T>(
        &mut self,
        slot: u64,
        look: impl FnOnce(&[u8]) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let mut rows = self.statement.query([to_sql(slot)])?;
        let missing = || IndexError::damaged(format!("slot {slot} is missing"));
        let row = rows.next()?.ok_or_else(missing)?;
        look(row.get_ref(0)?.as_blob().map_err(|_| missing())?)
    }
}
