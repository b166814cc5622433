//! The store's figures, for /stats.

use super::Store;
use super::answers::StateReport;
use super::disk::Disk;
use super::state::micros;
use crate::event::Seq;
use crate::index::fold::{Counters, FoldHash};
use crate::log::LogFigures;
use crate::replayer::Behind;

/// How many topic names /stats lists.
const TOPICS_LISTED: usize = 1000;

/// Figures for /stats.
#[derive(Clone, Debug)]
pub struct Stats {
    /// The state.
    pub state: StateReport,
    /// At the applied watermark.
    pub counters: Counters,
    /// At the applied watermark.
    pub fold_hash: FoldHash,
    /// The last durable seq: all events received.
    pub received: u64,
    /// Durable and not yet judged.
    pub pending: u64,
    /// The first 1 000 topics in order of first arrival.
    pub topics: Vec<String>,
    /// How many topics there are.
    pub topics_total: u64,
    /// Seconds since the process started.
    pub uptime_seconds: f64,
    /// The last seq committed in SQLite.
    pub flushed: Seq,
    /// Of the log's files, and what this process wrote to them.
    pub log: LogFigures,
    /// Bytes of the index's files.
    pub index_bytes: u64,
    /// Attempts to apply or flush that failed and were repeated.
    pub apply_retries: u64,
    /// Times that three attempts in a row failed.
    pub apply_failures: u64,
    /// Since when the index fails, µs UTC.
    pub degraded_since: Option<i64>,
    /// What waits for the index.
    pub behind: Behind,
    /// How much of that may wait.
    pub behind_max: Behind,
    /// What the log lies on; none when that cannot be told.
    pub log_disk: Option<Disk>,
    /// What the index lies on, if that is another file system.
    pub index_disk: Option<Disk>,
    /// What must stay free on the log's file system.
    pub min_free_bytes: u64,
}

/// What has passed through this process, for rates. Each only grows.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// Events received, all of them.
    pub events: u64,
    /// Batches written.
    pub batches: u64,
    /// Bytes written to the log, marks included.
    pub bytes: u64,
    /// Syncs of the log.
    pub syncs: u64,
    /// Events judged duplicates or conflicts; none while old events are judged again.
    pub duplicates: Option<u64>,
}

/// How large the store is, without what comes and goes: prepared room, SQLite's WAL.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of frames in the log.
    pub log_bytes: u64,
    /// Bytes of the index's database.
    pub index_bytes: u64,
}

impl Store {
    /// Figures. Blocking.
    pub fn stats(&self) -> Stats {
        let index = self.index();
        let fold = index.state();
        let health = self.replayer.health();
        // Read after the fold's counters, so that it is never behind them.
        let received = self.log.durable();
        let state = self.state();
        let topics = index.topics(0, TOPICS_LISTED);
        let log_disk = Disk::of(self.log.dir()).ok();
        let index_disk = Disk::of(&self.options.data_dir.join("index")).ok();
        Stats {
            state,
            counters: fold.counters,
            fold_hash: fold.hash,
            received: received.get(),
            pending: received.since(fold.applied()),
            topics: topics.iter().map(|topic| topic.name.to_string()).collect(),
            topics_total: index.topics_total(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            flushed: index.flushed(),
            log: self.log.figures(),
            // A file that is gone has no bytes; the replayer deals with that.
            index_bytes: index.bytes_on_disk().unwrap_or_default(),
            apply_retries: health.retries,
            apply_failures: health.failures,
            degraded_since: health.degraded_since.map(micros),
            behind: self.replayer.behind(),
            behind_max: Behind {
                events: self.options.backlog_events,
                bytes: self.options.backlog_bytes,
            },
            index_disk: index_disk.filter(|disk| log_disk.is_some_and(|log| !log.is(disk))),
            log_disk,
            min_free_bytes: self.options.min_free_bytes,
        }
    }

    /// What has passed through. Cheap.
    pub fn flows(&self) -> Flows {
        let duplicates = match self.replayer.replaying_to() {
            Some(_) => None,
            None => Some(self.index().state().counters.duplicates),
        };
        let log = self.log.figures();
        Flows {
            events: self.log.durable().get(),
            batches: log.batches,
            bytes: log.written_bytes,
            syncs: log.syncs,
            duplicates,
        }
    }

    /// How large it is; none when that cannot be told now. Blocking.
    pub fn sizes(&self) -> Option<Sizes> {
        Some(Sizes {
            log_bytes: self.log.used_bytes(),
            index_bytes: self.index().database_bytes().ok()?,
        })
    }
}
