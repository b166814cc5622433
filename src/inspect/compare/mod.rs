//! Compares two indexes of one log, row by row: every key, every arrival that was not stored,
//! every topic and every one of its events, and what is counted of them.
//!
//! How the rows lie in runs, blocks and generations is not compared: that differs between two
//! indexes of the same log. Both are read in the order of their rows, so memory stays flat.

mod difference;
mod found;
mod rows;
mod text;

pub use difference::{Difference, Pair};

use crate::event::Seq;
use crate::index::fold::{Counters, FoldState, Verdict};
use crate::index::{IndexError, NotStoredRow, StoredIndex};

use found::Found;
use rows::{Rows, side_by_side};

/// How often it is told how far it is, in rows.
const TELL_EVERY: u64 = 1 << 16;

/// Two indexes of one log.
#[derive(Copy, Clone, Debug)]
pub struct Compared<'i> {
    /// The one that is in question.
    pub found: &'i StoredIndex,
    /// Up to which seq it is compared: as far as it goes, or less.
    pub upto: Seq,
    /// One that is right, and goes at least as far.
    pub expected: &'i StoredIndex,
    /// Counters and hash that are right where `found` ends; `None` when no frame ends there. They
    /// are not asked for where it is not compared to its end.
    pub expected_state: Option<FoldState>,
}

/// How many differences there are, by kind.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct DifferenceCounts {
    /// In watermark, counters and `fold_hash`.
    pub state: u64,
    /// Keys.
    pub keys: u64,
    /// Arrivals that were not stored.
    pub not_stored: u64,
    /// Topics.
    pub topics: u64,
    /// Events of topics.
    pub postings: u64,
}

impl DifferenceCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.state + self.keys + self.not_stored + self.topics + self.postings
    }
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Up to which seq they were compared.
    pub upto: Seq,
    /// How many rows are right there.
    pub rows: u64,
    /// How many differences there are.
    pub differences: DifferenceCounts,
    /// The one of the lowest seq.
    pub first: Option<Difference>,
}

impl Comparison {
    /// Whether there is no difference.
    pub fn is_equal(&self) -> bool {
        self.first.is_none()
    }
}

/// Why they could not be compared to the end.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The one that is in question cannot be read, or is damaged.
    #[error(transparent)]
    Found(IndexError),
    /// The other one.
    #[error("the index that was made to compare with cannot be read: {0}")]
    Expected(#[source] IndexError),
}

/// Compares them. `told` is told by and by how many rows were compared.
///
/// # Errors
/// [`CompareError`].
pub fn compare(
    compared: Compared<'_>,
    told: &mut dyn FnMut(u64),
) -> Result<Comparison, CompareError> {
    let Compared {
        found, expected, ..
    } = compared;
    let upto = compared.upto.min(found.flushed());
    let mut found_rows = Found::default();
    let mut rows = 0;
    let mut tell = || {
        rows += 1;
        if rows % TELL_EVERY == 0 {
            told(rows);
        }
    };

    let mut counted = Counters::default();
    let keys = [
        found.keys(upto).map_err(CompareError::Found)?,
        expected.keys(upto).map_err(CompareError::Expected)?,
    ];
    side_by_side(
        Rows::of(keys),
        |row| row.key,
        |pair| {
            tell();
            counted.unique += u64::from(pair.expected.is_some());
            found_rows.keys(pair);
        },
    )?;
    let not_stored = [found.not_stored(upto), expected.not_stored(upto)];
    side_by_side(
        Rows::of(not_stored),
        |row| row.first.judged.seq,
        |pair| {
            tell();
            if let Some(row) = &pair.expected {
                count(&mut counted, row);
            }
            found_rows.not_stored(pair);
        },
    )?;
    let topics = [found.topics(upto), expected.topics(upto)];
    side_by_side(
        Rows::of(topics),
        |row| row.no,
        |pair| {
            tell();
            found_rows.topics(pair);
        },
    )?;
    let postings = [found.postings(upto), expected.postings(upto)];
    side_by_side(
        Rows::of(postings),
        |row| *row,
        |pair| {
            tell();
            found_rows.postings(pair);
        },
    )?;
    if upto == found.flushed() {
        found_rows.state(found.state(), compared.expected_state, counted);
    }
    Ok(Comparison {
        upto,
        rows,
        differences: found_rows.counts,
        first: found_rows.first,
    })
}

fn count(counters: &mut Counters, row: &NotStoredRow) {
    match row.first.judged.verdict {
        Verdict::Stored => {}
        Verdict::Duplicate => counters.duplicates += 1,
        Verdict::Conflict => {
            counters.duplicates += 1;
            counters.conflicts += 1;
        }
        Verdict::Lost => counters.lost = counters.lost.saturating_add(row.count),
    }
}

#[cfg(test)]
mod tests;
