//! The first half of a walk over events: frame after frame out of the log, decoded and judged. It
//! works ahead of who shows them, on a thread of its own.

use std::sync::mpsc::{SendError, SyncSender};

use self_cell::self_cell;

use super::error::InspectError;
use super::verdicts::{Listener, TELL_EACH_SEQS, Verdicts};
use super::wanted::Wanted;
use crate::event::Event;
use crate::index::fold::Judged;
use crate::log::codec::{CodecError, decode_erased, decode_events};
use crate::log::format::FrameType;
use crate::log::reader::Frame;
use crate::log::sweep::{End, Found, Lost, Sweep};

/// So many bytes of payloads are handed on together, unless one frame has more.
const BLOCK_BYTES: usize = 256 * 1024;
/// What a frame takes beside its payload, about: a block of small ones has its end too.
const FRAME_BYTES: usize = 512;

/// What is met on the way, in order.
#[derive(Debug)]
pub(super) enum Met {
    /// A frame of which something may be wanted.
    Frame(Box<JudgedFrame>),
    /// What is wrong with the log here.
    Wrong(Found),
    /// How the log ends.
    End(End),
}

/// A frame with its verdicts, apart from the sweep that gave it.
#[derive(Debug)]
pub(super) struct JudgedFrame {
    /// Where it stands.
    pub(super) frame: Frame,
    /// Whether anything proves that it was durable.
    pub(super) is_proven: bool,
    /// One for each event; none for a hole.
    pub(super) judged: Vec<Judged>,
    /// What is in it.
    pub(super) content: FrameContent,
}

self_cell! {
    /// A payload with what it was decoded to.
    pub(super) struct FrameContent {
        owner: Vec<u8>,
        #[covariant]
        dependent: Content,
    }

    impl {Debug}
}

/// What a payload was decoded to.
#[derive(Debug)]
pub(super) enum Content<'p> {
    /// Its events.
    Events(Vec<Event<'p>>),
    /// The topics of events whose payloads were dropped.
    Erased(Vec<&'p str>),
    /// Nothing: the frame says it all.
    Hole,
}

impl Content<'_> {
    fn of(frame: &Frame, payload: &[u8]) -> Result<FrameContent, CodecError> {
        let count = frame.header.count;
        FrameContent::try_new(payload.to_vec(), |payload| match frame.frame_type {
            Some(FrameType::Events) => Ok(Content::Events(decode_events(payload, count)?)),
            Some(FrameType::Erased) => {
                let erased = decode_erased(payload, count)?;
                let name = |topic: u32| erased.topics.get(topic as usize).copied();
                let topics = erased.events.iter().map(|event| name(event.topic));
                Ok(Content::Erased(
                    topics.map(Option::unwrap_or_default).collect(),
                ))
            }
            _ => Ok(Content::Hole),
        })
    }

    fn events(&self) -> &[Event<'_>] {
        match self {
            Content::Events(events) => events,
            Content::Erased(_) | Content::Hole => &[],
        }
    }
}

/// Judges what a sweep gives.
pub(super) struct Judging<'w> {
    pub(super) sweep: &'w mut Sweep,
    pub(super) wanted: &'w Wanted,
    pub(super) verdicts: &'w mut Verdicts,
    pub(super) listener: &'w mut (dyn Listener + Send),
    pub(super) blocks: Blocks,
}

/// Why it ends before its end.
enum Ended {
    Failed(InspectError),
    /// Nobody wants more.
    NotWanted,
}

impl<E: Into<InspectError>> From<E> for Ended {
    fn from(error: E) -> Ended {
        Ended::Failed(error.into())
    }
}

impl Judging<'_> {
    /// Hands on all of it, up to the last that is wanted.
    ///
    /// # Errors
    /// Those of the log and of the fold; what came before was handed on.
    pub(super) fn run(mut self) -> Result<(), InspectError> {
        let ended = self.walk();
        match ended.and(self.blocks.hand_on()) {
            Ok(()) | Err(Ended::NotWanted) => Ok(()),
            Err(Ended::Failed(error)) => Err(error),
        }
    }

    fn walk(&mut self) -> Result<(), Ended> {
        let last = self.sweep.end().due.previous().min(self.wanted.to);
        let mut tell_at = self.wanted.from;
        while let Some(found) = self.sweep.next()? {
            let lost = match &found {
                Found::Frame(frame) if frame.header.first_seq > self.wanted.to => {
                    return self.end();
                }
                Found::Frame(frame) if frame.header.count > 0 => {
                    self.frame(frame)?;
                    if frame.header.first_seq >= tell_at {
                        tell_at = frame.header.first_seq.plus(TELL_EACH_SEQS);
                        self.listener.passed(frame.header.last_seq(), last);
                    }
                    continue;
                }
                Found::Frame(_) => continue,
                Found::End(_) => {
                    self.end()?;
                    continue;
                }
                Found::Damage(damage) => damage.lost,
                Found::Missing(missing) => missing.lost,
                Found::Overlap(_) | Found::Stray(_) => Lost::none(self.wanted.from),
            };
            if lost.first > self.wanted.to {
                return self.end();
            }
            self.verdicts.lost(lost, self.listener)?;
            if lost.next >= self.wanted.from {
                self.blocks.push(Met::Wrong(found), 0)?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Ended> {
        self.blocks.push(Met::End(self.sweep.end().clone()), 0)
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), Ended> {
        let header = &frame.header;
        if header.next_seq() <= self.wanted.from {
            return Ok(());
        }
        // A hole has the time of its repair: nothing tells when that was received which is lost.
        let is_hole = frame.frame_type == Some(FrameType::Hole);
        let is_wanted = self.wanted.takes_seqs(header.first_seq, header.next_seq())
            && (is_hole || self.wanted.takes_time(header.received_at));
        let payload = self.sweep.payload();
        let judged = match Content::of(frame, payload) {
            Ok(content) => {
                let events = content.borrow_dependent().events();
                let judged = self
                    .verdicts
                    .of_frame(frame, events, payload, self.listener)?;
                judged.map(|judged| (judged, content))
            }
            Err(error) => Err(error),
        };
        let (judged, content) = match judged {
            Ok(judged) => judged,
            Err(error) => {
                let damage = self.sweep.undecodable(frame, error)?;
                self.verdicts.lost(damage.lost, self.listener)?;
                return self.blocks.push(Met::Wrong(Found::Damage(damage)), 0);
            }
        };
        if !is_wanted {
            return Ok(());
        }
        let bytes = payload.len();
        let frame = JudgedFrame {
            frame: *frame,
            is_proven: self.sweep.is_proven(frame),
            judged,
            content,
        };
        self.blocks.push(Met::Frame(Box::new(frame)), bytes)
    }
}

/// Where it hands on what it met.
pub(super) struct Blocks {
    to: SyncSender<Vec<Met>>,
    block: Vec<Met>,
    bytes: usize,
}

impl Blocks {
    pub(super) fn to(to: SyncSender<Vec<Met>>) -> Blocks {
        Blocks {
            to,
            block: Vec::new(),
            bytes: 0,
        }
    }

    fn push(&mut self, met: Met, bytes: usize) -> Result<(), Ended> {
        self.block.push(met);
        self.bytes += bytes + FRAME_BYTES;
        match self.bytes >= BLOCK_BYTES {
            true => self.hand_on(),
            false => Ok(()),
        }
    }

    fn hand_on(&mut self) -> Result<(), Ended> {
        self.bytes = 0;
        let block = std::mem::take(&mut self.block);
        self.to.send(block).map_err(|SendError(_)| Ended::NotWanted)
    }
}
