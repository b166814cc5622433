//! A log that is being written, as its readers in the same process see it: up to what is
//! durable, and never a byte further.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::cursor::FrameCursor;
use super::error::{Evidence, LogError};
use super::event_cursor::{EventCursor, Reading};
use super::format::LogId;
use super::header::{FrameTable, SegmentHeader};
use super::proven::ProvenFrames;
use super::reader::{ByteSource, FrameWalk};
use super::segment::{SegmentFile, SegmentId};
use super::storage::{Storage, StorageFile};
use crate::event::Seq;

/// Figures about a log.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Segments, the active one included.
    pub segments: u64,
    /// Bytes of their files, prepared room included.
    pub file_bytes: u64,
    /// Bytes up to the end of the last durable frame.
    pub used_bytes: u64,
    /// Bytes written by this process.
    pub written_bytes: u64,
    /// Syncs by this process.
    pub syncs: u64,
    /// Batches written by this process.
    pub batches: u64,
    /// Bytes of their frames.
    pub batch_bytes: u64,
}

/// Where frames are found: the segments of a log and the durable watermark.
#[derive(Debug)]
pub struct LiveLog {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    log_id: LogId,
    segments: RwLock<Vec<Arc<LiveSegment>>>,
    durable: AtomicU64,
    /// Large frames that were checked.
    pub(super) proven: Arc<ProvenFrames>,
    used_bytes: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) batch_bytes: AtomicU64,
}

#[derive(Debug)]
pub(super) struct LiveSegment {
    pub(super) id: SegmentId,
    header: SegmentHeader,
    pub(super) path: PathBuf,
    body: RwLock<Body>,
}

#[derive(Debug)]
enum Body {
    Active {
        file: Arc<dyn StorageFile>,
        table: FrameTable,
        /// Where what is durable ends.
        end: u64,
        room_end: u64,
    },
    Sealed {
        bytes: u64,
        /// Read when first needed. The file itself is opened for each walk: there may be more
        /// segments than a process may have files open.
        table: Option<Arc<FrameTable>>,
    },
}

