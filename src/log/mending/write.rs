//! A new segment: written under a temporary name, read back, and held against what it is made from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::plan::{NewSegment, Piece, Source};
use crate::log::error::{Evidence, Fault, LogError};
use crate::log::format::*;
use crate::log::frame::{FrameHeader, PreparedPayload, encode_frame};
use crate::log::header::{FrameTable, SegmentHeader};
use crate::log::reader::{FrameWalk, Step};
use crate::log::recovery::encode_seal_frame;
use crate::log::segment::SegmentFile;
use crate::log::storage::{Storage, StorageFile};
use crate::log::survey::check_sealed;
use crate::log::sweep::open_patiently;
use crate::log::writer::random;

/// How much is written at a time, about.
const WRITE_BYTES: usize = if cfg!(test) { 256 } else { 1 << 20 };

/// Takes a frame's header and payload.
type Visit<'v> = &'v mut dyn FnMut(&FrameHeader, &[u8]) -> Result<(), LogError>;

/// What all new segments have in common.
pub(super) struct Writing<'w> {
    pub(super) storage: &'w dyn Storage,
    pub(super) dir: &'w Path,
    pub(super) log_id: LogId,
    /// µs UTC.
    pub(super) now: i64,
}

impl Writing<'_> {
    /// Writes a segment, syncs it, and reads it back. Gives its temporary name.
    ///
    /// # Errors
    /// I/O errors; damage, when the old file is not as it was when that was planned, or the new
    /// one not as it was written. Nothing is left then.
    pub(super) fn write(&self, new: &NewSegment) -> Result<PathBuf, LogError> {
        let (temp, file) = self
            .storage
            .create_temp(self.dir)
            .map_err(LogError::io("create a file in", self.dir))?;
        let written = self
            .fill(new, &temp, file)
            .and_then(|()| self.check(new, &temp));
        if let Err(error) = written {
            // The name is temporary: if this fails too, the next start removes it.
            let _ = self.storage.remove(&temp);
            return Err(error);
        }
        Ok(temp)
    }

    fn fill(
        &self,
        new: &NewSegment,
        temp: &Path,
        file: Arc<dyn StorageFile>,
    ) -> Result<(), LogError> {
        let old = self.old(new)?;
        let old_header = old.as_ref().map(|old| old.header);
        let segment = SegmentFile {
            id: new.id,
            path: temp.to_owned(),
            header: SegmentHeader {
                fold_version: old_header.map_or(FOLD_VERSION, |old| old.fold_version),
                log_id: self.log_id,
                first_seq: new.id.0,
                salt: random(),
                made_at: old_header.map_or(self.now, |old| old.made_at),
            },
            file,
        };
        let mut out = Output {
            segment: &segment,
            bytes: segment.header.encode().to_vec(),
            written: 0,
        };
        let mut table = FrameTable::default();
        self.frames(new, old.as_ref(), &mut |header, payload| {
            if header.count > 0 {
                table.note(header.first_seq, out.offset());
            }
            out.frame(*header, payload)
        })?;
        let (at, next) = (out.offset(), new.next());
        encode_seal_frame(&segment, &table, at, next, self.now, &mut out.bytes);
        out.flush()?;
        segment.file.sync_data().map_err(LogError::io("sync", temp))
    }

    /// Whether each frame of the new segment is what it is to be, and its seal leads to them.
    fn check(&self, new: &NewSegment, temp: &Path) -> Result<(), LogError> {
        let file = self
            .storage
            .open(temp)
            .map_err(LogError::io("open", temp))?;
        let segment = SegmentFile::of_file(file, temp.to_owned(), new.id)?;
        let old = self.old(new)?;
        let mut walk = FrameWalk::of_file(&segment);
        self.frames(
            new,
            old.as_ref(),
            &mut |expected, payload| match walk.step() {
                Ok(Step::Frame(frame)) => {
                    let header = FrameHeader {
                        payload_crc: expected.payload_crc,
                        ..frame.header
                    };
                    if header == *expected && walk.payload() == payload {
                        return Ok(());
                    }
                    walk.back_to(&frame);
                    let found = Fault::Chain {
                        found: header.first_seq,
                    };
                    Err(walk.corruption(found, Evidence::Synced))
                }
                Ok(Step::Fault(fault)) => Err(walk.corruption(fault, Evidence::Synced)),
                Ok(Step::Limit) => unreachable!("a walk without limit"),
                Err(error) => Err(walk.place(error, temp)),
            },
        )?;
        check_sealed(&segment)
    }

    fn old(&self, new: &NewSegment) -> Result<Option<SegmentFile>, LogError> {
        let Some(Source { path, id }) = &new.source else {
            return Ok(None);
        };
        open_patiently(self.storage, path, *id).map(Some)
    }

    /// Gives the headers and payloads of a new segment's frames, in order. None says that less was
    /// durable than one before it.
    fn frames(
        &self,
        new: &NewSegment,
        old: Option<&SegmentFile>,
        visit: Visit<'_>,
    ) -> Result<(), LogError> {
        let mut durable = new.id.0.previous();
        for piece in &new.pieces {
            match (*piece, old) {
                (Piece::Hole { first, next }, _) => {
                    let mut first = first;
                    while first < next {
                        let count = u32::try_from(next.since(first)).unwrap_or(u32::MAX);
                        let header = FrameHeader {
                            count,
                            received_at: self.now,
                            durable_up_to: durable,
                            ..FrameHeader::without_seqs(FrameType::Hole, first)
                        };
                        visit(&header, &[])?;
                        first = header.next_seq();
                    }
                }
                (
                    Piece::Kept {
                        offset,
                        end,
                        first,
                        next,
                    },
                    Some(old),
                ) => {
                    let mut walk = FrameWalk::of_file(old).starting_at(first, offset);
                    while walk.offset() < end {
                        let frame = match walk.step() {
                            Ok(Step::Frame(frame)) => frame,
                            Ok(Step::Fault(fault)) => {
                                return Err(walk.corruption(fault, Evidence::Itself));
                            }
                            Ok(Step::Limit) => unreachable!("a walk without limit"),
                            Err(error) => return Err(walk.place(error, &old.path)),
                        };
                        durable = durable.max(frame.header.durable_up_to);
                        let header = FrameHeader {
                            durable_up_to: durable,
                            ..frame.header
                        };
                        visit(&header, walk.payload())?;
                    }
                    debug_assert_eq!((walk.offset(), walk.due()), (end, next));
                }
                (Piece::Kept { .. }, None) => unreachable!("what is kept stands in a file"),
            }
        }
        Ok(())
    }
}

/// The bytes of a new segment on their way to its file.
struct Output<'o> {
    segment: &'o SegmentFile,
    bytes: Vec<u8>,
    written: u64,
}

impl Output<'_> {
    fn offset(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }

    fn frame(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), LogError> {
        let payload = PreparedPayload::new(payload.to_vec());
        let at = self.offset();
        encode_frame(&self.segment.header, at, header, &payload, &mut self.bytes);
        match self.bytes.len() < WRITE_BYTES {
            true => Ok(()),
            false => self.flush(),
        }
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let SegmentFile { file, path, .. } = self.segment;
        file.write_at(&self.bytes, self.written)
            .map_err(LogError::io("write", path))?;
        self.written += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }
}
