//! What the ends of a log say of it.

use std::fs;

use crate::event::Seq;
use crate::inspect::StorePlace;
use crate::log::format::{FORMAT_VERSION, FrameType};
use crate::log::segment::SegmentId;
use crate::log::tail::Ending;
use crate::log::{LogError, LogId, OfflineLog};

/// Of a log.
#[derive(Clone, Debug)]
pub struct LogInfo {
    /// Which log.
    pub log_id: LogId,
    /// The version of its format.
    pub format_version: u16,
    /// How many segments it has.
    pub segments: u64,
    /// Bytes of their files, prepared room included.
    pub segment_bytes: u64,
    /// Bytes of their frames.
    pub used_bytes: u64,
    /// The last seq; where there is damage, the last before it.
    pub last_seq: Seq,
    /// The last seq that the log itself proves to have been durable.
    pub proven: Seq,
    /// When the first batch was received that is still there, µs UTC.
    pub first_at: Option<i64>,
    /// And the last.
    pub last_at: Option<i64>,
    /// How its frames end; none when there are no segments, or that cannot be told for damage.
    pub ending: Option<Ending>,
    /// How many bytes of a batch that was not finished stand at its end.
    pub torn_bytes: u64,
    /// How many files of such bytes earlier starts have saved.
    pub torn_files: u64,
    /// The first damage that was met. There may be other, where nothing was read.
    pub damage: Option<String>,
}

/// Looks at a log.
///
/// # Errors
/// When it cannot be read, or a later version wrote it.
pub(super) fn look(place: &StorePlace) -> Result<LogInfo, LogError> {
    let (log, mut damage) = match place.log() {
        Ok(log) => (log, None),
        Err(error) => match place_of(&error) {
            Some(at) => (place.log_before(at)?, Some(error.to_string())),
            None => return Err(error),
        },
    };
    let inventory = place.inventory()?;
    let mut segment_bytes = 0;
    for id in &inventory.segments {
        let path = place.log_dir().join(id.file_name());
        let found = fs::metadata(&path).map_err(|source| LogError::Io {
            action: "look at",
            path,
            source,
        })?;
        segment_bytes += found.len();
    }
    let last_seq = log.last_seq();
    let mut time = |first: bool| match received_at(&log, first) {
        Err(error) if place_of(&error).is_some() => {
            damage.get_or_insert(error.to_string());
            Ok(None)
        }
        other => other,
    };
    let (first_at, last_at) = (time(true)?, time(false)?);
    let tail = log.tail.as_ref();
    let torn_end = tail.and_then(|tail| Some(tail.torn_end? - tail.end));
    Ok(LogInfo {
        log_id: log.live.log_id(),
        format_version: FORMAT_VERSION,
        segments: inventory.segments.len() as u64,
        segment_bytes,
        used_bytes: log.live.used_bytes(),
        last_seq,
        proven: log.proven(),
        first_at,
        last_at,
        ending: tail.filter(|_| damage.is_none()).map(|tail| tail.ending),
        torn_bytes: torn_end.unwrap_or(0),
        torn_files: inventory.torn.len() as u64,
        damage,
    })
}

/// Where damage was met, and the seq that is due there.
fn place_of(error: &LogError) -> Option<(SegmentId, u64, Seq)> {
    match error {
        LogError::Corrupt(damage) => Some((damage.segment, damage.offset, damage.seq)),
        LogError::Unreadable {
            segment,
            offset,
            due,
            ..
        } => Some((*segment, *offset, *due)),
        _ => None,
    }
}

/// When the first batch was received, or the last. A hole has the time of its repair, and is none.
fn received_at(log: &OfflineLog, first: bool) -> Result<Option<i64>, LogError> {
    let last_seq = log.last_seq();
    let mut seq = if first { Seq::FIRST } else { last_seq };
    while (Seq::FIRST..=last_seq).contains(&seq) {
        let Some(frame) = log.live.frames(seq, seq).next_frame()? else {
            return Ok(None);
        };
        let header = &frame.header;
        if frame.frame_type != Some(FrameType::Hole) {
            return Ok(Some(header.received_at));
        }
        seq = match first {
            true => header.next_seq(),
            false => header.first_seq.previous(),
        };
    }
    Ok(None)
}
