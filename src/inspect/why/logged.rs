//! What the log has at the seq of an arrival.

use super::asked::KeyName;
use crate::event::{PayloadKind, Seq};
use crate::index::digest::KeyDigest;
use crate::log::LogError;
use crate::log::codec::{CodecError, decode_erased, decode_events};
use crate::log::format::FrameType;
use crate::log::reader::Frame;
use crate::log::segment::SegmentId;
use crate::log::sweep::FrameFinder;

/// Where a batch stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlace {
    /// In which segment.
    pub segment: SegmentId,
    /// At which offset its frame begins.
    pub offset: u64,
    /// Its first seq.
    pub first: Seq,
    /// Its last one.
    pub last: Seq,
    /// When the store received it: µs UTC.
    pub received_at: i64,
}

/// What stands at a seq.
#[derive(Debug)]
pub(super) enum AtSeq {
    Event(BatchPlace, LoggedEvent),
    /// Its topic, and the digest of its key.
    Erased(BatchPlace, String, KeyDigest),
    Hole(BatchPlace),
    /// No good frame has it.
    Nothing,
}

/// An event of the log, taken out of its frame.
#[derive(Debug)]
pub(super) struct LoggedEvent {
    pub(super) name: KeyName,
    pub(super) topic: String,
    pub(super) source: String,
    pub(super) timestamp: Option<String>,
    pub(super) kind: PayloadKind,
    pub(super) payload: Vec<u8>,
}

/// Reads what stands at single seqs.
#[derive(Debug)]
pub(super) struct LogReader {
    finder: FrameFinder,
    /// The one that was read last: those of a batch often come together.
    kept: Option<(Frame, Vec<u8>)>,
}

impl LogReader {
    pub(super) fn new(finder: FrameFinder) -> LogReader {
        LogReader { finder, kept: None }
    }

    /// What finds the frames.
    pub(super) fn finder(&mut self) -> &mut FrameFinder {
        &mut self.finder
    }

    /// What stands at this seq.
    ///
    /// # Errors
    /// Those of a sweep.
    pub(super) fn at(&mut self, seq: Seq) -> Result<AtSeq, LogError> {
        let holds = |(frame, _): &(Frame, Vec<u8>)| {
            frame.header.first_seq <= seq && seq < frame.header.next_seq()
        };
        if !self.kept.as_ref().is_some_and(holds) {
            self.kept = None;
            self.kept = self.finder.find(seq)?;
        }
        let Some((frame, payload)) = &self.kept else {
            return Ok(AtSeq::Nothing);
        };
        // Which of a frame that cannot be decoded no more is known than of one that is damaged.
        Ok(in_frame(frame, payload, seq).unwrap_or(AtSeq::Nothing))
    }
}

fn in_frame(frame: &Frame, payload: &[u8], seq: Seq) -> Result<AtSeq, CodecError> {
    let header = &frame.header;
    let batch = BatchPlace {
        segment: frame.segment,
        offset: frame.offset,
        first: header.first_seq,
        last: header.last_seq(),
        received_at: header.received_at,
    };
    let place = seq.since(header.first_seq) as usize;
    let Some(rule) = header.rule() else {
        return Ok(AtSeq::Hole(batch));
    };
    Ok(match frame.frame_type {
        Some(FrameType::Events) => {
            // As many as the header says, or it does not decode.
            let event = &decode_events(payload, header.count)?[place];
            AtSeq::Event(
                batch,
                LoggedEvent {
                    name: KeyName::of(rule, event),
                    topic: event.topic.clone().into_owned(),
                    source: event.source.clone().into_owned(),
                    timestamp: event.timestamp.clone().map(|text| text.into_owned()),
                    kind: event.kind,
                    payload: event.payload.to_vec(),
                },
            )
        }
        Some(FrameType::Erased) => {
            let erased = decode_erased(payload, header.count)?;
            let event = &erased.events[place];
            let topic = erased.topics[event.topic as usize].to_owned();
            AtSeq::Erased(batch, topic, KeyDigest(event.key))
        }
        _ => AtSeq::Hole(batch),
    })
}
