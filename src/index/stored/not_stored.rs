//! The arrivals that were not stored, in their order.

use std::collections::VecDeque;

use super::super::error::IndexError;
use super::super::note::{NotStored, Note};
use super::super::query::PAGE_BLOCKS;
use super::super::query::snapshot::Snapshot;
use super::StoredIndex;
use crate::event::Seq;

/// An arrival that was not stored, or a hole.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct NotStoredRow {
    /// The first, or only one.
    pub first: NotStored,
    /// How many seqs it stands for; 1 but for holes.
    pub count: u64,
}

/// Gives them one after the other.
pub struct NotStoredRows<'i> {
    index: &'i StoredIndex,
    after: Seq,
    upto: Seq,
    page: VecDeque<Note>,
}

impl StoredIndex {
    /// The arrivals up to a seq, which must be flushed, that were not stored.
    pub fn not_stored(&self, upto: Seq) -> NotStoredRows<'_> {
        NotStoredRows {
            index: self,
            after: Seq::ZERO,
            upto: upto.min(self.flushed()),
            page: VecDeque::new(),
        }
    }
}

impl NotStoredRows<'_> {
    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// [`IndexError`] when a block is missing, cannot be read or is damaged.
    pub fn next_row(&mut self) -> Result<Option<NotStoredRow>, IndexError> {
        loop {
            while let Some(note) = self.page.pop_front() {
                if note.seq() <= self.upto {
                    let last = note.last().min(self.upto);
                    return Ok(Some(NotStoredRow {
                        first: note.first,
                        count: last.next().since(note.seq()),
                    }));
                }
            }
            if self.after >= self.upto {
                return Ok(None);
            }
            self.read_page()?;
        }
    }

    fn read_page(&mut self) -> Result<(), IndexError> {
        let snapshot = Snapshot::begin(&self.index.connection, self.upto)?;
        for _ in 0..PAGE_BLOCKS {
            if self.after >= self.upto {
                break;
            }
            let (block, notes) = snapshot.notes_at(self.after.next())?;
            // A writer at work may have added to a block since.
            let new = notes.into_iter().filter(|note| note.seq() > self.after);
            self.page.extend(new);
            self.after = block.to;
        }
        Ok(())
    }
}
