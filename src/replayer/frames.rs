//! Frames of the log as the fold takes them.

use std::sync::Arc;

use crate::event::{Event, KeyRule, Seq};
use crate::index::digest::{CanonicalDigest, KeyDigest, PayloadDigest};
use crate::index::fold::{Arrival, Arrivals, FoldInput};
use crate::index::{Foresight, Index};
use crate::log::codec::{CodecError, ErasedEvent, decode_erased};
use crate::log::error::Evidence;
use crate::log::format::FrameType;
use crate::log::reader::Frame;
use crate::log::{FrameCursor, LiveLog, LogError};

/// A frame, read and hashed.
#[derive(Debug)]
pub struct LoggedFrame {
    /// Its first seq.
    pub first_seq: Seq,
    /// What it takes in the log.
    pub frame_bytes: u64,
    /// By which its events are known.
    pub key_rule: Option<KeyRule>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Arrivals(Arrivals),
    Hole(u64),
}

impl LoggedFrame {
    /// A frame that takes seqs, which the cursor gave last.
    ///
    /// # Errors
    /// Damage: its CRC is right and its payload is not what it should be.
    pub fn of(cursor: &FrameCursor, frame: &Frame) -> Result<LoggedFrame, LogError> {
        match frame.frame_type {
            Some(FrameType::Events) => Ok(LoggedFrame::of_events(frame, &cursor.events(frame)?)),
            _ => LoggedFrame::without_events(frame, cursor.payload())
                .map_err(|error| frame.undecodable(error, Evidence::Synced)),
        }
    }

    /// A frame of these events.
    pub fn of_events(frame: &Frame, events: &[Event<'_>]) -> LoggedFrame {
        let header = &frame.header;
        LoggedFrame::with(
            frame,
            match header.rule() {
                Some(rule) => Content::Arrivals(Arrivals::of(rule, events)),
                // Nothing else is taken for a frame of events: a reader refuses what it does
                // not know.
                None => Content::Hole(u64::from(header.count)),
            },
        )
    }

    /// Any other frame that takes seqs, with this payload.
    ///
    /// # Errors
    /// The payload is not what it should be.
    pub fn without_events(frame: &Frame, payload: &[u8]) -> Result<LoggedFrame, CodecError> {
        let header = &frame.header;
        let content = match frame.frame_type {
            Some(FrameType::Erased) => {
                let erased = decode_erased(payload, header.count)?;
                let canonical = |event: &ErasedEvent| CanonicalDigest(event.canonical);
                Content::Arrivals(Arrivals {
                    list: erased.events.iter().map(erased_arrival).collect(),
                    topics: erased.topics.iter().map(|topic| (*topic).into()).collect(),
                    canonicals: erased.events.iter().map(canonical).collect(),
                })
            }
            // Nothing else takes seqs: a reader refuses what it does not know.
            _ => Content::Hole(u64::from(header.count)),
        };
        Ok(LoggedFrame::with(frame, content))
    }

    fn with(frame: &Frame, content: Content) -> LoggedFrame {
        LoggedFrame {
            first_seq: frame.header.first_seq,
            frame_bytes: frame.header.frame_bytes(),
            key_rule: frame.header.rule(),
            content,
        }
    }

    /// The seq behind its last.
    pub fn next_seq(&self) -> Seq {
        self.first_seq.plus(self.input().count())
    }

    /// What it takes in memory, about.
    pub fn memory_bytes(&self) -> usize {
        let content = match &self.content {
            Content::Arrivals(arrivals) => arrivals.memory_bytes(),
            Content::Hole(_) => 0,
        };
        size_of::<LoggedFrame>() + content
    }

    /// What the index's runs say of its keys; none where it is not worth while, or failed.
    pub fn foresee(&self, index: &Index) -> Option<Foresight> {
        match &self.content {
            Content::Arrivals(arrivals) => index.foresee(self.first_seq, arrivals),
            Content::Hole(_) => None,
        }
    }

    /// As the fold takes it.
    pub fn input(&self) -> FoldInput<'_> {
        match &self.content {
            Content::Arrivals(arrivals) => FoldInput::Arrivals(arrivals),
            Content::Hole(count) => FoldInput::Hole(*count),
        }
    }
}

fn erased_arrival(event: &ErasedEvent) -> Arrival {
    Arrival {
        key: KeyDigest(event.key),
        payload: PayloadDigest(event.payload),
        topic: event.topic,
    }
}

/// Reads frames one after the other.
#[derive(Debug)]
pub struct FrameReader {
    log: Arc<LiveLog>,
    cursor: Option<FrameCursor>,
}

impl FrameReader {
    /// A reader of this log.
    pub fn new(log: Arc<LiveLog>) -> FrameReader {
        FrameReader { log, cursor: None }
    }

    /// The frame that holds this seq; none if it is not durable. Cheap for the seq that
    /// follows the last frame given.
    ///
    /// # Errors
    /// I/O errors and damage.
    pub fn read(&mut self, seq: Seq) -> Result<Option<LoggedFrame>, LogError> {
        let cursor = match self.cursor.take() {
            Some(cursor) if cursor.next_seq() == seq => self.cursor.insert(cursor),
            _ => self.cursor.insert(self.log.frames(seq, Seq::new(u64::MAX))),
        };
        match cursor.next_frame()? {
            Some(frame) => LoggedFrame::of(cursor, &frame).map(Some),
            None => Ok(None),
        }
    }
}
