//! The one reader of frames: recovery, the server and every offline tool walk a segment
//! with it. It never writes.

mod search;

use std::io;
use std::sync::Arc;

use super::codec::CodecError;
use super::error::{Corruption, Evidence, Fault, LogError};
use super::event_marks::EventMarks;
use super::format::*;
use super::frame::{FrameFault, FrameHeader, check_payload, decode_header};
use super::header::SegmentHeader;
use super::parts::PayloadParts;
use super::proven::{ProvenFrames, check_in_parts};
use super::segment::{SegmentFile, SegmentId};
use super::storage::StorageFile;
use super::understood::understood;
use super::window::Window;
use crate::event::Seq;

/// Where a segment's bytes come from. They are read, and never mapped: a bad sector is an error
/// then, and not the end of the process.
pub type ByteSource = Arc<dyn StorageFile>;

/// A frame whose CRCs are right. Its payload is the walk's, until the next step.
#[derive(Copy, Clone, Debug)]
pub struct Frame {
    /// In which segment.
    pub segment: SegmentId,
    /// Where in it.
    pub offset: u64,
    /// Its header.
    pub header: FrameHeader,
    /// Its type; none for one that may be skipped and is not known.
    pub frame_type: Option<FrameType>,
}

impl Frame {
    /// Its payload as damage.
    pub(super) fn corrupt(&self, fault: Fault, evidence: Evidence) -> LogError {
        Corruption {
            segment: self.segment,
            offset: self.offset,
            seq: self.header.first_seq,
            fault,
            evidence,
        }
        .into()
    }

    /// Its payload as damage, or as a later version's.
    pub fn undecodable(&self, error: CodecError, evidence: Evidence) -> LogError {
        if matches!(
            error,
            CodecError::UnknownKind(_) | CodecError::UnknownVerdict(_)
        ) {
            return LogError::Newer {
                segment: self.segment,
                offset: self.offset,
                what: error.to_string(),
            };
        }
        self.corrupt(error.into(), evidence)
    }
}

/// What stands at the next place of a walk.
#[derive(Debug)]
pub enum Step {
    /// A good frame that continues the chain.
    Frame(Frame),
    /// The limit of the walk was reached.
    Limit,
    /// Anything else.
    Fault(Fault),
}

/// A walk over the frames of one segment, front to back.
#[derive(Debug)]
pub struct FrameWalk {
    id: SegmentId,
    pub(super) header: SegmentHeader,
    source: ByteSource,
    window: Window,
    offset: u64,
    due: Seq,
    limit: u64,
    payload: (u64, usize),
    in_parts: Option<InParts>,
    parts: Option<PayloadParts>,
}

/// How large frames are read, where not as a whole.
#[derive(Clone, Debug)]
pub(super) struct InParts {
    /// Those that are larger than this.
    pub(super) over_bytes: u64,
    /// What is known of such frames.
    pub(super) known: Arc<ProvenFrames>,
}

impl FrameWalk {
    /// A walk over a whole segment.
    pub fn new(id: SegmentId, header: SegmentHeader, source: ByteSource) -> FrameWalk {
        FrameWalk {
            id,
            header,
            source,
            window: Window::default(),
            offset: HEADER_BYTES as u64,
            due: header.first_seq,
            limit: u64::MAX,
            payload: (0, 0),
            in_parts: None,
            parts: None,
        }
    }

    /// Does not have the payloads of large frames in memory: they are in
    /// [`take_parts`](Self::take_parts) then, and not in [`payload`](Self::payload).
    pub(super) fn in_parts(mut self, in_parts: InParts) -> FrameWalk {
        self.in_parts = Some(in_parts);
        self
    }

    /// A walk over a segment's file with `pread`.
    pub fn of_file(segment: &SegmentFile) -> FrameWalk {
        FrameWalk::new(segment.id, segment.header, segment.source())
    }

    /// Starts at a frame that is known to stand at this offset.
    pub fn starting_at(mut self, due: Seq, offset: u64) -> FrameWalk {
        (self.due, self.offset) = (due, offset);
        self
    }

    /// Reads nothing at this offset or behind it, though more may be there.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// In which segment it walks.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// Where the next frame is due.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Which seq is due there.
    pub fn due(&self) -> Seq {
        self.due
    }

