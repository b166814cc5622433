//! The rows of topics.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, params};

use super::super::error::IndexError;
use super::super::sealed::{self, Kind};
use super::super::topics::{TopicCount, Topics};
use super::counts::CountReader;
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
    let mut sum = 0u64;
    read(connection, 0, usize::MAX, |topic| {
        sum = sum.saturating_add(topic.stored);
        topics.load(topic);
    })?;
    if topics.total() != head.topics || sum != head.state.counters.unique {
        return Err(IndexError::damaged(
            "its topics do not have the events that were stored",
        ));
    }
    Ok(topics)
}

/// At most `limit` topics after number `after`; 0 begins. Fewer only at the end.
///
/// # Errors
/// [`IndexError::Damaged`] when a row is missing or not intact.
pub(in super::super) fn page(
    connection: &Connection,
    head: &Head,
    after: u64,
    limit: usize,
) -> Result<Vec<TopicCount>, IndexError> {
    let mut topics = Vec::new();
    read(connection, after, limit, |topic| topics.push(topic))?;
    let end = after + topics.len() as u64;
    if topics.len() < limit && end != head.topics.max(after) {
        return Err(sealed::malformed(Kind::Topic, [end + 1, 0]));
    }
    Ok(topics)
}

fn read(
    connection: &Connection,
    mut after: u64,
    limit: usize,
    mut take: impl FnMut(TopicCount),
) -> Result<(), IndexError> {
    let mut counts = CountReader::on(connection)?;
    let mut statement = connection.prepare_cached(
        "SELECT no, name, first_seq, crc FROM topics WHERE no > ?1 ORDER BY no LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query([to_sql(after), limit])?;
    while let Some(row) = rows.next()? {
        let no = from_sql(row.get(0)?);
        if no != after + 1 {
            return Err(sealed::malformed(Kind::Topic, [no, 0]));
        }
        let topic = TopicCount {
            no,
            name: row.get::<_, Arc<str>>(1)?,
            stored: counts.get(no)?,
            first_seq: Seq::new(from_sql(row.get(2)?)),
        };
        if row.get::<_, i64>(3)? != i64::from(topic.crc()) {
            return Err(sealed::malformed(Kind::Topic, [no, 0]));
        }
        after = no;
        take(topic);
    }
    Ok(())
}

/// How many stored events a topic had when `head` was written.
///
/// # Errors
/// [`IndexError::Damaged`] when its count is missing or not intact.
pub(in super::super) fn stored(
    connection: &Connection,
    head: &Head,
    no: u64,
) -> Result<u64, IndexError> {
    if no > head.topics {
        return Ok(0);
    }
    CountReader::on(connection)?.get(no)
}

/// Writes the rows of new topics, in the caller's transaction.
pub(in super::super) struct TopicWriter<'c> {
    statement: CachedStatement<'c>,
}

impl<'c> TopicWriter<'c> {
    pub(in super::super) fn on(connection: &'c Connection) -> Result<TopicWriter<'c>, IndexError> {
        let statement = connection.prepare_cached("INSERT INTO topics VALUES (?1, ?2, ?3, ?4)")?;
        Ok(TopicWriter { statement })
    }

    pub(in super::super) fn write(&mut self, topic: &TopicCount) -> Result<(), IndexError> {
        self.statement.execute(params![
            to_sql(topic.no),
            topic.name,
            to_sql(topic.first_seq.get()),
            topic.crc(),
        ])?;
        Ok(())
    }
}
