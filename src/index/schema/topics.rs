//! The rows of topics.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::super::error::IndexError;
use super::super::sealed::{self, Kind};
use super::super::topics::{TopicCount, Topics};
use super::head::Head;
use super::{from_sql, to_sql};
use crate::event::Seq;

/// Loads all topics.
///
/// # Errors
/// [`IndexError::Damaged`] when a row is missing or not intact, or when the counts do
/// not add up to the events that were stored.
pub(in super::super) fn load(connection: &Connection, head: &Head) -> Result<Topics, IndexError> {
    let mut topics = Topics::default();
    let mut stored = 0u64;
    let mut statement =
        connection.prepare("SELECT no, name, stored, first_seq, crc FROM topics ORDER BY no")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let topic = read_row(row)?;
        if topic.no != topics.total() + 1 {
            return Err(sealed::malformed(Kind::Topic, [topic.no, 0]));
        }
        stored = stored.saturating_add(topic.stored);
        topics.load(topic);
    }
    if topics.total() != head.topics || stored != head.state.counters.unique {
        return Err(IndexError::damaged(
            "its topics do not have the events that were stored",
        ));
    }
    Ok(topics)
}

/// How many stored events a topic had when `head` was written.
///
/// # Errors
/// [`IndexError::Damaged`] when its row is missing or not intact.
pub(in super::super) fn stored(
    connection: &Connection,
    head: &Head,
    no: u64,
) -> Result<u64, IndexError> {
    let mut statement = connection
        .prepare_cached("SELECT no, name, stored, first_seq, crc FROM topics WHERE no = ?1")?;
    let row = statement
        .query_row([to_sql(no)], |row| Ok(read_row(row)))
        .optional()?;
    match row.transpose()? {
        Some(topic) => Ok(topic.stored),
        None if no > head.topics => Ok(0),
        None => Err(sealed::malformed(Kind::Topic, [no, 0])),
    }
}

fn read_row(row: &Row<'_>) -> Result<TopicCount, IndexError> {
    let topic = TopicCount {
        no: from_sql(row.get(0)?),
        name: row.get::<_, Arc<str>>(1)?,
        stored: from_sql(row.get(2)?),
        first_seq: Seq::new(from_sql(row.get(3)?)),
    };
    if row.get::<_, i64>(4)? == i64::from(topic.crc()) {
        Ok(topic)
    } else {
        Err(sealed::malformed(Kind::Topic, [topic.no, 0]))
    }
}

/// Writes rows of topics, in the caller's transaction.
pub(in super::super) struct TopicWriter<'c> {
    statement: CachedStatement<'c>,
}

impl<'c> TopicWriter<'c> {
    pub(in super::super) fn on(connection: &'c Connection) -> Result<TopicWriter<'c>, IndexError> {
        let statement =
            connection.prepare_cached("REPLACE INTO topics VALUES (?1, ?2, ?3, ?4, ?5)")?;
        Ok(TopicWriter { statement })
    }

    pub(in super::super) fn write(&mut self, topic: &TopicCount) -> Result<(), IndexError> {
        self.statement.execute(params![
            to_sql(topic.no),
            topic.name,
            to_sql(topic.stored),
            to_sql(topic.first_seq.get()),
            topic.crc(),
        ])?;
        Ok(())
    }
}
