//! A read through a live log, frame by frame.

use std::sync::Arc;

use super::codec::decode_events;
use super::error::{Corruption, Fault, LogError, SealFault};
use super::format::FrameType;
use super::frame::FrameFault;
use super::live::{LiveLog, LiveSegment};
use super::parts::PayloadParts;
use super::reader::{Frame, FrameWalk, InParts, Step, StepError};
use super::segment::SegmentId;
use crate::event::{Event, Seq};

/// Reads frames in order, across segments, up to what is durable at the time of each call.
#[derive(Debug)]
pub struct FrameCursor {
    log: Arc<LiveLog>,
    place: Option<(Arc<LiveSegment>, FrameWalk)>,
    next: Seq,
    upto: Seq,
    /// Larger frames are read in parts.
    whole_bytes: u64,
}

impl FrameCursor {
    pub(super) fn new(log: Arc<LiveLog>, from: Seq, upto: Seq) -> FrameCursor {
        FrameCursor {
            log,
            place: None,
            next: from.max(Seq::FIRST),
            upto,
            whole_bytes: u64::MAX,
        }
    }

    /// Does not have payloads of frames in memory that are longer than this: those are in
    /// [`take_parts`](Self::take_parts), and not in [`payload`](Self::payload).
    pub(super) fn in_parts(mut self, whole_bytes: u64) -> FrameCursor {
        self.whole_bytes = whole_bytes;
        self
    }

    /// The payload of the frame that was given last, if it is read in parts.
    pub(super) fn take_parts(&mut self) -> Option<PayloadParts> {
        self.place.as_mut().and_then(|(_, walk)| walk.take_parts())
    }

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
                    let walk = walk.in_parts(InParts {
                        over_bytes: self.whole_bytes,
                        known: Arc::clone(&self.log.proven),
                    });
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
                // What stands on a bad sector in front of what is wanted is passed over.
                Err(StepError::Io(_)) if walk.pass_below(self.next) => continue,
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
            next: self.log.segment_behind(sealed).unwrap_or(sealed).0,
        };
        Err(Corruption {
            segment: sealed,
            offset,
            seq: due,
            fault: Fault::Seal(fault),
            evidence: self.log.evidence(sealed),
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
