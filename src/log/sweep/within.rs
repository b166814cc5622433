//! A sweep within one segment: frame by frame, and behind damage from the next valid header on.

mod ends;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use ends::Behind;

use super::candidates::flaw_of;
use super::found::{Damage, End, Flaw, Found, Lost, Missing};
use super::patient::PatientFile;
use crate::event::Seq;
use crate::log::error::{Evidence, Fault, LogError, SealFault};
use crate::log::format::{FrameType, HEADER_BYTES};
use crate::log::frame::FrameHeader;
use crate::log::header::FrameTable;
use crate::log::reader::{Frame, FrameWalk, Step};
use crate::log::segment::SegmentFile;
use crate::log::tail::{Tail, evidence};

/// How far a segment goes.
#[derive(Copy, Clone, Debug)]
pub(super) enum Bounds {
    /// A further one begins with this seq: all in this one was durable, and it ends with a seal.
    Further(Seq),
    /// It is the last one: the tail rule decides, with this watermark of the index.
    Tail(Option<Seq>),
    /// It is the last one, and its good frames are known to end here.
    Known(u64, Option<Seq>),
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum State {
    Going,
    /// The seal was given, and began here.
    Sealed(u64),
    Over,
}

/// A sweep over one segment.
#[derive(Debug)]
pub(super) struct SegmentSweep {
    segment: SegmentFile,
    walk: FrameWalk,
    file: Arc<PatientFile>,
    bounds: Bounds,
    state: State,
    queue: VecDeque<Found>,
    tail: Tail,
    unproven: VecDeque<(Seq, u64)>,
    /// Every frame from the first one on was good, so that the seal's table can be compared.
    is_whole: bool,
    /// Seqs before this one were in earlier segments; zero once one of its own was given.
    covered_below: Seq,
    /// Damaged stretches of which it was told that they cannot be read.
    told: Vec<Range<u64>>,
    /// Where it began.
    start: u64,
    is_sealed: bool,
    /// Of the last segment, once it is over.
    end: Option<End>,
}

impl SegmentSweep {
    /// Over a segment; `header_fault` is what is wrong with its header.
    pub(super) fn new(
        segment: SegmentFile,
        file: Arc<PatientFile>,
        bounds: Bounds,
        header_fault: Option<Flaw>,
    ) -> SegmentSweep {
        let walk = FrameWalk::of_file(&segment);
        let header_damage = header_fault.map(|flaw| {
            Found::Damage(Damage {
                segment: segment.id,
                offset: 0,
                end: HEADER_BYTES as u64,
                lost: Lost::none(segment.id.0),
                goes_on_at: Some(HEADER_BYTES as u64),
                flaw,
                evidence: Some(Evidence::Itself),
            })
        });
        SegmentSweep {
            tail: Tail::at_start_of(segment.id),
            walk,
            segment,
            file,
            bounds,
            state: State::Going,
            queue: header_damage.into_iter().collect(),
            unproven: VecDeque::new(),
            is_whole: true,
            covered_below: Seq::ZERO,
            told: Vec::new(),
            start: HEADER_BYTES as u64,
            is_sealed: false,
            end: None,
        }
    }

    /// Starts at the frame of this seq or a little before it, where the seal's or this table
    /// leads; at the segment's start where neither does, and false is given.
    pub(super) fn starting_near(
        &mut self,
        seq: Seq,
        table: Option<&FrameTable>,
    ) -> Result<bool, LogError> {
        let of_seal = match table {
            Some(_) => None,
            None => self.segment.seal()?.map(|seal| seal.table),
        };
        let place = table
            .or(of_seal.as_ref())
            .and_then(|table| table.floor(seq));
        if let Some((due, offset)) = place {
            self.start_at(due, offset);
        }
        Ok(place.is_some())
    }

    /// Starts at this place, which an earlier sweep came to.
    pub(super) fn start_at(&mut self, due: Seq, offset: u64) {
        self.walk.go_to(due, offset);
        self.is_whole = offset <= HEADER_BYTES as u64;
        self.start = offset;
        (self.tail.end, self.tail.due) = (offset, due);
        self.tail.unproven_from = offset;
        self.queue.clear();
    }

    /// The same, where all before it is known to have been durable.
    pub(super) fn start_behind_durable(&mut self, due: Seq, offset: u64) {
        self.start_at(due, offset);
        self.tail.proven = due.previous();
    }

    /// A frame's header between these offsets, if one stands there before a stretch of zeros.
    pub(super) fn header_between(
        &mut self,
        from: u64,
        end: u64,
    ) -> Result<Option<(u64, FrameHeader)>, LogError> {
        let found = self.walk.header_between(from, end);
        found.map_err(LogError::io("read", &self.segment.path))
    }

    /// Reads everything anew: a writer may be at work.
    pub(super) fn forget_window(&mut self) {
        self.walk.forget();
    }

    /// How long its file is.
    pub(super) fn file_bytes(&self) -> Result<u64, LogError> {
        self.segment.len_bytes()
    }

    /// Does not give frames again that earlier segments have.
    pub(super) fn covered_below(&mut self, due: Seq) {
        self.covered_below = due;
    }

    /// Which seq is due behind what was given last.
    pub(super) fn due(&self) -> Seq {
        match self.covered_below {
            Seq::ZERO => self.walk.due(),
            // Nothing of its own was given yet.
            covered => covered,
        }
    }

    /// Whether its seal was given.
    pub(super) fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Where the next frame is due.
    pub(super) fn offset(&self) -> u64 {
        self.walk.offset()
    }

    /// The walk, which has the payload.
    pub(super) fn walk(&self) -> &FrameWalk {
        &self.walk
    }

