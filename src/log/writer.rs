//! Writes frames into the active segment, in groups: one write and one sync for a group.
//! Used by one thread, the committer; knows nothing of queues.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::LogError;
use super::format::*;
use super::frame::{FrameHeader, PreparedPayload, encode_frame};
use super::header::SegmentHeader;
use super::live::LiveLog;
use super::no_room::{Lack, NoRoom};
use super::recovery::{OpenSegment, encode_seal_frame};
use super::room::{RoomMaker, RoomView};
use super::segment::{SegmentFile, SegmentId};
use super::storage::{Storage, is_disk_full};
use crate::event::{KeyRule, Seq};

/// Marks that always find room behind the last batch: an idle one and the shutdown mark.
const MARKS_BYTES: u64 = 2 * frame_bytes(0);

/// Groups are written up to the end of such a page, with zeros over zeros: room is not in the
/// page cache, and of a page that is written in part the rest would have to be read first.
const PAGE_BYTES: u64 = 4096;

/// Gives the time, µs UTC.
pub type Clock = fn() -> i64;

/// A batch made ready to be written.
#[derive(Clone, Debug)]
pub struct PreparedBatch {
    /// Its payload.
    pub payload: PreparedPayload,
    /// What makes its dedup keys.
    pub key_rule: KeyRule,
    /// How many events it has; at least one.
    pub count: u32,
}

/// Where a batch was placed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The seq of its first event.
    pub first_seq: Seq,
    /// µs UTC.
    pub received_at: i64,
    /// What it takes in the file.
    pub frame_bytes: u64,
}

/// Why a batch could not be placed.
#[derive(Debug)]
pub(super) enum NotPlaced {
    /// The group that is open must be synced before the next segment can begin.
    GroupFirst,
    /// There is no room for it now. Nothing was written.
    NoRoom(NoRoom),
    /// A write or a sync failed.
    Failed(LogError),
}

#[derive(Debug)]
struct Active {
    segment: SegmentFile,
    /// Where the open group starts, which is where what is synced ends.
    synced: u64,
    room_end: u64,
    /// Frames noted so far, those of the open group included.
    noted: usize,
}

/// The writer of a log.
#[derive(Debug)]
pub(super) struct Writer {
    storage: Arc<dyn Storage>,
    live: Arc<LiveLog>,
    room: RoomMaker,
    clock: Clock,
    active: Option<Active>,
    next_seq: Seq,
    /// The open group as it must stand in the file.
    group: Vec<u8>,
    group_frames: Vec<(Seq, u64)>,
    group_batches: u64,
    /// The last seq synced, and whether a later frame or mark says so.
    durable: Seq,
    proven: bool,
}

