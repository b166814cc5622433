//! What can be chosen about an index.

use std::time::Duration;

/// How an index is opened.
#[derive(Clone, Debug)]
pub struct IndexOptions {
    /// How many events may be in memory and not yet flushed. A frame that is larger is
    /// still taken when nothing else is there.
    pub delta_events_max: u64,
    /// From how many events on they are flushed. Less than half of `delta_events_max`
    /// lets one delta fill while the other is written.
    pub flush_at_events: u64,
    /// How long an event may wait for its flush.
    pub flush_after: Duration,
    /// What a power cut may cost.
    pub durability: Durability,
    /// SQLite's page cache, in KiB, for each connection.
    pub cache_kib: u32,
}

impl Default for IndexOptions {
    fn default() -> IndexOptions {
        IndexOptions {
            delta_events_max: 1_000_000,
            flush_at_events: 440_000,
            flush_after: Duration::from_secs(1),
            durability: Durability::Normal,
            cache_kib: 4096,
        }
    }
}

/// What a power cut may cost.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The last flushes, which are then applied again from the log; nothing is damaged.
    Normal,
    /// The index. For those that are thrown away after use.
    Throwaway,
}

/// Sizes that decide the layout. Readers do not depend on them; tests make them small.
#[derive(Copy, Clone, Debug)]
pub(super) struct Shape {
    /// Each block of a run; one page holds one. At least 128.
    pub(super) block_bytes: usize,
    /// A block of arrivals that were not stored.
    pub(super) notes_bytes: usize,
    /// A chunk of a topic's postings: small, since a WITHOUT ROWID row that is larger
    /// than a quarter of a page spills over.
    pub(super) chunk_bytes: usize,
    /// How many runs of about one size become one. At least 2.
    pub(super) merge_ratio: usize,
    /// Runs smaller than this count as of one size.
    pub(super) small_run_entries: u64,
    /// How many blocks a merge writes in one transaction.
    pub(super) slice_blocks: usize,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            // A 4 096-byte page has room for a row of 4 061 bytes without overflow, and
            // its row header takes up to 7: exactly one block to a page.
            block_bytes: 4054,
            notes_bytes: 4000,
            chunk_bytes: 900,
            merge_ratio: 8,
            small_run_entries: 8192,
            slice_blocks: 4096,
        }
    }
}
