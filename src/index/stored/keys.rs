//! The keys that are known, in their order, whichever runs they are in.

use super::super::digest::{KeyDigest, PayloadDigest};
use super::super::error::IndexError;
use super::super::merge::{Cursor, smallest};
use super::super::options::Shape;
use super::StoredIndex;
use crate::event::Seq;

/// A key with the event that was stored under it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The digest of the key.
    pub key: KeyDigest,
    /// The seq of that event.
    pub seq: Seq,
    /// The digest of its payload.
    pub payload: PayloadDigest,
}

/// Gives the keys one after the other.
pub struct KeyRows {
    cursors: Vec<Cursor>,
    upto: Seq,
    last: Option<KeyDigest>,
}

impl StoredIndex {
    /// The keys of the events up to a seq.
    ///
    /// # Errors
    /// [`IndexError`] when a run cannot be read or is damaged.
    pub fn keys(&self, upto: Seq) -> Result<KeyRows, IndexError> {
        let read_blocks = Shape::default().read_blocks;
        let mut cursors = Vec::with_capacity(self.runs.len());
        for run in &self.runs {
            cursors.extend(Cursor::begin(run, read_blocks)?);
        }
        Ok(KeyRows {
            cursors,
            upto,
            last: None,
        })
    }
}

impl KeyRows {
    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// [`IndexError`] when a block cannot be read or is damaged, or a key is in two places.
    pub fn next_row(&mut self) -> Result<Option<KeyRow>, IndexError> {
        while let Some(place) = smallest(&self.cursors) {
            let entry = *self.cursors[place].entry();
            if !self.cursors[place].step()? {
                self.cursors.swap_remove(place);
            }
            if self.last.is_some_and(|last| last >= entry.key) {
                let what = format!("key {} is in two places", entry.key);
                return Err(IndexError::damaged(what));
            }
            self.last = Some(entry.key);
            if entry.first.seq <= self.upto {
                return Ok(Some(KeyRow {
                    key: entry.key,
                    seq: entry.first.seq,
                    payload: entry.first.payload,
                }));
            }
        }
        Ok(None)
    }
}
