//! The transaction that flushes a delta: rows, watermark, counters and hash change
//! together or not at all.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::delta::{Delta, TopicDelta};
use super::error::IndexError;
use super::note::NoteBlock;
use super::options::Shape;
use super::postings::block::Entry;
use super::postings::builder::{BlockBuilder, Row};
use super::postings::generation::Generation;
use super::run_builder::RunMaker;
use super::run_row::RunRow;
use super::schema::counts::CountWriter;
use super::schema::head::{self, Head};
use super::schema::topics::TopicWriter;
use super::schema::{from_sql, generations, runs, to_sql};
use crate::event::Seq;

/// Writes everything that the delta changes, and the head that it leads to from the one
/// before. The delta's postings become the generation with this number.
pub(super) fn write(
    transaction: &Transaction<'_>,
    delta: &Delta,
    run: Option<&RunRow>,
    generation: u64,
    [before, head]: [&Head; 2],
    maker: &RunMaker,
) -> Result<(), IndexError> {
    let shape = &maker.shape;
    if let Some(row) = run {
        runs::name(transaction, row)?;
    }
    write_notes(transaction, delta, shape)?;
    write_topics(transaction, delta, before.topics, generation, maker)?;
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

fn write_topics(
    connection: &Connection,
    delta: &Delta,
    topics_before: u64,
    generation: u64,
    RunMaker { shape, pace, .. }: &RunMaker,
) -> Result<(), IndexError> {
    let mut topics: Vec<&TopicDelta> = delta.topics.iter().collect();
    topics.sort_unstable_by_key(|topic| topic.before.no);
    let mut names = TopicWriter::on(connection)?;
    let mut counts = CountWriter::on(connection, topics_before)?;
    let mut blocks = BlockBuilder::begin(generation, delta.after, shape.postings_bytes);
    let mut insert = |row: Row| {
        pace.give_way();
        generations::insert(connection, generation, &row)
    };
    for TopicDelta { before, seqs } in topics {
        let entry = Entry {
            topic: before.no,
            before: before.stored,
            seqs,
        };
        if before.no > topics_before {
            names.write(before)?;
        }
        counts.change(entry.topic, entry.before, entry.end())?;
        blocks.push(entry, &mut insert)?;
    }
    counts.finish()?;
    blocks.finish(&mut insert)?;
    let generation = Generation {
        number: generation,
        after: delta.after,
        upto: delta.applied(),
        postings: blocks.postings(),
        bytes: blocks.bytes(),
    };
    generations::name(connection, &generation)
}
