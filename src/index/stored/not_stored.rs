//! The arrivals that were not stored, in their order.

use std::collections::VecDeque;

use super::super::digest::KeyDigest;
use super::super::error::IndexError;
use super::super::fold::Verdict;
use super::super::note::{NotStored, Note, Sought};
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
        self.not_stored_in(Seq::ZERO, upto)
    }

    /// Those in `(after, upto]`, and a hole in which `after` is from its begin.
    pub fn not_stored_in(&self, after: Seq, upto: Seq) -> NotStoredRows<'_> {
        NotStoredRows {
            index: self,
            after,
            upto: upto.min(self.flushed()),
            page: VecDeque::new(),
        }
    }
}

impl StoredIndex {
    /// Gives the arrivals in `(after, upto]` that were not stored, but for holes, one after the
    /// other: the quickest way through many of them. Others than those of the `sought` keys are
    /// given or not.
    ///
    /// # Errors
    /// As [`NotStoredRows::next_row`].
    pub fn visit_not_stored(
        &self,
        after: Seq,
        upto: Seq,
        sought: Option<&[KeyDigest]>,
        mut give: impl FnMut(&NotStored),
    ) -> Result<(), IndexError> {
        let upto = upto.min(self.flushed());
        let sought = sought.and_then(|keys| Sought::of(keys.iter().copied()));
        let mut after = after;
        while after < upto {
            let snapshot = Snapshot::begin(&self.connection, upto)?;
            let mut take = |note: &Note| {
                if note.seq() <= upto && note.first.judged.verdict != Verdict::Lost {
                    give(&note.first);
                }
            };
            let sought = sought.as_ref();
            after = snapshot.notes_in(after.next(), upto, PAGE_BLOCKS, sought, &mut take)?;
        }
        Ok(())
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
        let page = &mut self.page;
        let mut take = |note: &Note| page.push_back(*note);
        let after = self.after.next();
        self.after = snapshot.notes_in(after, self.upto, PAGE_BLOCKS, None, &mut take)?;
        Ok(())
    }
}
