//! SQLite as of one commit.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::super::error::IndexError;
use super::super::note::{Note, NoteBlock};
use super::super::postings::Chunk;
use super::super::schema::head::{self, Head};
use super::super::schema::{from_sql, to_sql, topics};
use super::super::sealed::{self, Kind};
use crate::event::Seq;

/// A read transaction.
pub(super) struct Snapshot<'c> {
    transaction: Transaction<'c>,
    head: Head,
}

impl<'c> Snapshot<'c> {
    /// Begins one. `flushed` is a watermark that was seen before.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when the stored watermark is behind that one.
    pub(super) fn begin(
        connection: &'c Connection,
        flushed: Seq,
    ) -> Result<Snapshot<'c>, IndexError> {
        let transaction = connection.unchecked_transaction()?;
        let head = head::read(&transaction)?;
        if head.flushed() < flushed {
            return Err(IndexError::damaged("its watermark has gone back"));
        }
        Ok(Snapshot { transaction, head })
    }

    /// The watermark up to which SQLite has everything.
    pub(super) fn flushed(&self) -> Seq {
        self.head.flushed()
    }

    /// The block of notes that answers for a seq up to the watermark.
    pub(super) fn notes_at(&self, seq: Seq) -> Result<(NoteBlock, Vec<Note>), IndexError> {
        let found = self
            .transaction
            .prepare_cached(
                "SELECT first_seq, block FROM notes WHERE first_seq <= ?1 ORDER BY first_seq DESC LIMIT 1",
            )?
            .query_row([to_sql(seq.get())], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))
            .optional()?;
        if let Some((from, bytes)) = found {
            let (block, notes) = NoteBlock::decode(Seq::new(from_sql(from)), &bytes)?;
            if (block.from..=block.to).contains(&seq) {
                return Ok((block, notes));
            }
        }
        Err(sealed::malformed(Kind::Notes, [seq.get(), 0]))
    }

    /// How many stored events a topic has up to the watermark.
    pub(super) fn stored(&self, topic: u64) -> Result<u64, IndexError> {
        topics::stored(&self.transaction, &self.head, topic)
    }

    /// The topic's last chunk that begins at `seq` or before.
    pub(super) fn chunk_upto(&self, topic: u64, seq: Seq) -> Result<Option<Chunk>, IndexError> {
        self.chunk(
            "SELECT first_seq, chunk FROM postings WHERE topic = ?1 AND first_seq <= ?2
             ORDER BY first_seq DESC LIMIT 1",
            topic,
            seq,
        )
    }

    /// The topic's first chunk that begins after `seq`.
    pub(super) fn chunk_after(&self, topic: u64, seq: Seq) -> Result<Option<Chunk>, IndexError> {
        self.chunk(
            "SELECT first_seq, chunk FROM postings WHERE topic = ?1 AND first_seq > ?2
             ORDER BY first_seq LIMIT 1",
            topic,
            seq,
        )
    }

    fn chunk(&self, sql: &str, topic: u64, seq: Seq) -> Result<Option<Chunk>, IndexError> {
        self.transaction
            .prepare_cached(sql)?
            .query_row([to_sql(topic), to_sql(seq.get())], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
            })
            .optional()?
            .map(|(first, bytes)| Chunk::decode(topic, Seq::new(from_sql(first)), &bytes))
            .transpose()
    }
}
