//! SQLite as of one commit.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::super::error::IndexError;
use super::super::note::{Note, NoteBlock, Sought};
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

    /// Gives the notes of the blocks that answer for the seqs from one on up to another, which is
    /// flushed, of so many blocks at most; those in which no sought key is may be passed over. Returns
    /// the last seq that they answer for.
    pub(in super::super) fn notes_in(
        &self,
        seq: Seq,
        upto: Seq,
        blocks: usize,
        sought: Option<&Sought>,
        give: &mut dyn FnMut(&Note),
    ) -> Result<Seq, IndexError> {
        let missing = |due: Seq| sealed::malformed(Kind::Notes, [due.get(), 0]);
        let mut statement = self.transaction.prepare_cached(
            "SELECT first_seq, block FROM notes
             WHERE first_seq >= (SELECT max(first_seq) FROM notes WHERE first_seq <= ?1)
             ORDER BY first_seq LIMIT ?2",
        )?;
        let mut rows = statement.query([to_sql(seq.get()), to_sql(blocks as u64)])?;
        let mut due = seq;
        while due <= upto
            && let Some(row) = rows.next()?
        {
            let from = Seq::new(from_sql(row.get(0)?));
            let is_next = if due == seq { from <= seq } else { from == due };
            let block = row.get_ref(1)?.as_blob().ok().filter(|_| is_next);
            let block = block.ok_or_else(|| missing(due))?;
            let to = NoteBlock::visit(from, block, sought, &mut |note| {
                if note.last() >= seq {
                    give(note);
                }
            })?;
            if to < due {
                return Err(missing(due));
            }
            due = to.next();
        }
        match due > seq {
            true => Ok(due.previous()),
            false => Err(missing(due)),
        }
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
