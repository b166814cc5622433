//! An index in which a few events do what else takes millions.

use std::path::Path;
use std::time::Duration;

use super::neighbours::Reach;
use super::options::Shape;
use super::steps::Steps;
use super::{Durability, Index, IndexError, IndexOptions};

/// Whose index it is.
pub(crate) const LOG: [u8; 16] = [7; 16];

/// Options under which a few events already make several runs, blocks and chunks.
pub(super) fn tiny_options() -> IndexOptions {
    IndexOptions {
        delta_events_max: 24,
        flush_at_events: 8,
        flush_after: Duration::from_millis(20),
        durability: Durability::Throwaway,
        cache_kib: 64,
        filter_memory_bytes: 1 << 20,
    }
}

pub(super) fn tiny_shape() -> Shape {
    Shape {
        block_bytes: 160,
        notes_bytes: 130,
        postings_bytes: 110,
        postings_slice_bytes: 60,
        merge_ratio: 2,
        small_run_entries: 6,
        slice_blocks: 2,
        read_blocks: 3,
        filter_chunk_blocks: 1,
        load_bytes: 200,
        checkpoint_bytes: 1000,
        reach: tiny_reach(),
        steps: Steps::default(),
    }
}

/// Three hits in a row are an order, and a load takes a few frames.
pub(super) fn tiny_reach() -> Reach {
    Reach {
        near: 4,
        steps: 2,
        before: 3,
        after: 12,
        load_max: 20,
        kept_max: 40,
        sample: 3,
        sampled_from: 4,
        always_sampled_from: 6,
        load_cost: 1,
        credit_max: 16,
        rest: 20,
        idle_max: 60,
    }
}

#[cfg(test)]
pub(super) fn open(directory: &Path) -> Result<Index, IndexError> {
    open_of(directory, LOG)
}

/// The same of another log.
pub(crate) fn open_of(directory: &Path, log_id: [u8; 16]) -> Result<Index, IndexError> {
    Index::open_shaped(directory, log_id, tiny_options(), tiny_shape())
}
