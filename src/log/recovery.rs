//! What happens between two runs of a writer: look at what the last one left, decide by the
//! tail rule, and put the last segment into a state that is certain. Nobody else cuts.
//!
//! Every step may be repeated after a crash in it: the unproven frames are written again in
//! their own place, the torn bytes are saved under a name of their own before they are cut,
//! and the seal comes only when all before it has been synced.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::LogError;
use super::format::*;
use super::frame::{FrameHeader, PreparedPayload, encode_frame};
use super::header::{FrameTable, Meta};
use super::inventory::{Inventory, META_NAME, RESERVE_NAME};
use super::segment::{SegmentFile, SegmentId};
use super::storage::{Storage, StorageFile, is_disk_full};
use super::survey::{SealedSegment, Survey, survey};
use super::tail::{Ending, Tail};
use super::torn::TornFiles;
use crate::event::Seq;

const COPY_BYTES: usize = 1024 * 1024;
/// The least piece of torn bytes that is worth a file of its own.
const LEAST_PIECE_BYTES: u64 = if cfg!(any(test, fuzzing)) { 64 } else { 4096 };

/// What recovery needs to know.
#[derive(Debug)]
pub struct RecoveryOptions {
    /// The log's identity when it is new.
    pub new_log_id: LogId,
    /// The time, µs UTC.
    pub now: i64,
    /// Up to where this log's index was flushed: evidence.
    pub index_flushed: Option<Seq>,
    /// How many bytes of sealed segments are read and checked, the newest first.
    pub verify_bytes: u64,
}

/// A segment that goes on where a clean stop left it.
#[derive(Debug)]
pub struct OpenSegment {
    /// The segment, for writing.
    pub segment: SegmentFile,
    /// Where the next frame goes.
    pub position: u64,
    /// Where its room ends.
    pub room_end: u64,
    /// Where frames are.
    pub table: FrameTable,
}

/// A log whose past is certain.
#[derive(Debug)]
pub struct Recovered {
    /// Which log.
    pub log_id: LogId,
    /// What is sealed, in order.
    pub sealed: Vec<SealedSegment>,
    /// What goes on; none when the next frame begins a new segment.
    pub open: Option<OpenSegment>,
    /// The seq that comes next.
    pub next_seq: Seq,
    /// What was done to the last segment, when it had not been left clean.
    pub unclean: Option<Unclean>,
    /// The log was made by this call.
    pub created: bool,
    /// `log.meta` was missing or damaged and was made anew from a segment.
    pub meta_remade: bool,
}

/// What an unclean start did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclean {
    /// In which segment.
    pub segment: SegmentId,
    /// Bytes of frames that nothing proved durable and that were written and synced again.
    pub rewritten_bytes: u64,
    /// The torn bytes that were cut, and where they were saved.
    pub torn: Option<(u64, PathBuf)>,
}

/// Makes a log's past certain, or says why that cannot be done.
///
/// # Errors
/// I/O errors; damage, a log of another identity, a later version: nothing was changed then.
pub fn recover(
    storage: &dyn Storage,
    dir: &Path,
    options: &RecoveryOptions,
) -> Result<Recovered, LogError> {
    let inventory = Inventory::read(storage, dir)?;
    let existing_id = inventory.log_id(storage)?;
    let log_id = existing_id.unwrap_or(options.new_log_id);
    let Survey { sealed, last } = survey(
        storage,
        &inventory,
        log_id,
        options.index_flushed,
        options.verify_bytes,
    )?;

    // Up to here nothing was changed.
    for name in &inventory.left_overs {
        let path = dir.join(name);
        storage
            .remove(&path)
            .map_err(LogError::io("remove", &path))?;
    }
    let mut recovery = Recovery {
        storage,
        dir,
        now: options.now,
        reserve: inventory.reserve,
        torn: TornFiles::new(dir, inventory.torn),
    };
    if inventory.meta.is_none() {
        recovery.with_reserve(|r| r.write_meta(log_id))?;
    }
    let mut recovered = Recovered {
        log_id,
        next_seq: sealed.last().map_or(Seq::FIRST, |segment| segment.next_seq),
        sealed,
        open: None,
        unclean: None,
        created: existing_id.is_none(),
        meta_remade: existing_id.is_some() && inventory.meta.is_none(),
    };
    if let Some((segment, tail)) = last {
        recovered.next_seq = tail.due;
        recovery.settle(segment.id, tail, &mut recovered)?;
    }
    Ok(recovered)
}

struct Recovery<'s> {
    storage: &'s dyn Storage,
    dir: &'s Path,
    now: i64,
    reserve: bool,
    torn: TornFiles,
}

