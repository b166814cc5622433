//! What can be chosen about an index.

use std::time::Duration;

use super::neighbours::Reach;
use super::steps::Steps;

/// How an index is opened.
#[derive(Clone, Debug)]
pub struct IndexOptions {
    /// How many events may be in memory and not yet flushed. A frame that is larger is
    /// still taken when nothing else is there.
    pub delta_events_max: u64,
    /// From how many events on they are flushed. Less than half of `delta_events_max`
    /// lets one delta fill while the other is written.
    pub flush_at_events: u64,
    /// How long an event may wait for its flush; longer, up to 30 s, after a flush that took
    /// more than a fiftieth of this.
    pub flush_after: Duration,
    /// What a power cut may cost.
    pub durability: Durability,
    /// SQLite's page cache, in KiB, for each connection.
    pub cache_kib: u32,
    /// How many bytes of filters and fences may be in memory. What does not fit is read
    /// from the files: slower, and as exact.
    pub filter_memory_bytes: u64,
}

impl Default for IndexOptions {
    fn default() -> IndexOptions {
        IndexOptions {
            // A hash table doubles at 458 752: a flush comes before that, and so does the
            // limit while another delta is being flushed. Twice as many make no difference to the
            // rate, and to the time that a start after a kill takes, all (see RESULTS.md).
            delta_events_max: 900_000,
            flush_at_events: 432_000,
            flush_after: Duration::from_secs(1),
            durability: Durability::Normal,
            cache_kib: 4096,
            filter_memory_bytes: 512 << 20,
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
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Each block of a run. At least 128.
    pub(super) block_bytes: usize,
    /// A block of arrivals that were not stored.
    pub(super) notes_bytes: usize,
    /// A block of postings: with its row, a page.
    pub(super) postings_bytes: usize,
    /// How many bytes of postings a merge writes before a flush can be due.
    pub(super) postings_slice_bytes: u64,
    /// How many runs, or generations of postings, of about one size become one. At least 2.
    pub(super) merge_ratio: usize,
    /// Runs and generations smaller than this count as of one size.
    pub(super) small_run_entries: u64,
    /// How many blocks a merge writes before a flush can be due.
    pub(super) slice_blocks: u64,
    /// How many blocks of a run a merge reads at once.
    pub(super) read_blocks: u64,
    /// How many blocks a chunk of a filter takes at most.
    pub(super) filter_chunk_blocks: u64,
    /// How many bytes of filters are read before a flush can be due.
    pub(super) load_bytes: u64,
    /// How much SQLite's WAL may grow between flushes before it is copied.
    pub(super) checkpoint_bytes: u64,
    /// How much of the log is remembered for repeats in its order.
    pub(super) reach: Reach,
    /// For tests.
    pub(super) steps: Steps,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            block_bytes: 4096,
            notes_bytes: 4000,
            postings_bytes: 4000,
            postings_slice_bytes: 256 << 10,
            merge_ratio: 8,
            small_run_entries: 8192,
            slice_blocks: 512,
            read_blocks: 64,
            // A huge page.
            filter_chunk_blocks: 520,
            load_bytes: 8 << 20,
            checkpoint_bytes: 4 << 20,
            reach: Reach::default(),
            steps: Steps::default(),
        }
    }
}
