//! A segment as a file: its name, its header, its bytes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Corruption, Evidence, Fault, LogError, SealFault};
use super::format::*;
use super::frame::{check_payload, decode_header};
use super::header::{FrameTable, HeaderFault, SegmentHeader};
use super::reader::ByteSource;
use super::storage::{Storage, StorageFile};
use crate::event::Seq;

/// A segment's name: its first seq.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub Seq);

impl SegmentId {
    /// The name of its file.
    pub fn file_name(self) -> String {
        format!("{:020}.seg", self.0.get())
    }

    /// The segment that a file of this name is. The first seq is 1, so none is named for zero.
    pub fn from_file_name(name: &str) -> Option<SegmentId> {
        let digits = name.strip_suffix(".seg")?;
        if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let first_seq = Seq::new(digits.parse().ok()?);
        (first_seq >= Seq::FIRST).then_some(SegmentId(first_seq))
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}", self.file_name())
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An opened segment whose header is good.
#[derive(Clone, Debug)]
pub struct SegmentFile {
    /// Its name.
    pub id: SegmentId,
    /// Where it is.
    pub path: PathBuf,
    /// Its header.
    pub header: SegmentHeader,
    /// Its bytes.
    pub file: Arc<dyn StorageFile>,
}

impl SegmentFile {
    /// Opens a segment for reading and checks its header.
    ///
    /// # Errors
    /// An I/O error, or [`Corruption`]: a segment gets its name only after its header was synced.
    pub fn open(storage: &dyn Storage, dir: &Path, id: SegmentId) -> Result<SegmentFile, LogError> {
        let path = dir.join(id.file_name());
        let file = storage.open(&path).map_err(LogError::io("open", &path))?;
        Self::of_file(file, path, id)
    }

    /// Opens a segment of this log.
    ///
    /// # Errors
    /// As [`SegmentFile::open`]; [`LogError::Foreign`] when it belongs to another log.
    pub fn open_of(
        storage: &dyn Storage,
        dir: &Path,
        id: SegmentId,
        log_id: LogId,
    ) -> Result<SegmentFile, LogError> {
        let segment = SegmentFile::open(storage, dir, id)?;
        if segment.header.log_id == log_id {
            return Ok(segment);
        }
        Err(LogError::Foreign {
            segment: id,
            found: segment.header.log_id,
            expected: log_id,
        })
    }

    /// That the log begins with this segment.
    ///
    /// # Errors
    /// [`Corruption`] when earlier ones are missing.
    pub(super) fn must_be_first(&self) -> Result<(), LogError> {
        if self.id.0 == Seq::FIRST {
            return Ok(());
        }
        let gap = SealFault::Gap {
            due: Seq::FIRST,
            next: self.id.0,
        };
        Err(self.seal_fault(gap, 0, Seq::FIRST))
    }

    /// The same for reading and writing.
    ///
    /// # Errors
    /// As [`SegmentFile::open`].
    pub fn open_rw(
        storage: &dyn Storage,
        dir: &Path,
        id: SegmentId,
    ) -> Result<SegmentFile, LogError> {
        let path = dir.join(id.file_name());
        let file = storage
            .open_rw(&path)
            .map_err(LogError::io("open", &path))?;
        Self::of_file(file, path, id)
    }

    /// The segment in an open file.
    ///
    /// # Errors
    /// As [`SegmentFile::open`].
    pub(super) fn of_file(
        file: Arc<dyn StorageFile>,
        path: PathBuf,
        id: SegmentId,
    ) -> Result<SegmentFile, LogError> {
        let mut bytes = [0; HEADER_BYTES];
        let count = file
            .read_at(&mut bytes, 0)
            .map_err(unreadable(id, &path, 0))?;
        let header = SegmentHeader::decode(&bytes[..count]).and_then(|header| {
            if header.first_seq == id.0 {
                Ok(header)
            } else {
                Err(HeaderFault::Misnamed {
                    name: id.0,
                    header: header.first_seq,
                })
            }
        });
        let newer = |what| LogError::Newer {
            segment: id,
            offset: 0,
            what,
        };
        match header {
            Ok(header) if header.fold_version > FOLD_VERSION => {
                Err(newer(format!("fold version {}", header.fold_version)))
            }
            Ok(header) => Ok(SegmentFile {
                id,
                path,
                header,
                file,
            }),
            Err(HeaderFault::Version(version)) => Err(newer(format!("format version {version}"))),
            Err(fault) => Err(Corruption {
                segment: id,
                offset: 0,
                seq: id.0,
                fault: fault.into(),
                evidence: Evidence::Itself,
            }
            .into()),
        }
    }

