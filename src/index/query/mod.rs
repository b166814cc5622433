//! Questions to the index, answered from the deltas and from SQLite as of one moment.
//!
//! First what is in memory is gathered, then SQLite is read: a delta that is flushed in
//! between is then in both, and what SQLite's own watermark covers is taken from there
//! only. The other way round it could be in neither. Long answers are read in pages, each
//! a read transaction of its own, since one that lasts keeps the WAL growing; rows up to
//! the watermark never change what they say, so that is no inconsistency.

pub(super) mod not_stored;
pub(super) mod snapshot;
pub(super) mod topic_seqs;

/// In which order of seqs to answer.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// How many blocks or chunks are read in one transaction.
pub(super) const PAGE_BLOCKS: usize = if cfg!(any(test, fuzzing)) { 3 } else { 512 };
