//! A sweep within one segment: frame by frame, and behind damage from the next valid header on.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::candidates::flaw_of;
use super::found::{Damage, End, Flaw, Found, Lost, Missing, Torn};
use super::patient::PatientFile;
use crate::event::Seq;
use crate::log::error::{Evidence, Fault, LogError, SealFault};
use crate::log::format::{FRAME_ALIGN_BYTES, FrameType, HEADER_BYTES, aligned};
use crate::log::frame::FrameHeader;
use crate::log::header::FrameTable;
use crate::log::reader::{Frame, FrameWalk, Step, nothing_there};
use crate::log::segment::SegmentFile;
use crate::log::tail::{Ending, Tail, evidence};

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
    /// Seqs before this one were in earlier segments.
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
    /// leads; at the segment's start where neither does.
    pub(super) fn starting_near(
        &mut self,
        seq: Seq,
        table: Option<&FrameTable>,
    ) -> Result<(), LogError> {
        let of_seal = match table {
            Some(_) => None,
            None => self.segment.seal()?.map(|seal| seal.table),
        };
        if let Some((due, offset)) = table
            .or(of_seal.as_ref())
            .and_then(|table| table.floor(seq))
        {
            self.start_at(due, offset);
        }
        Ok(())
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

    /// Does not give frames again that earlier segments have.
    pub(super) fn covered_below(&mut self, due: Seq) {
        self.covered_below = due;
    }

    /// Which seq is due behind what was given last.
    pub(super) fn due(&self) -> Seq {
        self.walk.due().max(self.covered_below)
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
        if header.next_seq() <= self.covered_below && header.count > 0 {
            return None;
        }
        if header.count > 0
            && header.first_seq > self.covered_below
            && self.covered_below > self.segment.id.0
        {
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
        if header.count > 0 {
            self.covered_below = Seq::ZERO;
        }
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

    /// Nothing behind a damaged place continues the chain.
    fn ends_damaged(
        &mut self,
        fault: Fault,
        end: u64,
        own: Option<FrameHeader>,
        proof: Option<Evidence>,
    ) -> Result<(), LogError> {
        let (offset, due) = (self.walk.offset(), self.walk.due());
        let own_next = own.map_or(due, |own| own.next_seq()).max(due);
        let next = match (self.bounds, proof) {
            (Bounds::Further(next), _) => next.max(due),
            (_, Some(Evidence::Index { flushed })) => own_next.max(flushed.next()),
            _ => own_next,
        };
        if let (Bounds::Tail(_), Some(Evidence::Index { flushed })) = (self.bounds, proof)
            && end == offset
        {
            // No damaged bytes: they are gone.
            self.is_over(offset);
            self.finish(Ending::Open, None, Some(flushed));
            return Ok(());
        }
        let is_bare_end = matches!(self.bounds, Bounds::Further(_)) && nothing_there(&fault);
        let fault = match is_bare_end && self.is_zero_from(offset)? {
            true => Fault::Seal(SealFault::Missing),
            false => fault,
        };
        let lost = Lost {
            first: due,
            next,
            and_more: !matches!(self.bounds, Bounds::Further(_)),
        };
        self.tell(offset..end, lost, None, fault, proof);
        self.is_over(end);
        self.walk.go_to(next, offset);
        self.finish(Ending::Open, None, None);
        Ok(())
    }

    fn is_zero_from(&mut self, offset: u64) -> Result<bool, LogError> {
        let end = self.walk.end_of_bytes(offset);
        Ok(end.map_err(LogError::io("read", &self.segment.path))? == offset)
    }

    /// Where the chain may go on behind a damaged place.
    fn look_behind(&mut self, fault: &Fault, offset: u64, due: Seq) -> std::io::Result<Behind> {
        let next_segment = match self.bounds {
            Bounds::Further(next) => next,
            _ => Seq::new(u64::MAX),
        };
        let continues =
            |header: &FrameHeader| header.first_seq >= due && header.first_seq <= next_segment;
        let own = self.walk.next_header(offset)?;
        let own = own.filter(|(at, _)| *at == offset).map(|(_, own)| own);
        let mut from = match (&own, fault) {
            (Some(own), Fault::Chain { .. }) if continues(own) => offset,
            // Damage in a payload is skipped by the length that its header tells.
            (Some(own), _) => offset + own.frame_bytes(),
            (None, _) => offset + FRAME_ALIGN_BYTES,
        };
        while let Some((at, header)) = self.walk.next_header(from)? {
            if continues(&header) {
                return Ok(Behind {
                    end: at,
                    header: Some((at, header)),
                    own,
                });
            }
            from = at + header.frame_bytes();
        }
        let len = self.file_len()?.max(offset);
        let own_end = own.map_or(offset, |own| offset + own.frame_bytes());
        let end = match self.bounds {
            Bounds::Further(_) => len,
            _ => aligned(self.walk.end_of_bytes(offset)?)
                .max(own_end)
                .min(len),
        };
        Ok(Behind {
            end,
            header: None,
            own,
        })
    }

    fn file_len(&self) -> std::io::Result<u64> {
        self.segment.file.len()
    }

    /// The tail rule says: what follows is torn, or nothing.
    fn ends_torn(&mut self, fault: Fault) -> Result<(), LogError> {
        let offset = self.walk.offset();
        let io = LogError::io("read", &self.segment.path);
        let bytes_end = self.walk.end_of_bytes(offset).map_err(io)?;
        let torn = (bytes_end > offset).then(|| Torn {
            end: bytes_end,
            fault: Arc::new(fault),
        });
        let ending = match torn {
            Some(_) => Ending::Open,
            None => self.tail.ending,
        };
        self.is_over(offset);
        self.finish(ending, torn, None);
        Ok(())
    }

    /// Nothing may stand behind a seal; behind the last one, only zeros.
    fn behind_seal(&mut self, seal_at: u64) -> Result<(), LogError> {
        let io = || LogError::io("read", &self.segment.path);
        let offset = self.walk.offset();
        let end = match self.bounds {
            Bounds::Further(_) => self.file_len().map_err(io())?,
            Bounds::Tail(_) => self.walk.end_of_bytes(offset).map_err(io())?,
            Bounds::Known(..) => offset,
        };
        if end > offset {
            let fault = Fault::Seal(SealFault::Trailing);
            let lost = Lost::none(self.walk.due());
            self.tell(
                offset..end,
                lost,
                None,
                fault,
                Some(Evidence::CleanEnd { offset: seal_at }),
            );
        }
        self.is_over(end);
        let behind = match self.bounds {
            Bounds::Tail(flushed) => flushed.filter(|flushed| *flushed >= self.walk.due()),
            _ => None,
        };
        self.finish(Ending::Sealed, None, behind);
        Ok(())
    }

    /// It is over; what could not be read and was in no damaged frame is told now.
    fn is_over(&mut self, at: u64) {
        self.state = State::Over;
        let limit = match self.bounds {
            Bounds::Known(end, _) => end,
            _ => u64::MAX,
        };
        let due = self.walk.due();
        for unreadable in self.file.unreadable(self.start..limit) {
            let bytes = unreadable.bytes;
            let meets = |told: &Range<u64>| told.start < bytes.end && bytes.start < told.end;
            if self.told.iter().any(meets) {
                continue;
            }
            let is_tail = bytes.start >= at && matches!(self.bounds, Bounds::Tail(_));
            self.queue.push_back(Found::Damage(Damage {
                segment: self.segment.id,
                offset: bytes.start,
                end: bytes.end,
                lost: Lost {
                    and_more: is_tail,
                    ..Lost::none(due)
                },
                goes_on_at: None,
                flaw: Flaw::Unreadable {
                    offset: bytes.start,
                    end: bytes.end,
                    error: unreadable.error,
                },
                evidence: (!is_tail).then_some(self.evidence()),
            }));
        }
    }

    fn finish(&mut self, ending: Ending, torn: Option<Torn>, behind_index: Option<Seq>) {
        let due = self.walk.due();
        let proven = match ending {
            Ending::Sealed | Ending::CleanStop => due.previous(),
            Ending::Open => self.tail.proven.min(due.previous()),
        };
        self.end = Some(End {
            segment: Some(self.segment.id),
            ending,
            offset: self.walk.offset(),
            due,
            proven,
            unproven_from: self.tail.unproven_from,
            torn,
            behind_index,
        });
    }

    fn tell(
        &mut self,
        bytes: Range<u64>,
        lost: Lost,
        goes_on_at: Option<u64>,
        fault: Fault,
        evidence: Option<Evidence>,
    ) {
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

/// What stands behind a damaged place.
struct Behind {
    /// Where the damage ends.
    end: u64,
    /// The header at which the chain goes on.
    header: Option<(u64, FrameHeader)>,
    /// The damaged frame's own header, if that is good.
    own: Option<FrameHeader>,
}
