//! A log as one who only looks sees it: stopped, killed, or being written right now. It
//! takes no lock and changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error::LogError;
use super::format::{HEADER_BYTES, LogId};
use super::header::FrameTable;
use super::inventory::Inventory;
use super::live::LiveLog;
use super::reader::{FrameWalk, Step};
use super::segment::{SegmentFile, SegmentId};
use super::storage::Storage;
use super::tail::{Ending, Tail, examine};
use crate::event::Seq;

/// A writer at work can make one look see bytes of two moments, which is no damage: then
/// the next look sees something else.
const LOOKS_MAX: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A log at one moment.
#[derive(Debug)]
pub struct OfflineLog {
    /// For reading, up to where it ended at that moment.
    pub live: Arc<LiveLog>,
    /// The segments, in order.
    pub segments: Vec<SegmentId>,
    /// How the last one ended; none when there is none yet.
    pub tail: Option<Tail>,
}

impl OfflineLog {
    /// Looks at the log in this directory.
    ///
    /// # Errors
    /// I/O errors; [`LogError::Missing`]; damage at the end of the log, or a gap at its
    /// start. Damage elsewhere is met when it is read.
    pub fn open(storage: Arc<dyn Storage>, dir: &Path) -> Result<OfflineLog, LogError> {
        let mut looks = 0;
        loop {
            looks += 1;
            match look(storage.clone(), dir) {
                Err(LogError::Corrupt(_) | LogError::Io { .. } | LogError::Unreadable { .. })
                    if looks < LOOKS_MAX =>
                {
                    std::thread::sleep(BETWEEN_LOOKS);
                }
                other => return other,
            }
        }
    }

    /// The log up to where damage was found, in this segment at this offset, where this seq is due:
    /// whatever stands before it can be read.
    ///
    /// # Errors
    /// As [`OfflineLog::open`], but for that damage.
    pub fn before(
        storage: Arc<dyn Storage>,
        dir: &Path,
        (damaged, offset, due): (SegmentId, u64, Seq),
    ) -> Result<OfflineLog, LogError> {
        let mut inventory = Inventory::read(storage.as_ref(), dir)?;
        let Some(log_id) = inventory.log_id(storage.as_ref())? else {
            return Err(LogError::Missing(dir.to_owned()));
        };
        inventory.segments.retain(|id| *id <= damaged);
        let live = LiveLog::new(storage.clone(), dir, log_id, due.previous());
        let mut segments = Vec::new();
        for id in inventory.segments {
            if id < damaged {
                let segment = SegmentFile::open_of(storage.as_ref(), dir, id, log_id)?;
                live.add_sealed(&segment, segment.len_bytes()?);
            } else if offset >= HEADER_BYTES as u64 {
                let segment = SegmentFile::open_of(storage.as_ref(), dir, id, log_id)?;
                live.add_active(&segment, table_before(&segment, offset), offset, offset);
            } else {
                // Its header is what is damaged.
                break;
            }
            segments.push(id);
        }
        let ends_in_last = segments.last() == Some(&damaged);
        Ok(OfflineLog {
            live: Arc::new(live),
            segments,
            tail: ends_in_last.then(|| Tail {
                ending: Ending::Open,
                end: offset,
                due,
                // What proves that the damaged bytes were durable proves those before them.
                proven: due.previous(),
                unproven_from: offset,
                table: FrameTable::default(),
                torn_end: None,
            }),
        })
    }

    /// The last seq at that moment.
    pub fn last_seq(&self) -> Seq {
        self.live.durable()
    }

    /// The last seq that the log itself proves to have been durable.
    pub fn proven(&self) -> Seq {
        self.tail.as_ref().map_or(Seq::ZERO, |tail| tail.proven)
    }
}

/// Which log lies in a directory.
///
/// # Errors
/// [`LogError::Missing`]; those of [`Inventory::read`] and [`Inventory::log_id`].
pub fn log_id_in(storage: &dyn Storage, dir: &Path) -> Result<LogId, LogError> {
    Ok(inventory_of_log(storage, dir)?.1)
}

fn inventory_of_log(storage: &dyn Storage, dir: &Path) -> Result<(Inventory, LogId), LogError> {
    let inventory = match Inventory::read(storage, dir) {
        Err(LogError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(LogError::Missing(dir.to_owned()));
        }
        other => other?,
    };
    match inventory.log_id(storage)? {
        Some(log_id) => Ok((inventory, log_id)),
        None => Err(LogError::Missing(dir.to_owned())),
    }
}

fn look(storage: Arc<dyn Storage>, dir: &Path) -> Result<OfflineLog, LogError> {
    let (inventory, log_id) = inventory_of_log(storage.as_ref(), dir)?;
    let Some((last, earlier)) = inventory.segments.split_last() else {
        let live = LiveLog::new(storage, dir, log_id, Seq::ZERO);
        return Ok(OfflineLog {
            live: Arc::new(live),
            segments: Vec::new(),
            tail: None,
        });
    };
    SegmentFile::open_of(storage.as_ref(), dir, inventory.segments[0], log_id)?.must_be_first()?;
    let last = SegmentFile::open_of(storage.as_ref(), dir, *last, log_id)?;
    let tail = examine(&last, None)?;
    let live = LiveLog::new(storage.clone(), dir, log_id, tail.due.previous());
    for id in earlier {
        let segment = SegmentFile::open_of(storage.as_ref(), dir, *id, log_id)?;
        let bytes = segment.len_bytes()?;
        live.add_sealed(&segment, bytes);
    }
    let len = last.len_bytes()?;
    match tail.ending {
        Ending::Sealed if len == tail.end => live.add_sealed(&last, tail.end),
        // Also one that is sealed and whose room is not cut yet: its end does not lead to the
        // seal, and the walk that was made does.
        _ => live.add_active(&last, tail.table.clone(), tail.end, len),
    }
    Ok(OfflineLog {
        live: Arc::new(live),
        segments: inventory.segments,
        tail: Some(tail),
    })
}

/// Where the frames before this offset are. What cannot be read here is met when it is read.
fn table_before(segment: &SegmentFile, end: u64) -> FrameTable {
    let mut table = FrameTable::default();
    let mut walk = FrameWalk::of_file(segment);
    walk.set_limit(end);
    while let Ok(Step::Frame(frame)) = walk.step() {
        if frame.header.count > 0 {
            table.note(frame.header.first_seq, frame.offset);
        }
    }
    table
}
