//! A frame that is kept for its payloads.

use std::ops::Range;

use crate::event::{PayloadKind, Seq};
use crate::index::digest::CanonicalDigest;
use crate::index::fold::LoggedPayload;
use crate::log::codec::{CodecError, decode_erased, decode_events};
use crate::log::format::FrameType;
use crate::log::reader::Frame;

/// Who has the payload of a frame.
pub trait PayloadBytes {
    /// All of it.
    fn payload_bytes(&self) -> &[u8];
}

impl PayloadBytes for Vec<u8> {
    fn payload_bytes(&self) -> &[u8] {
        self
    }
}

/// A frame, and where in it the payloads are.
#[derive(Debug)]
pub struct KeptFrame<B> {
    bytes: B,
    frame: Frame,
    payloads: Vec<Place>,
}

#[derive(Debug)]
enum Place {
    Sent(PayloadKind, Range<usize>),
    Erased(CanonicalDigest),
}

impl<B: PayloadBytes> KeptFrame<B> {
    /// This frame with its payload.
    ///
    /// # Errors
    /// The payload is not what it should be.
    pub fn of(frame: Frame, bytes: B) -> Result<KeptFrame<B>, CodecError> {
        let payload = bytes.payload_bytes();
        let payloads = match frame.frame_type {
            Some(FrameType::Events) => {
                let base = payload.as_ptr().addr();
                let place = |part: &[u8]| {
                    // Events borrow from the frame's bytes.
                    let start = part.as_ptr().addr() - base;
                    start..start + part.len()
                };
                let events = decode_events(payload, frame.header.count)?;
                let places = events
                    .iter()
                    .map(|event| Place::Sent(event.kind, place(event.payload)));
                places.collect()
            }
            Some(FrameType::Erased) => {
                let erased = decode_erased(payload, frame.header.count)?;
                let digests = erased
                    .events
                    .iter()
                    .map(|event| Place::Erased(CanonicalDigest(event.canonical)));
                digests.collect()
            }
            _ => Vec::new(),
        };
        Ok(KeptFrame {
            bytes,
            frame,
            payloads,
        })
    }

    /// Whether this seq is one of its.
    pub fn holds(&self, seq: Seq) -> bool {
        self.frame.header.first_seq <= seq && seq < self.frame.header.next_seq()
    }

    /// The payload of one of its events; none where it has none.
    pub fn payload(&self, seq: Seq) -> Option<LoggedPayload> {
        let number = seq.since(self.frame.header.first_seq) as usize;
        Some(match self.payloads.get(number)? {
            Place::Sent(kind, place) => {
                let payload = self.bytes.payload_bytes().get(place.clone())?;
                LoggedPayload::Sent(*kind, payload.to_vec())
            }
            Place::Erased(digest) => LoggedPayload::Erased(*digest),
        })
    }
}