impl Recovery<'_> {
    /// Puts the last segment into a certain state.
    fn settle(
        &mut self,
        id: SegmentId,
        tail: Tail,
        recovered: &mut Recovered,
    ) -> Result<(), LogError> {
        let segment = SegmentFile::open_rw(self.storage, self.dir, id)?;
        let len = segment.len_bytes()?;
        // A seal or a shutdown mark proves what stands before it, but not itself: whoever
        // wrote it may have been killed before its sync, or the sync may have failed.
        let rewritten_bytes =
            self.with_reserve(|r| r.write_again(&segment, tail.unproven_from, tail.end))?;
        match tail.ending {
            Ending::CleanStop => {
                recovered.open = Some(OpenSegment {
                    segment,
                    position: tail.end,
                    room_end: len,
                    table: tail.table,
                });
                return Ok(());
            }
            Ending::Sealed => {
                if len > tail.end {
                    self.cut(&segment, tail.end)?;
                }
            }
            Ending::Open => {
                let torn = match tail.torn_end {
                    Some(torn_end) => Some((
                        torn_end - tail.end,
                        self.save_torn(&segment, tail.end, torn_end)?,
                    )),
                    None => None,
                };
                recovered.unclean = Some(Unclean {
                    segment: id,
                    rewritten_bytes,
                    torn,
                });
                if !tail.holds_seqs() {
                    // Nothing in it is needed: the next segment takes its name.
                    return Ok(());
                }
                self.cut(&segment, tail.end)?;
                self.with_reserve(|r| r.seal(&segment, &tail))?;
            }
        }
        recovered.sealed.push(SealedSegment {
            bytes: segment.len_bytes()?,
            next_seq: tail.due,
            segment,
        });
        Ok(())
    }

    /// Writes bytes onto themselves, so that the pages are dirty and the sync is real.
    fn write_again(&self, segment: &SegmentFile, from: u64, to: u64) -> Result<u64, LogError> {
        if from == to {
            return Ok(0);
        }
        let mut offset = from;
        while offset < to {
            let mut bytes = vec![0; (to - offset).min(COPY_BYTES as u64) as usize];
            let count = segment.file.read_at(&mut bytes, offset).map_err(|source| {
                LogError::Unreadable {
                    segment: segment.id,
                    path: segment.path.clone(),
                    offset,
                    due: segment.id.0,
                    source,
                }
            })?;
            segment
                .file
                .write_at(&bytes[..count], offset)
                .map_err(LogError::io("write", &segment.path))?;
            offset += count as u64;
        }
        sync(&segment.file, &segment.path)?;
        Ok(to - from)
    }

    /// Saves the torn bytes: at once, or on a full disk piece by piece from the end, of which
    /// each is cut before the next is saved, so that there must be room for a piece only. What
    /// is left of them is torn all the same. Gives the file that holds the first of them.
    fn save_torn(
        &mut self,
        segment: &SegmentFile,
        from: u64,
        mut to: u64,
    ) -> Result<PathBuf, LogError> {
        let mut piece_bytes = to - from;
        loop {
            let start = to.saturating_sub(piece_bytes).max(from);
            match self.with_reserve(|r| r.torn.save(r.storage, segment, start, to)) {
                Ok(path) if start == from => return Ok(path),
                Ok(_) => {
                    self.cut(segment, start)?;
                    to = start;
                }
                Err(LogError::Io { source, .. })
                    if is_disk_full(&source) && piece_bytes > LEAST_PIECE_BYTES =>
                {
                    piece_bytes = (piece_bytes / 2).max(LEAST_PIECE_BYTES);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn cut(&self, segment: &SegmentFile, len: u64) -> Result<(), LogError> {
        segment
            .file
            .set_len(len)
            .map_err(LogError::io("cut", &segment.path))?;
        sync(&segment.file, &segment.path)
    }

    fn seal(&mut self, segment: &SegmentFile, tail: &Tail) -> Result<(), LogError> {
        let mut bytes = Vec::new();
        encode_seal_frame(
            segment,
            &tail.table,
            tail.end,
            tail.due,
            self.now,
            &mut bytes,
        );
        segment
            .file
            .write_at(&bytes, tail.end)
            .map_err(LogError::io("write", &segment.path))?;
        sync(&segment.file, &segment.path)
    }

    fn write_meta(&mut self, log_id: LogId) -> Result<(), LogError> {
        let meta = Meta {
            log_id,
            made_at: self.now,
        };
        let path = self.dir.join(META_NAME);
        put_file(self.storage, self.dir, &path, |file| {
            file.write_at(&meta.encode(), 0)
        })
    }

    /// Does it, and once more without the reserve when the disk is full: that is what the
    /// reserve is for.
    fn with_reserve<T>(
        &mut self,
        act: impl Fn(&mut Self) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        match act(self) {
            Err(LogError::Io { source, .. }) if self.reserve && is_disk_full(&source) => {
                let path = self.dir.join(RESERVE_NAME);
                self.storage
                    .remove(&path)
                    .map_err(LogError::io("remove", &path))?;
                self.reserve = false;
                act(self)
            }
            other => other,
        }
    }
}

fn sync(file: &Arc<dyn StorageFile>, path: &Path) -> Result<(), LogError> {
    file.sync_data().map_err(LogError::io("sync", path))
}

/// Writes a seal frame as it must stand at `offset`.
pub(super) fn encode_seal_frame(
    segment: &SegmentFile,
    table: &FrameTable,
    offset: u64,
    next_seq: Seq,
    now: i64,
    out: &mut Vec<u8>,
) {
    let payload = PreparedPayload::new(table.encode_seal(&segment.header, offset));
    let header = FrameHeader {
        received_at: now,
        durable_up_to: next_seq.previous(),
        ..FrameHeader::without_seqs(FrameType::Seal, next_seq)
    };
    encode_frame(&segment.header, offset, header, &payload, out);
}

/// Brings a whole file into being under a name that may exist: temporary name, content,
/// sync, rename, sync of the directory.
pub(super) fn put_file(
    storage: &dyn Storage,
    dir: &Path,
    path: &Path,
    write: impl FnOnce(&dyn StorageFile) -> std::io::Result<()>,
) -> Result<(), LogError> {
    let (temp, file) = storage
        .create_temp(dir)
        .map_err(LogError::io("create a file in", dir))?;
    let put = write(file.as_ref())
        .map_err(LogError::io("write", &temp))
        .and_then(|()| sync(&file, &temp))
        .and_then(|()| {
            storage
                .rename(&temp, path)
                .map_err(LogError::io("rename", &temp))
        });
    if put.is_err() {
        // The name is temporary: if this fails too, the next start removes it.
        let _ = storage.remove(&temp);
    }
    put?;
    storage.sync_dir(dir).map_err(LogError::io("sync", dir))
}