    /// Starts where what is known leads for this seq, and goes on noting where frames are.
    pub(super) fn know(&mut self, table: FrameTable, seq: Seq) {
        if let Some((due, offset)) = table.floor(seq) {
            self.start_at(due, offset);
        }
        self.is_whole = false;
        self.tail.table = table;
    }

    /// Where its frames are, as far as it came.
    pub(super) fn into_table(self) -> FrameTable {
        self.tail.table
    }

    /// How the last segment ended, and where its frames are.
    pub(super) fn into_end(self) -> Option<(End, FrameTable)> {
        Some((self.end?, self.tail.table))
    }

    /// What proves that its frames were durable.
    pub(super) fn evidence(&self) -> Evidence {
        match self.bounds {
            Bounds::Further(_) => Evidence::FurtherSegment,
            _ => Evidence::Itself,
        }
    }

    /// What comes next; none at the segment's end.
    pub(super) fn next(&mut self) -> Result<Option<Found>, LogError> {
        loop {
            if let Some(found) = self.queue.pop_front() {
                return Ok(Some(found));
            }
            match self.state {
                State::Over => return Ok(None),
                State::Sealed(offset) => self.behind_seal(offset)?,
                State::Going if self.is_at_known_end() => self.is_over(self.walk.offset()),
                State::Going => match self.walk.step() {
                    Ok(Step::Frame(frame)) => {
                        if let Some(found) = self.take(frame) {
                            return Ok(Some(found));
                        }
                    }
                    Ok(Step::Limit) => self.is_over(self.walk.offset()),
                    Ok(Step::Fault(fault)) => self.meet(fault)?,
                    Err(error) => return Err(self.walk.place(error, &self.segment.path)),
                },
            }
        }
    }

    fn is_at_known_end(&self) -> bool {
        matches!(self.bounds, Bounds::Known(end, _) if self.walk.offset() >= end)
    }

    fn take(&mut self, frame: Frame) -> Option<Found> {
        let header = &frame.header;
        if frame.frame_type == Some(FrameType::Seal) {
            let fits = FrameTable::decode_seal(self.walk.payload(), &self.segment.header)
                .is_some_and(|table| !self.is_whole || table == self.tail.table);
            self.state = State::Sealed(frame.offset);
            self.is_sealed = true;
            if !fits {
                let end = frame.offset + header.frame_bytes();
                let fault = Fault::Seal(SealFault::Misfit);
                let lost = Lost::none(header.first_seq);
                self.tell(
                    frame.offset..end,
                    lost,
                    Some(end),
                    fault,
                    Some(self.evidence()),
                );
            }
        }
        self.tail.take(&frame, &mut self.unproven);
        // Neither half of a frame: events of one batch belong together.
        let is_covered = self.covered_below > Seq::ZERO;
        if is_covered && (header.first_seq < self.covered_below || header.count == 0) {
            return None;
        }
        if is_covered && header.first_seq > self.covered_below {
            let lost = Lost {
                first: self.covered_below,
                next: header.first_seq,
                and_more: false,
            };
            let before = self.segment.id;
            self.covered_below = Seq::ZERO;
            self.queue.push_back(Found::Frame(frame));
            return Some(Found::Missing(Missing { before, lost }));
        }
        self.covered_below = Seq::ZERO;
        Some(Found::Frame(frame))
    }

    /// No frame is there, or one that does not belong there.
    fn meet(&mut self, fault: Fault) -> Result<(), LogError> {
        let (offset, due) = (self.walk.offset(), self.walk.due());
        let proof = match self.bounds {
            Bounds::Further(_) => Ok(Some(self.evidence())),
            Bounds::Tail(flushed) | Bounds::Known(_, flushed) => {
                evidence(&mut self.walk, &fault, flushed)
            }
        };
        let proof = proof.map_err(LogError::io("read", &self.segment.path))?;
        // For one who looks while a writer is at work: it may be there by now.
        self.walk.forget();
        if let Ok(Step::Frame(frame)) = self.walk.step() {
            self.walk.back_to(&frame);
            return Ok(());
        }
        if let (Bounds::Tail(_), None) = (self.bounds, proof) {
            return self.ends_torn(fault);
        }
        let looked = self.look_behind(&fault, offset, due);
        let Behind { end, header, own } =
            looked.map_err(LogError::io("read", &self.segment.path))?;
        if let Some(Evidence::LaterFrame { durable_up_to, .. }) = proof {
            self.tail.proven = self.tail.proven.max(durable_up_to);
        }
        self.is_whole = false;
        if let Some((at, header)) = header {
            let lost = Lost {
                first: due,
                next: header.first_seq,
                and_more: false,
            };
            self.tell(offset..at, lost, Some(at), fault, proof);
            self.walk.go_to(header.first_seq, at);
            return Ok(());
        }
        self.ends_damaged(fault, end, own, proof)
    }

    fn tell(
        &mut self,
        bytes: Range<u64>,
        lost: Lost,
        goes_on_at: Option<u64>,
        fault: Fault,
        evidence: Option<Evidence>,
    ) {
        // What earlier segments have is not lost.
        let first = lost.first.max(self.covered_below);
        let lost = Lost {
            first,
            next: lost.next.max(first),
            ..lost
        };
        if lost.count() > 0 && self.covered_below > Seq::ZERO {
            self.covered_below = lost.next;
        }
        let flaw = flaw_of(&self.file, bytes.clone(), fault);
        if matches!(flaw, Flaw::Unreadable { .. }) {
            self.told.push(bytes.clone());
        }
        self.queue.push_back(Found::Damage(Damage {
            segment: self.segment.id,
            offset: bytes.start,
            end: bytes.end,
            lost,
            goes_on_at,
            flaw,
            evidence,
        }));
    }
}
