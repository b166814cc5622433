//! The stored events of each topic, in the order of the topics and then of the seqs, whichever
//! generations they are in.

use std::collections::VecDeque;

use super::super::error::IndexError;
use super::super::postings::block::{Entry, Place};
use super::super::postings::generation::Generation;
use super::super::postings::merge::Cursor;
use super::super::query::snapshot::Snapshot;
use super::super::sealed::{self, Kind};
use super::StoredIndex;
use crate::event::Seq;

/// How many are read in one transaction, about.
const PAGE_ROWS: usize = if cfg!(test) { 5 } else { 1 << 16 };

/// A stored event of a topic.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostingRow {
    /// The topic's number.
    pub topic: u64,
    /// The event's seq.
    pub seq: Seq,
}

/// Gives them one after the other.
pub struct PostingRows<'i> {
    index: &'i StoredIndex,
    upto: Seq,
    /// Where the next page begins; `None` when there is no other.
    next: Option<Place>,
    page: VecDeque<PostingRow>,
    /// The last topic that was read, and how many of its seqs.
    counted: (u64, u64),
}

impl StoredIndex {
    /// The stored events up to a seq, or to the last that is flushed.
    pub fn postings(&self, upto: Seq) -> PostingRows<'_> {
        PostingRows {
            index: self,
            upto: upto.min(self.flushed()),
            next: Some(Place::FIRST),
            page: VecDeque::new(),
            counted: (0, 0),
        }
    }
}

impl PostingRows<'_> {
    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// [`IndexError`] when a block is missing, cannot be read or is damaged, or a topic has not
    /// as many as it should.
    pub fn next_row(&mut self) -> Result<Option<PostingRow>, IndexError> {
        loop {
            if let Some(row) = self.page.pop_front() {
                return Ok(Some(row));
            }
            let Some(from) = self.next else {
                return Ok(None);
            };
            self.next = self.read_page(from)?;
        }
    }

    /// Reads a page. Returns the place at which the next one begins.
    fn read_page(&mut self, from: Place) -> Result<Option<Place>, IndexError> {
        let index = self.index;
        let snapshot = Snapshot::begin(&index.connection, self.upto)?;
        // A merge between two pages changes what has the postings, and not what they are.
        let generations = snapshot.generations()?;
        let read = |of: &Generation, place| snapshot.block_from(of, place);
        let mut cursors = Vec::new();
        for generation in generations {
            if generation.after < self.upto {
                let block = snapshot.block_at(&generation, from)?;
                cursors.extend(Cursor::at(generation, block, from, &read)?);
            }
        }
        while let Some(place) = (0..cursors.len()).min_by_key(|place| cursors[*place].topic()) {
            let cursor = &mut cursors[place];
            let mut last = from;
            if let Some(entry) = cursor.entry() {
                self.begin_topic(&snapshot, entry.topic)?;
                last = self.take(entry, from).ok_or_else(|| cursor.broken())?;
            }
            if self.page.len() >= PAGE_ROWS {
                return Ok(Some(Place {
                    seq: last.seq.next(),
                    ..last
                }));
            }
            if !cursor.step(&read)? {
                // Keeps the others in order of seq.
                cursors.remove(place);
            }
        }
        self.begin_topic(&snapshot, u64::MAX)?;
        Ok(None)
    }

    /// Where another topic begins, the one before must have had as many as its count says.
    fn begin_topic(&mut self, snapshot: &Snapshot<'_>, topic: u64) -> Result<(), IndexError> {
        let (before, counted) = self.counted;
        if before == topic {
            return Ok(());
        }
        self.counted = (topic, 0);
        // What a writer at work has counted meanwhile is more.
        let is_all = before > 0 && snapshot.flushed() == self.upto;
        if is_all && snapshot.stored(before)? != counted {
            return Err(sealed::malformed(Kind::Counts, [before]));
        }
        Ok(())
    }

    /// Takes what is wanted of the seqs that follow those taken. Returns the last place that it
    /// has; `None` when others are missing before it.
    fn take(&mut self, entry: Entry<'_>, from: Place) -> Option<Place> {
        let topic = entry.topic;
        let skipped = match topic == from.topic {
            true => entry.seqs.partition_point(|seq| *seq < from.seq),
            false => 0,
        };
        if entry.before + skipped as u64 != self.counted.1 {
            return None;
        }
        let new = &entry.seqs[skipped..];
        let wanted = new.iter().take_while(|seq| **seq <= self.upto);
        self.page
            .extend(wanted.map(|seq| PostingRow { topic, seq: *seq }));
        self.counted.1 = entry.end();
        let seq = *entry.seqs.last()?;
        Some(Place { topic, seq })
    }
}
