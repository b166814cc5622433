//! The transaction that flushes a delta: rows, watermark, counters and hash change
//! together or not at all.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};

use super::delta::{Delta, TopicDelta};
use super::error::IndexError;
use super::note::NoteBlock;
use super::options::Shape;
use super::postings::Chunk;
use super::run_row::RunRow;
use super::schema::head::{self, Head};
use super::schema::topics::TopicWriter;
use super::schema::{from_sql, runs, to_sql};
use super::sealed::{self, Kind};
use crate::event::Seq;

/// Writes everything that the delta changes, and the head that it leads to.
pub(super) fn write(
    transaction: &Transaction<'_>,
    delta: &Delta,
    run: Option<&RunRow>,
    head: &Head,
    shape: &Shape,
) -> Result<(), IndexError> {
    if let Some(row) = run {
        runs::name(transaction, row)?;
    }
    write_notes(transaction, delta, shape)?;
    write_topics(transaction, delta, shape)?;
    head::write(transaction, head)
}

/// Continues the last block of notes, so that a quiet index does not gather small ones.
fn write_notes(connection: &Connection, delta: &Delta, shape: &Shape) -> Result<(), IndexError> {
    let mut replace =
        connection.prepare_cached("REPLACE INTO notes (first_seq, block) VALUES (?1, ?2)")?;
    let mut write =
        |block: &NoteBlock| replace.execute(params![to_sql(block.from.get()), block.encode()]);
    let mut block = last_notes(connection, delta.after)?;
    for note in &delta.notes {
        if !block.push(note, shape.notes_bytes) {
            block.to = note.seq().previous();
            write(&block)?;
            block = NoteBlock::beginning(note.seq());
            block.push(note, shape.notes_bytes);
        }
    }
    block.to = delta.applied();
    write(&block)?;
    Ok(())
}

fn last_notes(connection: &Connection, flushed: Seq) -> Result<NoteBlock, IndexError> {
    if flushed == Seq::ZERO {
        return Ok(NoteBlock::beginning(Seq::FIRST));
    }
    let last = connection
        .prepare_cached("SELECT first_seq, block FROM notes ORDER BY first_seq DESC LIMIT 1")?
        .query_row([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    if let Some((from, bytes)) = last {
        let (block, _) = NoteBlock::decode(Seq::new(from_sql(from)), &bytes)?;
        if block.to == flushed {
            return Ok(block);
        }
    }
    Err(IndexError::damaged("its last block of notes is missing"))
}

fn write_topics(connection: &Connection, delta: &Delta, shape: &Shape) -> Result<(), IndexError> {
    let mut topics: Vec<&TopicDelta> = delta.topics.iter().collect();
    topics.sort_unstable_by_key(|topic| topic.before.no);
    let mut counts = TopicWriter::on(connection)?;
    let mut last = connection.prepare_cached(
        "SELECT first_seq, chunk FROM postings WHERE topic = ?1 ORDER BY first_seq DESC LIMIT 1",
    )?;
    let mut replace = connection
        .prepare_cached("REPLACE INTO postings (topic, first_seq, chunk) VALUES (?1, ?2, ?3)")?;
    for TopicDelta { before, seqs } in topics {
        let mut after = before.clone();
        after.stored += seqs.len() as u64;
        counts.write(&after)?;

        let mut joined;
        let (ahead, seqs) = match last_chunk(&mut last, before.no, before.stored)? {
            Some(chunk) => {
                joined = chunk.seqs;
                joined.extend_from_slice(seqs);
                (chunk.before, joined.as_slice())
            }
            None => (0, seqs.as_slice()),
        };
        Chunk::write_all(before.no, ahead, seqs, shape.chunk_bytes, |first, chunk| {
            replace
                .execute(params![to_sql(before.no), to_sql(first.get()), chunk])
                .map(drop)
        })?;
    }
    Ok(())
}

/// The topic's last chunk, which is continued.
fn last_chunk(
    last: &mut CachedStatement<'_>,
    topic: u64,
    stored: u64,
) -> Result<Option<Chunk>, IndexError> {
    if stored == 0 {
        return Ok(None);
    }
    let row = last
        .query_row([to_sql(topic)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    if let Some((first, bytes)) = row {
        let chunk = Chunk::decode(topic, Seq::new(from_sql(first)), &bytes)?;
        if chunk.end() == stored {
            return Ok(Some(chunk));
        }
    }
    Err(sealed::malformed(Kind::Postings, [topic, stored]))
}
