//! What the index from before still tells: how far it had come, and in which topics lost events
//! were.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::RepairError;
use crate::event::Seq;
use crate::index::{Beside, IndexError, StoredIndex};
use crate::inspect::StorePlace;
use crate::log::LogId;

/// The index as it was found.
#[derive(Debug)]
pub enum OldIndex {
    /// There was none.
    None,
    /// It had come to this seq.
    Flushed(Seq),
    /// It is of no use.
    Unusable(IndexError),
}

impl OldIndex {
    /// How far it had come: evidence.
    pub fn flushed(&self) -> Option<Seq> {
        match self {
            OldIndex::Flushed(flushed) => Some(*flushed),
            OldIndex::None | OldIndex::Unusable(_) => None,
        }
    }

    /// Whether it is damaged, or another log's. One of another version is made anew by a start.
    pub fn is_damaged(&self) -> bool {
        match self {
            OldIndex::Unusable(error) => !matches!(error, IndexError::OtherVersion { .. }),
            OldIndex::None | OldIndex::Flushed(_) => false,
        }
    }
}

/// Looks at it.
///
/// # Errors
/// It may be good, and cannot be read now.
pub(super) fn look(
    place: &StorePlace,
    log_id: LogId,
    scratch: &Path,
) -> Result<(OldIndex, Option<StoredIndex>), RepairError> {
    let copy_to = || TempDir::new_in(scratch);
    match StoredIndex::open(place.index_dir(), log_id.0, &|| Beside::Nobody, &copy_to) {
        Ok(None) => Ok((OldIndex::None, None)),
        Ok(Some(stored)) => Ok((OldIndex::Flushed(stored.flushed()), Some(stored))),
        Err(
            error @ (IndexError::Damaged { .. }
            | IndexError::OtherLog { .. }
            | IndexError::OtherVersion { .. }),
        ) => Ok((OldIndex::Unusable(error), None)),
        Err(error) => Err(RepairError::OldIndex(error)),
    }
}

/// In which topics the events were that are lost.
#[derive(Clone, Debug)]
pub struct LostTopics {
    /// How many of them were stored. The others were duplicates, or the index did not have them.
    pub stored: u64,
    /// Their topics, and how many of them each had, in order of the names.
    pub topics: Vec<(Arc<str>, u64)>,
}

impl LostTopics {
    /// Of these holes, `[first, next)`, in order. None if the index cannot tell, or there are none.
    pub(super) fn of(index: &StoredIndex, holes: &[(Seq, Seq)]) -> Option<LostTopics> {
        if holes.is_empty() {
            return None;
        }
        Self::read(index, holes).ok()
    }

    fn read(index: &StoredIndex, holes: &[(Seq, Seq)]) -> Result<LostTopics, IndexError> {
        let is_lost = |seq: Seq| {
            let after = holes.partition_point(|(first, _)| *first <= seq);
            after.checked_sub(1).is_some_and(|at| seq < holes[at].1)
        };
        let mut counts = BTreeMap::<u64, u64>::new();
        let mut postings = index.postings(index.flushed());
        while let Some(row) = postings.next_row()? {
            if is_lost(row.seq) {
                *counts.entry(row.topic).or_default() += 1;
            }
        }
        let mut topics = Vec::new();
        let mut rows = index.topics(index.flushed());
        while let Some(topic) = rows.next_row()? {
            if let Some(count) = counts.get(&topic.no) {
                topics.push((topic.name, *count));
            }
        }
        topics.sort();
        Ok(LostTopics {
            stored: counts.values().sum(),
            topics,
        })
    }
}
