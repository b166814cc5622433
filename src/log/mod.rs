//! The log: one directory of checksummed segments that fix the order of arrival.
//!
//! From the bytes up: [`mod@format`] is the specification; `header`, [`frame`] and [`codec`]
//! are pure functions between bytes and meaning (`plain_events` the quick way through a payload); [`storage`] is the seam below, where
//! faults are made; [`segment`] and [`reader`] read, large frames in `parts`; `tail` decides how a log ends, `survey`
//! whether it is whole; `recovery` mends and `torn` keeps what it cuts; `room`, `writer` and
//! `committer` write; [`live`], `cursor` for frames and `event_cursor` for single events are what
//! readers in the same process see, and `offline` what those see who only look. `lock` lets one
//! process at a time write, `holder` tells which, and `owner` gives what root makes to whose the
//! log is. [`sweep`] goes on behind damage, and [`mending`] takes that out.

pub mod codec;
mod committer;
mod cursor;
pub mod error;
mod event_bounds;
mod event_cursor;
mod event_marks;
pub mod format;
#[cfg(test)]
mod format_tests;
pub mod frame;
#[cfg(test)]
mod golden_tests;
pub mod header;
mod holder;
pub mod inventory;
pub mod live;
mod lock;
pub mod mending;
mod no_room;
mod offline;
mod owner;
mod parts;
mod plain_events;
mod proven;
pub mod reader;
#[cfg(test)]
mod reader_tests;
pub mod recovery;
pub mod room;
mod room_pace;
pub mod segment;
pub mod storage;
mod survey;
pub mod sweep;
pub mod tail;
#[cfg(test)]
mod tests;
mod torn;
mod understood;
mod varint;
mod window;
mod writer;

use std::path::Path;
use std::sync::Arc;

pub use committer::{CommitSink, Committer, Refused, Status};
pub use cursor::FrameCursor;
pub use error::LogError;
pub use event_cursor::{EventCursor, Reading};
pub use format::LogId;
pub use holder::Holder;
pub use live::{LiveLog, LogFigures};
pub use lock::{DataLock, LockError};
pub use no_room::{Lack, NoRoom};
pub use offline::{OfflineLog, log_id_in};
pub use owner::give_to_owner_of;
pub use recovery::Unclean;
pub use room::give_up_reserve;
pub use writer::{Clock, Placed, PreparedBatch};

use crate::event::Seq;
use recovery::{Recovered, RecoveryOptions, recover};
use room::{RoomMaker, RoomOptions};
use storage::Storage;
use writer::{Writer, random};

/// The directory of the log in a data directory.
pub const LOG_DIR: &str = "log";

/// How a log is opened for writing.
#[derive(Debug)]
pub struct LogOptions {
    /// How large segments may become.
    pub segment_bytes: u64,
    /// What must stay free on the disk.
    pub min_free_bytes: u64,
    /// How much is kept back for recovery.
    pub reserve_bytes: u64,
    /// How many bytes of sealed segments are read and checked at start, the newest first.
    pub verify_bytes: u64,
    /// Up to where this log's index was flushed: evidence for the tail rule.
    pub index_flushed: Option<Seq>,
    /// Gives the time.
    pub clock: Clock,
}

/// A log whose past is certain, and which may be read; writing starts with
/// [`OpenedLog::start`].
#[derive(Debug)]
pub struct OpenedLog {
    /// For reading.
    pub live: Arc<LiveLog>,
    /// The seq that comes next.
    pub next_seq: Seq,
    /// What was mended, when the last run did not end cleanly.
    pub unclean: Option<Unclean>,
    /// The log is new.
    pub created: bool,
    /// `log.meta` was missing or damaged and was made anew from a segment.
    pub meta_remade: bool,
    storage: Arc<dyn Storage>,
    recovered: Recovered,
    options: LogOptions,
}

/// Makes the past of the log in this directory certain. The directory exists.
///
/// # Errors
/// [`LogError`]: I/O errors; damage, a foreign or a newer log, which leave every byte alone.
pub fn open(
    storage: Arc<dyn Storage>,
    dir: &Path,
    options: LogOptions,
) -> Result<OpenedLog, LogError> {
    let mut new_log_id = [0; 16];
    new_log_id[..8].copy_from_slice(&random().to_le_bytes());
    new_log_id[8..].copy_from_slice(&random().to_le_bytes());
    let recovered = recover(
        storage.as_ref(),
        dir,
        &RecoveryOptions {
            new_log_id: LogId(new_log_id),
            now: (options.clock)(),
            index_flushed: options.index_flushed,
            verify_bytes: options.verify_bytes,
        },
    )?;
    let durable = recovered.next_seq.previous();
    let live = Arc::new(LiveLog::new(
        storage.clone(),
        dir,
        recovered.log_id,
        durable,
    ));
    for sealed in &recovered.sealed {
        live.add_sealed(&sealed.segment, sealed.bytes);
    }
    if let Some(open) = &recovered.open {
        live.add_active(
            &open.segment,
            open.table.clone(),
            open.position,
            open.room_end,
        );
    }
    Ok(OpenedLog {
        live,
        next_seq: recovered.next_seq,
        unclean: recovered.unclean.clone(),
        created: recovered.created,
        meta_remade: recovered.meta_remade,
        storage,
        recovered,
        options,
    })
}

impl OpenedLog {
    /// Starts the threads that make room and write; from now on batches are taken.
    pub fn start<S: CommitSink>(self, sink: S) -> Committer<S::Ticket> {
        let options = &self.options;
        let room = RoomMaker::start(
            self.storage.clone(),
            self.live.dir(),
            RoomOptions {
                segment_bytes: options.segment_bytes,
                min_free_bytes: options.min_free_bytes,
                reserve_bytes: options.reserve_bytes,
            },
        );
        let writer = Writer::new(
            self.storage,
            self.live,
            room,
            self.recovered.open,
            self.next_seq,
            options.clock,
        );
        Committer::start(writer, sink)
    }
}
