//! A log that is being written, as its readers in the same process see it: up to what is
//! durable, and never a byte further.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::codec::decode_events;
use super::error::{Corruption, Evidence, Fault, LogError, SealFault};
use super::format::{FrameType, LogId};
use super::frame::FrameFault;
use super::header::{FrameTable, SegmentHeader};
use super::reader::{ByteSource, Frame, FrameWalk, Step};
use super::segment::{SegmentFile, SegmentId};
use super::storage::{Storage, StorageFile};
use crate::event::{Event, Seq};

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
}

/// How sealed segments are read.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Mapped: for the server.
    Mapped,
    /// With `pread`, so that a bad sector is an error: for the offline tools.
    Pread,
}

/// Where frames are found: the segments of a log and the durable watermark.
#[derive(Debug)]
pub struct LiveLog {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    log_id: LogId,
    access: Access,
    segments: RwLock<Vec<Arc<LiveSegment>>>,
    durable: AtomicU64,
    used_bytes: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) batches: AtomicU64,
}

#[derive(Debug)]
pub(super) struct LiveSegment {
    id: SegmentId,
    header: SegmentHeader,
    path: PathBuf,
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
        /// Read when first needed.
        opened: Option<(ByteSource, Arc<FrameTable>)>,
    },
}

impl LiveLog {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        dir: &Path,
        log_id: LogId,
        durable: Seq,
        access: Access,
    ) -> LiveLog {
        LiveLog {
            storage,
            dir: dir.to_owned(),
            log_id,
            access,
            segments: RwLock::default(),
            durable: AtomicU64::new(durable.get()),
            used_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            batches: AtomicU64::new(0),
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
        self.add(
            segment,
            bytes,
            Body::Sealed {
                bytes,
                opened: None,
            },
        );
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
            *write(&active.body) = Body::Sealed {
                bytes,
                opened: None,
            };
        }
    }

    /// Frames that hold seqs of `[from, upto]`, as far as they are durable, in order.
    pub fn frames(self: &Arc<Self>, from: Seq, upto: Seq) -> FrameCursor {
        FrameCursor {
            log: self.clone(),
            place: None,
            next: from.max(Seq::FIRST),
            upto,
        }
    }

    /// Gives the event with this seq and its frame to `visit`; none if it is not durable or
    /// its frame is not of events.
    ///
    /// # Errors
    /// I/O errors and damage.
    pub fn event<T>(
        self: &Arc<Self>,
        seq: Seq,
        visit: impl FnOnce(&Frame, &Event<'_>) -> T,
    ) -> Result<Option<T>, LogError> {
        let mut cursor = self.frames(seq, seq);
        let Some(frame) = cursor.next_frame()? else {
            return Ok(None);
        };
        if frame.frame_type != Some(FrameType::Events) {
            return Ok(None);
        }
        let events = cursor.events(&frame)?;
        let place = seq.since(frame.header.first_seq) as usize;
        Ok(events.get(place).map(|event| visit(&frame, event)))
    }

    /// What proves that the frames of this segment that are said to be durable are it.
    fn evidence(&self, segment: SegmentId) -> Evidence {
        let last = read(&self.segments).last().map(|last| last.id);
        if last.is_some_and(|last| last > segment) {
            Evidence::FurtherSegment
        } else {
            Evidence::Synced
        }
    }

    fn segment_of(&self, seq: Seq) -> Option<Arc<LiveSegment>> {
        let segments = read(&self.segments);
        let after = segments.partition_point(|segment| segment.id.0 <= seq);
        Some(segments[after.checked_sub(1)?].clone())
    }
}

