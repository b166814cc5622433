//! How a store is opened.

use std::path::PathBuf;
use std::time::Duration;

/// All that can be chosen about a store; every value has a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// The data directory; made when it is missing.
    pub data_dir: PathBuf,
    /// How large segments may become.
    pub segment_bytes: u64,
    /// What must stay free on the disk.
    pub min_free_bytes: u64,
    /// How much is kept back for recovery.
    pub reserve_bytes: u64,
    /// How many bytes of sealed segments are read and checked at start, the newest first.
    pub verify_at_start_bytes: u64,
    /// How many bytes may be durable and not applied.
    pub backlog_bytes: u64,
    /// How many events may be durable and not applied.
    pub backlog_events: u64,
    /// How many events may be applied and not flushed.
    pub delta_events: u64,
    /// How many bytes of the index's filters may be in memory.
    pub index_filter_memory_bytes: u64,
    /// How many topics there may be.
    pub max_topics: u64,
    /// How long a stop may take.
    pub drain: Duration,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            data_dir: PathBuf::from("data"),
            segment_bytes: 64 * 1024 * 1024,
            min_free_bytes: 0,
            reserve_bytes: 4 * 1024 * 1024,
            verify_at_start_bytes: 256 * 1024 * 1024,
            backlog_bytes: 16 * 1024 * 1024 * 1024,
            backlog_events: 50_000_000,
            delta_events: 900_000,
            index_filter_memory_bytes: 512 * 1024 * 1024,
            max_topics: 1_000_000,
            drain: Duration::from_secs(7),
        }
    }
}
