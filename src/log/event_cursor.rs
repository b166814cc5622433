//! Single events of a live log by their seqs: in any order, cheapest upwards. Of a large frame
//! only the parts are read in which they lie.

use std::sync::Arc;

use super::codec::{CodecError, decode_event};
use super::cursor::FrameCursor;
use super::error::LogError;
use super::event_bounds::{Bounds, event_bounds, head_of_events};
use super::event_marks::EventMarks;
use super::format::FrameType;
use super::live::LiveLog;
use super::parts::{PartError, PayloadParts};
use super::reader::Frame;
use crate::event::{Event, Seq};

/// What is wanted of a log.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Most events, one after the other.
    InOrder,
    /// Some, here and there.
    Picking,
}

impl Reading {
    /// Larger frames are read in parts.
    const fn whole_bytes(self) -> u64 {
        match self {
            _ if cfg!(any(test, fuzzing)) => 512,
            Reading::InOrder => 256 * 1024,
            Reading::Picking => 32 * 1024,
        }
    }

    /// A seq that lies further ahead is looked up rather than walked to: each may be a frame.
    const fn walk_seqs(self) -> u64 {
        match self {
            Reading::InOrder => 1024,
            Reading::Picking => 64,
        }
    }

    /// How much to read at once of such a frame.
    const fn part_bytes(self) -> usize {
        match self {
            Reading::InOrder => 128 * 1024,
            Reading::Picking => 1,
        }
    }
}

/// Goes from event to event. Between two it holds no lock.
#[derive(Debug)]
pub struct EventCursor {
    log: Arc<LiveLog>,
    reading: Reading,
    /// The frame at hand.
    frame: Option<Frame>,
    within: Within,
}

/// Within the frame at hand.
#[derive(Debug, Default)]
struct Within {
    frames: Option<FrameCursor>,
    /// Its payload, if that is not with the cursor of frames.
    parts: Option<PayloadParts>,
    /// The number in the frame and the place in the payload of the event that comes next.
    next: (u32, usize),
    marks: EventMarks,
}

impl EventCursor {
    pub(super) fn new(log: Arc<LiveLog>, reading: Reading) -> EventCursor {
        EventCursor {
            log,
            reading,
            frame: None,
            within: Within::default(),
        }
    }

    /// The event with this seq, and when it was received (µs UTC); none if it is not durable or
    /// its frame is not of events.
    ///
    /// # Errors
    /// I/O errors and damage.
    pub fn event(&mut self, seq: Seq) -> Result<Option<(i64, Event<'_>)>, LogError> {
        let frame = match self.frame {
            Some(frame) if holds(&frame, seq) => frame,
            _ => match self.find(seq)? {
                Some(frame) => frame,
                None => return Ok(None),
            },
        };
        if frame.frame_type != Some(FrameType::Events) {
            return Ok(None);
        }
        let number = seq.since(frame.header.first_seq) as u32;
        let ahead = self.reading.part_bytes();
        match self.within.event(frame.header.count, number, ahead) {
            Ok(event) => Ok(Some((frame.header.received_at, event))),
            Err(fault) => Err(fault.of(&frame, &self.log)),
        }
    }

    /// Holds no memory in proportion to a frame until the next event is asked for.
    pub fn let_go(&mut self) {
        if let Some(parts) = &mut self.within.parts {
            parts.let_go();
        }
    }

    /// Has the frame with this seq at hand.
    fn find(&mut self, seq: Seq) -> Result<Option<Frame>, LogError> {
        self.within.leave();
        self.frame = None;
        let is_near = |frames: &FrameCursor| {
            let next = frames.next_seq();
            next <= seq && seq.since(next) < self.reading.walk_seqs()
        };
        let mut frames = match self.within.frames.take() {
            Some(frames) if is_near(&frames) => frames,
            _ => FrameCursor::new(Arc::clone(&self.log), seq, Seq::new(u64::MAX))
                .in_parts(self.reading.whole_bytes()),
        };
        while let Some(frame) = frames.next_frame()? {
            if holds(&frame, seq) {
                self.frame = Some(frame);
                self.within.begin(frame.header.count, &mut frames);
                break;
            }
        }
        self.within.frames = Some(frames);
        Ok(self.frame)
    }
}

impl Within {
    /// Begins with the frame of so many events that was given last.
    fn begin(&mut self, count: u32, frames: &mut FrameCursor) {
        self.parts = frames.take_parts();
        self.next = (0, 0);
        let known = self.parts.as_ref().map(|parts| parts.proven().marks());
        self.marks
            .begin(count, known.as_deref().map_or(&[], Vec::as_slice));
    }