impl LiveSegment {
    /// A walk that starts at the frame of this seq or a little before it.
    fn walk_to(&self, seq: Seq, log: &LiveLog) -> Result<FrameWalk, LogError> {
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
        match &*read(&self.body) {
            Body::Active { file, table, .. } => {
                return Ok((ByteSource::File(file.clone()), table.floor(seq)));
            }
            Body::Sealed {
                opened: Some((source, table)),
                ..
            } => return Ok((source.clone(), table.floor(seq))),
            Body::Sealed { opened: None, .. } => {}
        }
        let segment = SegmentFile::open(log.storage.as_ref(), &log.dir, self.id)?;
        let table = Arc::new(segment.required_seal()?.table);
        let source = match log.access {
            Access::Pread => segment.source(),
            Access::Mapped => {
                let map = log.storage.map(&self.path);
                ByteSource::Mapped(Arc::new(map.map_err(LogError::io("map", &self.path))?))
            }
        };
        let floor = table.floor(seq);
        if let Body::Sealed { opened, .. } = &mut *write(&self.body) {
            *opened = Some((source.clone(), table));
        }
        Ok((source, floor))
    }

    /// How far a walk may go now.
    fn limit(&self) -> u64 {
        match &*read(&self.body) {
            Body::Active { end, .. } => *end,
            Body::Sealed { .. } => u64::MAX,
        }
    }
}

/// Reads frames in order, across segments, up to what is durable at the time of each call.
#[derive(Debug)]
pub struct FrameCursor {
    log: Arc<LiveLog>,
    place: Option<(Arc<LiveSegment>, FrameWalk)>,
    next: Seq,
    upto: Seq,
}

impl FrameCursor {
    /// The first seq that the next frame must hold.
    pub fn next_seq(&self) -> Seq {
        self.next
    }

    /// The next frame that takes seqs; none when the end was reached, or for now what is durable.
    /// The first one may begin before the seq asked for, the last one end behind it.
    ///
    /// # Errors
    /// I/O errors and damage. The cursor stays where it is.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, LogError> {
        loop {
            if self.next > self.upto.min(self.log.durable()) {
                return Ok(None);
            }
            let (segment, walk) = match self.place.take() {
                Some(place) => self.place.insert(place),
                None => {
                    let Some(segment) = self.log.segment_of(self.next) else {
                        return Ok(None);
                    };
                    let walk = segment.walk_to(self.next, &self.log)?;
                    self.place.insert((segment, walk))
                }
            };
            walk.set_limit(segment.limit());
            let fault = match walk.step() {
                Ok(Step::Frame(frame)) => {
                    if frame.frame_type == Some(FrameType::Seal) {
                        let (due, id) = (walk.due(), segment.id);
                        self.place = None;
                        self.check_goes_on(id, frame.offset, due)?;
                    } else if frame.header.count > 0 && frame.header.next_seq() > self.next {
                        self.next = frame.header.next_seq();
                        return Ok(Some(frame));
                    }
                    continue;
                }
                Ok(Step::Fault(fault)) => fault,
                // What is durable ends behind the seq that is due here.
                Ok(Step::Limit) => Fault::Frame(FrameFault::Nothing),
                Err(error) => return Err(walk.place(error, &segment.path)),
            };
            let error = walk.corruption(fault, self.log.evidence(segment.id));
            // A later attempt opens the file again: a disk may come back.
            self.place = None;
            return Err(error);
        }
    }

    /// Behind a seal another segment must hold the seq that is due.
    fn check_goes_on(&self, sealed: SegmentId, offset: u64, due: Seq) -> Result<(), LogError> {
        let next = self.log.segment_of(self.next).map(|segment| segment.id);
        if next.is_some_and(|next| next > sealed) || self.next > self.log.durable() {
            return Ok(());
        }
        let fault = SealFault::Gap {
            due,
            next: next.unwrap_or(sealed).0,
        };
        Err(Corruption {
            segment: sealed,
            offset,
            seq: due,
            fault: Fault::Seal(fault),
            evidence: Evidence::Synced,
        }
        .into())
    }

    /// The payload of the frame that was given last.
    pub fn payload(&self) -> &[u8] {
        self.place.as_ref().map_or(&[], |(_, walk)| walk.payload())
    }

    /// The events of an `events` frame that was given last.
    ///
    /// # Errors
    /// Damage: its CRC is right and its payload is not what it should be.
    pub fn events(&self, frame: &Frame) -> Result<Vec<Event<'_>>, LogError> {
        decode_events(self.payload(), frame.header.count)
            .map_err(|error| frame.undecodable(error, self.log.evidence(frame.segment)))
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
