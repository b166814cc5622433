//! One segment of a plan, while the log is read.

use std::path::Path;

use super::plan::{NewSegment, Piece, Source};
use crate::event::Seq;
use crate::log::format::FrameType;
use crate::log::reader::Frame;
use crate::log::segment::SegmentId;
use crate::log::sweep::Lost;

/// What becomes of a segment.
#[derive(Debug)]
pub(super) struct Draft {
    /// The file that is read; none where there is none.
    file: Option<SegmentId>,
    /// Its first seq: not its name's where earlier segments have that too.
    first: Seq,
    pieces: Vec<Piece>,
    /// It cannot stay as it is.
    is_damaged: bool,
}

impl Draft {
    /// Of this file, whose first seq that no earlier segment has is this one.
    pub(super) fn of(file: SegmentId, first: Seq) -> Draft {
        Draft {
            file: Some(file),
            first,
            pieces: Vec::new(),
            is_damaged: false,
        }
    }

    /// A segment that is only a hole.
    pub(super) fn hole(first: Seq, next: Seq) -> Draft {
        Draft {
            file: None,
            first,
            pieces: vec![Piece::Hole { first, next }],
            is_damaged: true,
        }
    }

    /// The file that is read.
    pub(super) fn file(&self) -> Option<SegmentId> {
        self.file
    }

    /// A good frame. The seal is made anew.
    pub(super) fn keep(&mut self, frame: &Frame) {
        if frame.frame_type == Some(FrameType::Seal) {
            return;
        }
        let header = &frame.header;
        let frame_end = frame.offset + header.frame_bytes();
        match self.pieces.last_mut() {
            Some(Piece::Kept { end, next, .. })
                if *end == frame.offset && *next == header.first_seq =>
            {
                (*end, *next) = (frame_end, header.next_seq());
            }
            _ => self.pieces.push(Piece::Kept {
                offset: frame.offset,
                end: frame_end,
                first: header.first_seq,
                next: header.next_seq(),
            }),
        }
    }

    /// Something is wrong with it, and these seqs are lost.
    pub(super) fn damaged(&mut self, lost: Lost) {
        self.is_damaged = true;
        if lost.count() == 0 {
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Hole { next, .. }) if *next == lost.first => *next = lost.next,
            _ => self.pieces.push(Piece::Hole {
                first: lost.first,
                next: lost.next,
            }),
        }
    }

    /// Its file, if that is not to stay.
    pub(super) fn file_set_aside(&self) -> Option<SegmentId> {
        self.file.filter(|_| self.is_damaged)
    }

    /// The new segment; none if the old one may stay, or if nothing in it is needed.
    pub(super) fn into_new(self, dir: &Path) -> Option<NewSegment> {
        let next = self.pieces.last().map_or(self.first, Piece::next);
        if !self.is_damaged || next == self.first {
            return None;
        }
        let is_kept = |piece: &Piece| matches!(piece, Piece::Kept { .. });
        let file = self.file.filter(|_| self.pieces.iter().any(is_kept));
        Some(NewSegment {
            id: SegmentId(self.first),
            source: file.map(|id| Source {
                path: dir.join(id.file_name()),
                id,
            }),
            pieces: self.pieces,
        })
    }
}