impl Writer {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        live: Arc<LiveLog>,
        room: RoomMaker,
        open: Option<OpenSegment>,
        next_seq: Seq,
        clock: Clock,
    ) -> Writer {
        let active = open.map(|open| Active {
            segment: open.segment,
            synced: open.position,
            room_end: open.room_end,
            noted: open.table.len(),
        });
        Writer {
            storage,
            live,
            room,
            clock,
            active,
            next_seq,
            group: Vec::new(),
            group_frames: Vec::new(),
            group_batches: 0,
            durable: next_seq.previous(),
            proven: true,
        }
    }

    pub(super) fn room(&self) -> RoomView {
        self.room.view()
    }

    pub(super) fn group_bytes(&self) -> usize {
        self.group.len()
    }

    /// Whether something is durable that the log itself does not prove yet.
    pub(super) fn has_unproven(&self) -> bool {
        !self.proven
    }

    /// Adds a batch to the open group.
    pub(super) fn place(&mut self, batch: &PreparedBatch) -> Result<Placed, NotPlaced> {
        if let Some(no_room) = self.room.low() {
            return Err(NotPlaced::NoRoom(no_room));
        }
        let frame_bytes = batch.payload.frame_bytes();
        if !self.fits(frame_bytes) {
            if !self.group.is_empty() {
                return Err(NotPlaced::GroupFirst);
            }
            self.next_segment(frame_bytes)?;
        }
        let placed = Placed {
            first_seq: self.next_seq,
            received_at: (self.clock)(),
            frame_bytes,
        };
        let header = FrameHeader {
            key_rule: batch.key_rule as u8,
            count: batch.count,
            received_at: placed.received_at,
            ..FrameHeader::without_seqs(FrameType::Events, self.next_seq)
        };
        self.append(header, &batch.payload);
        self.next_seq = self.next_seq.plus(u64::from(batch.count));
        self.group_batches += 1;
        Ok(placed)
    }

    /// Writes and syncs the open group. After an error nothing more may be written.
    pub(super) fn commit(&mut self) -> Result<(), LogError> {
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        if self.group.is_empty() {
            return Ok(());
        }
        let path = &active.segment.path;
        let group_bytes = self.group.len();
        let end = active.synced + group_bytes as u64;
        let page_end = end.next_multiple_of(PAGE_BYTES).min(active.room_end);
        self.group
            .resize((page_end.max(end) - active.synced) as usize, 0);
        active
            .segment
            .file
            .write_at(&self.group, active.synced)
            .map_err(LogError::io("write", path))?;
        self.group.truncate(group_bytes);
        active
            .segment
            .file
            .sync_data()
            .map_err(LogError::io("sync", path))?;
        active.synced += self.group.len() as u64;
        self.durable = self.next_seq.previous();
        self.proven = self.group_batches == 0;
        let live = &self.live;
        live.written_bytes
            .fetch_add(self.group.len() as u64, Ordering::Relaxed);
        live.syncs.fetch_add(1, Ordering::Relaxed);
        live.batches
            .fetch_add(self.group_batches, Ordering::Relaxed);
        // A mark has a group of its own.
        if self.group_batches > 0 {
            live.batch_bytes
                .fetch_add(self.group.len() as u64, Ordering::Relaxed);
        }
        live.advance(active.synced, &self.group_frames, self.durable);
        self.group.clear();
        self.group_frames.clear();
        self.group_batches = 0;
        Ok(())
    }

    /// Proves what is durable by a synced mark, if there is room for one.
    pub(super) fn mark(&mut self) -> Result<(), LogError> {
        if self.fits(0) {
            self.append_mark(0);
            self.commit()?;
        }
        // Without room there is no proof, and trying again would not make any.
        self.proven = true;
        Ok(())
    }

    /// Ends a clean run: a shutdown mark, or a seal where not even a mark has room.
    pub(super) fn shut_down(&mut self) -> Result<(), LogError> {
        self.commit()?;
        if self.active.is_some() {
            if self.fits_with(frame_bytes(0), 0) {
                self.append_mark(FLAG_SHUTDOWN);
                self.commit()?;
            } else {
                self.seal()?;
            }
        }
        self.room.stop();
        Ok(())
    }

    fn append_mark(&mut self, flags: u16) {
        let header = FrameHeader {
            flags,
            received_at: (self.clock)(),
            ..FrameHeader::without_seqs(FrameType::Mark, self.next_seq)
        };
        self.append(header, &PreparedPayload::new(Vec::new()));
    }

    fn append(&mut self, mut header: FrameHeader, payload: &PreparedPayload) {
        let active = self
            .active
            .as_mut()
            .expect("a frame is appended only where it fits");
        header.durable_up_to = self.durable;
        let offset = active.synced + self.group.len() as u64;
        if header.count > 0 {
            self.group_frames.push((header.first_seq, offset));
            active.noted += 1;
        }
        encode_frame(
            &active.segment.header,
            offset,
            header,
            payload,
            &mut self.group,
        );
    }

    fn fits(&self, frame_bytes: u64) -> bool {
        self.fits_with(frame_bytes, MARKS_BYTES)
    }

    /// Whether a frame fits so that marks and the seal still do.
    fn fits_with(&self, frame_bytes: u64, marks_bytes: u64) -> bool {
        self.active.as_ref().is_some_and(|active| {
            let end = active.synced + self.group.len() as u64 + frame_bytes;
            // No table has more entries than one for each frame or each stretch of the file.
            let stretches = (end / SEAL_SPACING_BYTES) as usize + 1;
            end + marks_bytes + seal_bytes(stretches.min(active.noted + 1)) <= active.room_end
        })
    }

    /// Seals the active segment, if there is one, and begins the next.
    fn next_segment(&mut self, frame_bytes: u64) -> Result<(), NotPlaced> {
        let least = HEADER_BYTES as u64 + frame_bytes + MARKS_BYTES + seal_bytes(1);
        let spare = self.room.take(least).map_err(NotPlaced::NoRoom)?;
        if self.active.is_some() {
            self.seal().map_err(NotPlaced::Failed)?;
        }
        let header = SegmentHeader {
            fold_version: FOLD_VERSION,
            log_id: self.live.log_id(),
            first_seq: self.next_seq,
            salt: random(),
            made_at: (self.clock)(),
        };
        let id = SegmentId(self.next_seq);
        let path = self.live.dir().join(id.file_name());
        let begun = self.begin(&spare.path, &path, &header, spare.file.as_ref());
        if let Err((error, temporary)) = begun {
            if temporary && matches!(&error, LogError::Io { source, .. } if is_disk_full(source)) {
                // Nothing has its name yet; the file is removed at the next start at the latest.
                let _ = self.storage.remove(&spare.path);
                return Err(NotPlaced::NoRoom(NoRoom {
                    lack: Lack::DiskFull,
                    why: error.to_string(),
                }));
            }
            return Err(NotPlaced::Failed(error));
        }
        let segment = SegmentFile {
            id,
            path,
            header,
            file: spare.file,
        };
        let start = HEADER_BYTES as u64;
        self.live
            .add_active(&segment, Default::default(), start, spare.bytes);
        self.active = Some(Active {
            segment,
            synced: start,
            room_end: spare.bytes,
            noted: 0,
        });
        Ok(())
    }

    /// Header, sync, rename, sync of the directory: in this order, or a crash could leave a
    /// segment that nobody can read, or none. The flag says that the name is still temporary.
    fn begin(
        &self,
        temporary: &Path,
        path: &Path,
        header: &SegmentHeader,
        file: &dyn super::storage::StorageFile,
    ) -> Result<(), (LogError, bool)> {
        file.write_at(&header.encode(), 0)
            .map_err(|e| (LogError::io("write", temporary)(e), true))?;
        file.sync_data()
            .map_err(|e| (LogError::io("sync", temporary)(e), true))?;
        self.storage
            .rename(temporary, path)
            .map_err(|e| (LogError::io("rename", temporary)(e), true))?;
        let dir = self.live.dir();
        self.storage
            .sync_dir(dir)
            .map_err(|e| (LogError::io("sync", dir)(e), false))
    }

    /// Writes the seal after everything before it was synced, syncs it, and cuts the room
    /// that was not used.
    fn seal(&mut self) -> Result<(), LogError> {
        self.commit()?;
        let Some(active) = self.active.take() else {
            return Ok(());
        };
        let table = self.live.active_table();
        let mut bytes = Vec::new();
        let (at, now) = (active.synced, (self.clock)());
        encode_seal_frame(&active.segment, &table, at, self.next_seq, now, &mut bytes);
        let end = at + bytes.len() as u64;
        let path = &active.segment.path;
        let file = &active.segment.file;
        file.write_at(&bytes, at)
            .map_err(LogError::io("write", path))?;
        file.sync_data().map_err(LogError::io("sync", path))?;
        if end < active.room_end {
            file.set_len(end).map_err(LogError::io("cut", path))?;
            // Recovery reads a further segment only if this one ends with its seal.
            file.sync_data().map_err(LogError::io("sync", path))?;
        }
        self.live
            .written_bytes
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.live.seal_active(end);
        self.proven = true;
        Ok(())
    }
}

/// Random bytes from the operating system, as a number.
pub(super) fn random() -> u64 {
    getrandom::u64().expect("the operating system gives random bytes")
}