    /// Leaves the frame at hand; where its events are stays known, if that took long to find.
    fn leave(&mut self) {
        if let Some(parts) = self.parts.take() {
            let mut known = parts.proven().marks();
            if known.len() < self.marks.offsets().len() {
                known.clear();
                known.extend_from_slice(self.marks.offsets());
            }
        }
    }

    /// The event with this number of so many; `ahead` is read at once of a frame in parts.
    fn event(&mut self, count: u32, number: u32, ahead: usize) -> Result<Event<'_>, Fault> {
        let len = self.walk_to(count, number, ahead)?;
        let at = self.next.1;
        self.next = (number + 1, at + len);
        let payload = Payload::at_hand(&mut self.parts, &self.frames);
        if number + 1 == count && at + len != payload.len() {
            return Err(CodecError::Trailing.into());
        }
        Ok(decode_event(&payload.into_part(at, len)?[..len])?)
    }

    /// Stands before the event with this number; gives its length.
    fn walk_to(&mut self, count: u32, number: u32, ahead: usize) -> Result<usize, Fault> {
        let Within {
            frames,
            parts,
            next,
            marks,
        } = self;
        let mut payload = Payload::at_hand(parts, frames);
        if let Some(mark) = marks.before(number)
            && (next.0 > number || next.0 < mark.0)
        {
            *next = mark;
        }
        let mut needed = ahead;
        loop {
            let part = payload.part(next.1, needed)?;
            let mut at = 0;
            let beyond = loop {
                // The first event comes behind the head of them all.
                let bounds = match next.1 + at {
                    0 => head_of_events(part, count)?,
                    _ => event_bounds(&part[at..]),
                };
                match bounds {
                    Bounds::Beyond(beyond) => break beyond,
                    Bounds::Whole(len) if next.1 + at == 0 => at = len,
                    Bounds::Whole(len) if next.0 == number => {
                        marks.note(number, next.1 + at);
                        next.1 += at;
                        return Ok(len);
                    }
                    Bounds::Whole(len) => {
                        marks.note(next.0, next.1 + at);
                        next.0 += 1;
                        at += len;
                    }
                }
            };
            next.1 += at;
            if beyond > payload.len() - next.1 {
                return Err(CodecError::Cut.into());
            }
            needed = beyond.max(ahead);
        }
    }
}

impl Drop for EventCursor {
    fn drop(&mut self) {
        self.within.leave();
    }
}

fn holds(frame: &Frame, seq: Seq) -> bool {
    frame.header.first_seq <= seq && seq < frame.header.next_seq()
}

/// The payload of the frame at hand.
enum Payload<'c> {
    Whole(&'c [u8]),
    Parts(&'c mut PayloadParts),
}

impl<'c> Payload<'c> {
    fn at_hand(
        parts: &'c mut Option<PayloadParts>,
        frames: &'c Option<FrameCursor>,
    ) -> Payload<'c> {
        match parts {
            Some(parts) => Payload::Parts(parts),
            None => Payload::Whole(frames.as_ref().map_or(&[], FrameCursor::payload)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Payload::Whole(bytes) => bytes.len(),
            Payload::Parts(parts) => parts.len(),
        }
    }

    /// As [`PayloadParts::part`].
    fn part(&mut self, from: usize, len: usize) -> Result<&[u8], PartError> {
        match self {
            Payload::Whole(bytes) => Ok(bytes.get(from..).unwrap_or_default()),
            Payload::Parts(parts) => parts.part(from, len),
        }
    }

    fn into_part(self, from: usize, len: usize) -> Result<&'c [u8], PartError> {
        match self {
            Payload::Whole(bytes) => Ok(bytes.get(from..).unwrap_or_default()),
            Payload::Parts(parts) => parts.part(from, len),
        }
    }
}

/// Why an event of a frame cannot be had.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Part(#[from] PartError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Fault {
    /// With its place.
    fn of(self, frame: &Frame, log: &LiveLog) -> LogError {
        match self {
            Fault::Codec(error) => frame.undecodable(error, log.evidence(frame.segment)),
            Fault::Part(PartError::Changed(fault)) => {
                frame.corrupt(fault.into(), log.evidence(frame.segment))
            }
            Fault::Part(PartError::Io(source)) => LogError::Unreadable {
                segment: frame.segment,
                path: log.dir().join(frame.segment.file_name()),
                offset: frame.offset,
                due: frame.header.first_seq,
                source,
            },
        }
    }
}