impl LiveLog {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        dir: &Path,
        log_id: LogId,
        durable: Seq,
    ) -> LiveLog {
        LiveLog {
            storage,
            dir: dir.to_owned(),
            log_id,
            segments: RwLock::default(),
            durable: AtomicU64::new(durable.get()),
            proven: Arc::default(),
            used_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            batch_bytes: AtomicU64::new(0),
        }
    }

    /// Which log.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The last durable seq.
    pub fn durable(&self) -> Seq {
        Seq::new(self.durable.load(Ordering::Acquire))
    }

    /// Bytes up to the end of the last durable frame, over all segments.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of frames of batches that this process made durable.
    pub fn batch_bytes(&self) -> u64 {
        self.batch_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that may still be used on its disk.
    ///
    /// # Errors
    /// An I/O error.
    pub fn free_bytes(&self) -> Result<u64, LogError> {
        self.storage
            .free_bytes(&self.dir)
            .map_err(LogError::io("measure", &self.dir))
    }

    /// Figures about it.
    pub fn figures(&self) -> LogFigures {
        let segments = read(&self.segments).clone();
        let mut figures = LogFigures {
            segments: segments.len() as u64,
            used_bytes: self.used_bytes(),
            written_bytes: self.written_bytes.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
            batch_bytes: self.batch_bytes(),
            ..LogFigures::default()
        };
        for segment in segments {
            figures.file_bytes += match &*read(&segment.body) {
                Body::Active { room_end, .. } => *room_end,
                Body::Sealed { bytes, .. } => *bytes,
            };
        }
        figures
    }

    pub(super) fn add_sealed(&self, segment: &SegmentFile, bytes: u64) {
        self.add(segment, bytes, Body::Sealed { bytes, table: None });
    }

    pub(super) fn add_active(
        &self,
        segment: &SegmentFile,
        table: FrameTable,
        end: u64,
        room_end: u64,
    ) {
        self.add(
            segment,
            end,
            Body::Active {
                file: segment.file.clone(),
                table,
                end,
                room_end,
            },
        );
    }

    fn add(&self, segment: &SegmentFile, used_bytes: u64, body: Body) {
        self.used_bytes.fetch_add(used_bytes, Ordering::Relaxed);
        let mut segments = write(&self.segments);
        debug_assert!(segments.last().is_none_or(|last| last.id < segment.id));
        segments.push(Arc::new(LiveSegment {
            id: segment.id,
            header: segment.header,
            path: segment.path.clone(),
            body: RwLock::new(body),
        }));
    }

    /// The active segment became longer, by frames that are synced now.
    pub(super) fn advance(&self, end: u64, frames: &[(Seq, u64)], durable: Seq) {
        if let Some(active) = read(&self.segments).last()
            && let Body::Active {
                table, end: old, ..
            } = &mut *write(&active.body)
        {
            for (first_seq, offset) in frames {
                table.note(*first_seq, *offset);
            }
            self.used_bytes.fetch_add(end - *old, Ordering::Relaxed);
            *old = end;
        }
        self.durable.store(durable.get(), Ordering::Release);
    }

    pub(super) fn active_table(&self) -> FrameTable {
        match read(&self.segments)
            .last()
            .map(|active| read(&active.body))
            .as_deref()
        {
            Some(Body::Active { table, .. }) => table.clone(),
            _ => FrameTable::default(),
        }
    }

    pub(super) fn seal_active(&self, bytes: u64) {
        if let Some(active) = read(&self.segments).last() {
            *write(&active.body) = Body::Sealed { bytes, table: None };
        }
    }

    /// Frames that hold seqs of `[from, upto]`, as far as they are durable, in order.
    pub fn frames(self: &Arc<Self>, from: Seq, upto: Seq) -> FrameCursor {
        FrameCursor::new(self.clone(), from, upto)
    }

    /// Single events, as far as they are durable.
    pub fn events(self: &Arc<Self>, reading: Reading) -> EventCursor {
        EventCursor::new(self.clone(), reading)
    }

    /// What proves that the frames of this segment that are said to be durable are it.
    pub(super) fn evidence(&self, segment: SegmentId) -> Evidence {
        let last = read(&self.segments).last().map(|last| last.id);
        if last.is_some_and(|last| last > segment) {
            Evidence::FurtherSegment
        } else {
            Evidence::Synced
        }
    }

    pub(super) fn segment_of(&self, seq: Seq) -> Option<Arc<LiveSegment>> {
        let segments = read(&self.segments);
        let after = segments.partition_point(|segment| segment.id.0 <= seq);
        Some(segments[after.checked_sub(1)?].clone())
    }

    /// The segment that follows this one.
    pub(super) fn segment_behind(&self, id: SegmentId) -> Option<SegmentId> {
        let segments = read(&self.segments);
        let behind = segments.iter().find(|segment| segment.id > id);
        behind.map(|segment| segment.id)
    }
}

impl LiveSegment {
    /// A walk that starts at the frame of this seq or a little before it.
    pub(super) fn walk_to(&self, seq: Seq, log: &LiveLog) -> Result<FrameWalk, LogError> {
        let (source, floor) = self.source(seq, log)?;
        let walk = FrameWalk::new(self.id, self.header, source);
        Ok(match floor {
            Some((due, offset)) => walk.starting_at(due, offset),
            None => walk,
        })
    }

    fn source(
        &self,
        seq: Seq,
        log: &LiveLog,
    ) -> Result<(ByteSource, Option<(Seq, u64)>), LogError> {
        let known = match &*read(&self.body) {
            Body::Active { file, table, .. } => return Ok((file.clone(), table.floor(seq))),
            Body::Sealed { table, .. } => table.clone(),
        };
        if let Some(table) = known {
            let file = log.storage.open(&self.path);
            let file = file.map_err(LogError::io("open", &self.path))?;
            return Ok((file, table.floor(seq)));
        }
        let segment = SegmentFile::open(log.storage.as_ref(), &log.dir, self.id)?;
        let found = Arc::new(segment.required_seal()?.table);
        let floor = found.floor(seq);
        if let Body::Sealed { table, .. } = &mut *write(&self.body) {
            *table = Some(found);
        }
        Ok((segment.source(), floor))
    }

    /// How far a walk may go now.
    pub(super) fn limit(&self) -> u64 {
        match &*read(&self.body) {
            Body::Active { end, .. } => *end,
            Body::Sealed { .. } => u64::MAX,
        }
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
