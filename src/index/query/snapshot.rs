//! SQLite as of one commit.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::super::error::IndexError;
use super::super::note::{Note, NoteBlock};
use super::super::postings::block::{Block, Place};
use super::super::postings::generation::Generation;
use super::super::schema::head::{self, Head};
use super::super::schema::{from_sql, generations, to_sql, topics};
use super::super::sealed::{self, Kind};
use crate::event::Seq;

/// A read transaction.
pub(in super::super) struct Snapshot<'c> {
    transaction: Transaction<'c>,
    head: Head,
}

impl<'c> Snapshot<'c> {
    /// Begins one. `flushed` is a watermark that was seen before.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when the stored watermark is behind that one.
    pub(in super::super) fn begin(
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
    pub(in super::super) fn flushed(&self) -> Seq {
        self.head.flushed()
    }

    /// The block of notes that answers for a seq up to the watermark.
    pub(in super::super) fn notes_at(
        &self,
        seq: Seq,
    ) -> Result<(NoteBlock, Vec<Note>), IndexError> {
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
    pub(in super::super) fn stored(&self, topic: u64) -> Result<u64, IndexError> {
        topics::stored(&self.transaction, &self.head, topic)
    }

    /// All generations, in order of seq.
    pub(in super::super) fn generations(&self) -> Result<Vec<Generation>, IndexError> {
        generations::load(&self.transaction, &self.head)
    }

    /// The block of a generation that begins to answer at this place.
    pub(in super::super) fn block_from(
        &self,
        generation: &Generation,
        from: Place,
    ) -> Result<Block, IndexError> {
        generations::block_from(&self.transaction, generation, from)
    }

    /// The block of a generation that answers for this place.
    pub(in super::super) fn block_at(
        &self,
        generation: &Generation,
        place: Place,
    ) -> Result<Block, IndexError> {
        generations::block_at(&self.transaction, generation, place)
    }
}