    /// Its bytes, read with `pread`.
    pub fn source(&self) -> ByteSource {
        self.file.clone()
    }

    /// Its length.
    ///
    /// # Errors
    /// An I/O error.
    pub fn len_bytes(&self) -> Result<u64, LogError> {
        self.file.len().map_err(LogError::io("measure", &self.path))
    }

    /// The seal that its last bytes lead to; none if they do not lead to a good one.
    ///
    /// # Errors
    /// An I/O error.
    pub fn seal(&self) -> Result<Option<Seal>, LogError> {
        let len = self.len_bytes()?;
        let mut trailer = [0; SEAL_TRAILER_BYTES];
        if len < HEADER_BYTES as u64 + seal_bytes(0) {
            return Ok(None);
        }
        let read = |buffer: &mut [u8], offset| {
            self.file
                .read_at(buffer, offset)
                .map_err(unreadable(self.id, &self.path, offset))
        };
        read(&mut trailer, len - SEAL_TRAILER_BYTES as u64)?;
        let offset = match FrameTable::seal_offset(&trailer) {
            Some(offset) if offset >= HEADER_BYTES as u64 && offset < len => offset,
            _ => return Ok(None),
        };
        if len - offset > seal_bytes(len as usize / SEAL_SPACING_BYTES as usize + 1) {
            return Ok(None);
        }
        let mut frame = vec![0; (len - offset) as usize];
        read(&mut frame, offset)?;
        Ok(self.seal_in(offset, &frame))
    }

    fn seal_in(&self, offset: u64, frame: &[u8]) -> Option<Seal> {
        let header = decode_header(&self.header, offset, frame).ok()?;
        if header.frame_type() != Some(FrameType::Seal)
            || header.frame_bytes() != frame.len() as u64
        {
            return None;
        }
        let payload = check_payload(&self.header, offset, &header, frame).ok()?;
        Some(Seal {
            offset,
            next_seq: header.first_seq,
            table: FrameTable::decode_seal(payload, &self.header)?,
        })
    }

    /// The seal, where one must be because a further segment follows.
    ///
    /// # Errors
    /// An I/O error, or [`Corruption`] when there is none.
    pub fn required_seal(&self) -> Result<Seal, LogError> {
        match self.seal()? {
            Some(seal) => Ok(seal),
            None => Err(self.seal_fault(SealFault::Missing, self.len_bytes()?, self.id.0)),
        }
    }

    pub(super) fn seal_fault(&self, fault: SealFault, offset: u64, seq: Seq) -> LogError {
        Corruption {
            segment: self.id,
            offset,
            seq,
            fault: Fault::Seal(fault),
            evidence: Evidence::FurtherSegment,
        }
        .into()
    }
}

/// What cannot be read of a segment, by a look that knows only its first seq.
fn unreadable(
    segment: SegmentId,
    path: &Path,
    offset: u64,
) -> impl FnOnce(std::io::Error) -> LogError {
    move |source| LogError::Unreadable {
        segment,
        path: path.to_owned(),
        offset,
        due: segment.0,
        source,
    }
}

/// The footer of a sealed segment.
#[derive(Clone, Debug)]
pub struct Seal {
    /// Where it starts.
    pub offset: u64,
    /// The seq that is due behind the segment.
    pub next_seq: Seq,
    /// Where some of its frames are.
    pub table: FrameTable,
}