    /// Takes the next step. After a fault the walk stays where it is.
    ///
    /// # Errors
    /// An I/O error, or a frame that only a later version understands.
    pub fn step(&mut self) -> Result<Step, StepError> {
        let offset = self.offset;
        if offset >= self.limit {
            return Ok(Step::Limit);
        }
        let head = self
            .window
            .view(&self.source, offset, HEADER_BYTES, self.limit)?;
        let header = match decode_header(&self.header, offset, head) {
            Ok(header) => header,
            Err(fault) => return Ok(Step::Fault(fault.into())),
        };
        let frame_type = header.frame_type();
        understood(&header).map_err(StepError::Newer)?;
        let head = *head.first_chunk().expect("a header was decoded from it");
        if let Err(fault) = self.check(offset, &header, &head)? {
            return Ok(Step::Fault(fault.into()));
        }
        if header.first_seq != self.due {
            return Ok(Step::Fault(Fault::Chain {
                found: header.first_seq,
            }));
        }
        if header.durable_up_to >= header.first_seq {
            return Ok(Step::Fault(Fault::DurableAhead {
                durable_up_to: header.durable_up_to,
            }));
        }
        if frame_type.is_some_and(|known| !known.counts().contains(&header.count)) {
            return Ok(Step::Fault(Fault::SeqCount {
                found: header.count,
            }));
        }
        let bare = matches!(frame_type, Some(FrameType::Mark | FrameType::Hole));
        if bare && header.payload_bytes > 0 {
            return Ok(Step::Fault(Fault::UnexpectedPayload));
        }
        self.offset += header.frame_bytes();
        self.due = header.next_seq();
        self.payload = match &self.parts {
            None => (offset + HEADER_BYTES as u64, header.payload_bytes as usize),
            Some(_) => (0, 0),
        };
        Ok(Step::Frame(Frame {
            segment: self.id,
            offset,
            header,
            frame_type,
        }))
    }

    /// Goes past the frame that stands here, of which only the header is read, if all its seqs come
    /// before this one. False where it does not.
    pub(super) fn pass_below(&mut self, seq: Seq) -> bool {
        let offset = self.offset;
        let head = self
            .window
            .view(&self.source, offset, HEADER_BYTES, self.limit);
        let header = head
            .ok()
            .and_then(|head| decode_header(&self.header, offset, head).ok());
        match header.filter(|header| header.first_seq == self.due && header.next_seq() <= seq) {
            Some(header) if offset + header.frame_bytes() <= self.limit => {
                self.go_to(header.next_seq(), offset + header.frame_bytes());
                true
            }
            _ => false,
        }
    }

    /// Checks a payload, large ones in parts.
    fn check(
        &mut self,
        offset: u64,
        header: &FrameHeader,
        head: &[u8; HEADER_BYTES],
    ) -> io::Result<Result<(), FrameFault>> {
        self.parts = None;
        let whole = header.frame_bytes();
        let in_parts = match &self.in_parts {
            Some(in_parts) if whole > in_parts.over_bytes => in_parts,
            _ => {
                let len = whole as usize;
                let bytes = self.window.view(&self.source, offset, len, self.limit)?;
                return Ok(check_payload(&self.header, offset, header, bytes).map(|_| ()));
            }
        };
        if offset + whole > self.limit {
            return Ok(Err(FrameFault::PayloadCut));
        }
        let proven = match in_parts.known.get(self.id, offset, header) {
            Some(proven) => proven,
            None => match check_in_parts(&self.header, &self.source, offset, header, head)? {
                Ok(proven) => {
                    let proven = Arc::new(proven);
                    let marks = EventMarks::most(header.count);
                    in_parts.known.keep(self.id, offset, &proven, marks);
                    proven
                }
                Err(fault) => return Ok(Err(fault)),
            },
        };
        self.parts = Some(PayloadParts::new(
            self.source.clone(),
            offset,
            header,
            proven,
        ));
        Ok(Ok(()))
    }

    /// The payload of the frame that the last step gave, if it is read in parts.
    pub(super) fn take_parts(&mut self) -> Option<PayloadParts> {
        self.parts.take()
    }

    /// The payload of the frame that the last step gave, without the padding; empty if the
    /// walk did anything else since.
    pub fn payload(&self) -> &[u8] {
        let (offset, len) = self.payload;
        self.window.seen(offset, len)
    }

    /// Reads everything anew from here on.
    pub fn forget(&mut self) {
        self.window = Window::default();
        self.payload = (0, 0);
        self.parts = None;
    }

    /// Stands before a frame again that a step has given.
    pub fn back_to(&mut self, frame: &Frame) {
        self.offset = frame.offset;
        self.due = frame.header.first_seq;
    }

    /// Stands where a frame with this seq is due.
    pub(super) fn go_to(&mut self, due: Seq, offset: u64) {
        (self.due, self.offset) = (due, offset);
    }

    /// The header of the frame that the last step gave, as it stands in the file.
    pub fn head(&self, frame: &Frame) -> &[u8] {
        self.window.seen(frame.offset, HEADER_BYTES)
    }

    /// Where this walk stands as damage.
    pub fn corruption(&self, fault: Fault, evidence: Evidence) -> LogError {
        Corruption {
            segment: self.id,
            offset: self.offset,
            seq: self.due,
            fault,
            evidence,
        }
        .into()
    }

    /// A step's error with its place.
    pub fn place(&self, error: StepError, path: &std::path::Path) -> LogError {
        match error {
            StepError::Io(source) => LogError::Unreadable {
                segment: self.id,
                path: path.to_owned(),
                offset: self.offset,
                due: self.due,
                source,
            },
            StepError::Newer(what) => LogError::Newer {
                segment: self.id,
                offset: self.offset,
                what,
            },
        }
    }
}

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The bytes could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A later version wrote this.
    #[error("{0} is not known")]
    Newer(String),
}

/// Whether a fault says that nothing was written at that place.
pub fn nothing_there(fault: &Fault) -> bool {
    matches!(fault, Fault::Frame(FrameFault::Nothing))
}
