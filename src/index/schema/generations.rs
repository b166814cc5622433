//! The manifest of generations, and their blocks.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::IndexError;
use super::super::postings::block::{Block, Place};
use super::super::postings::builder::Row;
use super::super::postings::generation::{Generation, check_cover};
use super::super::sealed::{self, Kind};
use super::head::Head;
use super::{from_sql, to_sql};
use crate::event::Seq;

/// All generations, in order of seq.
///
/// # Errors
/// [`IndexError::Damaged`] when a row is missing or not intact.
pub(in super::super) fn load(
    connection: &Connection,
    head: &Head,
) -> Result<Vec<Generation>, IndexError> {
    let mut statement = connection.prepare_cached(
        "SELECT generation, after_seq, upto_seq, postings, bytes, crc
         FROM generations ORDER BY upto_seq",
    )?;
    let mut found = statement.query([])?;
    let mut generations = Vec::new();
    while let Some(row) = found.next()? {
        let mut numbers = [0; 4];
        for (column, number) in (1..).zip(&mut numbers) {
            *number = from_sql(row.get(column)?);
        }
        let generation = Generation::of(from_sql(row.get(0)?), numbers);
        if row.get::<_, i64>(5)? != i64::from(generation.crc()) {
            return Err(sealed::malformed(Kind::Generation, [generation.number]));
        }
        generations.push(generation);
    }
    check_cover(&generations, head.flushed(), head.state.counters.unique)?;
    Ok(generations)
}

/// The numbers of all generations that have a block, in the manifest or not.
pub(in super::super) fn written(connection: &Connection) -> Result<Vec<u64>, IndexError> {
    // Each by a look into the table's index, and not by reading all of it.
    let mut statement =
        connection.prepare("SELECT min(generation) FROM postings WHERE generation > ?1")?;
    let mut numbers = Vec::new();
    let mut last = i64::MIN;
    while let Some(next) = statement.query_row([last], |row| row.get::<_, Option<i64>>(0))? {
        numbers.push(from_sql(next));
        last = next;
    }
    Ok(numbers)
}

/// Makes a generation exist, in the caller's transaction. May be repeated.
pub(in super::super) fn name(
    connection: &Connection,
    generation: &Generation,
) -> Result<(), IndexError> {
    let [after, upto, postings, bytes] = generation.numbers().map(to_sql);
    connection
        .prepare_cached("REPLACE INTO generations VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            to_sql(generation.number),
            after,
            upto,
            postings,
            bytes,
            generation.crc(),
        ])?;
    Ok(())
}

/// Makes a generation exist no longer, in the caller's transaction. May be repeated.
pub(in super::super) fn unname(connection: &Connection, number: u64) -> Result<(), IndexError> {
    connection
        .prepare_cached("DELETE FROM generations WHERE generation = ?1")?
        .execute([to_sql(number)])?;
    Ok(())
}

/// Writes a block of a generation that is not named yet, in the caller's transaction.
pub(in super::super) fn insert(
    connection: &Connection,
    generation: u64,
    row: &Row,
) -> Result<(), IndexError> {
    connection
        .prepare_cached(
            "INSERT INTO postings (generation, topic, first_seq, block) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            to_sql(generation),
            to_sql(row.from.topic),
            to_sql(row.from.seq.get()),
            row.block,
        ])?;
    Ok(())
}

/// Deletes at most so many blocks of a generation, in the caller's transaction. Returns how
/// many; fewer than asked for when none are left.
pub(in super::super) fn delete_some(
    connection: &Connection,
    generation: u64,
    blocks: u64,
) -> Result<u64, IndexError> {
    let deleted = connection
        .prepare_cached(
            "DELETE FROM postings WHERE rowid IN
                 (SELECT rowid FROM postings WHERE generation = ?1 LIMIT ?2)",
        )?
        .execute([to_sql(generation), to_sql(blocks)])?;
    Ok(deleted as u64)
}

/// The block of a generation that begins to answer at this place.
///
/// # Errors
/// [`IndexError::Damaged`] when it is missing or not intact.
pub(in super::super) fn block_from(
    connection: &Connection,
    generation: &Generation,
    from: Place,
) -> Result<Block, IndexError> {
    let numbers = [generation.number, from.topic, from.seq.get()];
    let block = connection
        .prepare_cached(
            "SELECT block FROM postings WHERE generation = ?1 AND topic = ?2 AND first_seq = ?3",
        )?
        .query_row(numbers.map(to_sql), |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    match block {
        Some(block) => Block::decode(generation, from, &block),
        None => Err(sealed::malformed(Kind::Postings, numbers)),
    }
}

/// The block of a generation that answers for this place.
///
/// # Errors
/// [`IndexError::Damaged`] when it is missing or not intact.
pub(in super::super) fn block_at(
    connection: &Connection,
    generation: &Generation,
    place: Place,
) -> Result<Block, IndexError> {
    let numbers = [generation.number, place.topic, place.seq.get()];
    let found = connection
        .prepare_cached(
            "SELECT topic, first_seq, block FROM postings
             WHERE generation = ?1 AND (topic, first_seq) <= (?2, ?3)
             ORDER BY topic DESC, first_seq DESC LIMIT 1",
        )?
        .query_row(numbers.map(to_sql), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()?;
    if let Some((topic, first, block)) = found {
        let from = Place {
            topic: from_sql(topic),
            seq: Seq::new(from_sql(first)),
        };
        let block = Block::decode(generation, from, &block)?;
        if block.from <= place && place < block.to {
            return Ok(block);
        }
    }
    Err(sealed::malformed(Kind::Postings, numbers))
}
