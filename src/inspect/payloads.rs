//! What the fold reads back from a log that may be damaged.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use super::place::StorePlace;
use crate::event::Seq;
use crate::index::fold::{FoldInput, LoggedArrival, LoggedPayload, PayloadUnreadable, Payloads};
use crate::log::LogError;
use crate::log::codec::{CodecError, decode_events};
use crate::log::format::FrameType;
use crate::log::reader::Frame;
use crate::log::sweep::FrameFinder;
use crate::replayer::{KeptFrame, LoggedFrame};

/// How many frames are kept: the one that is judged and the one that was first.
const KEPT: usize = 2;
/// Arrivals are read until their frames take this much.
const ARRIVALS_BYTES: u64 = 1 << 20;

/// Reads payloads by seq.
#[derive(Debug)]
pub(super) struct SweptPayloads(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    finder: FrameFinder,
    /// The last one used comes last.
    kept: Vec<KeptFrame<Vec<u8>>>,
}

impl SweptPayloads {
    pub(super) fn new(place: &StorePlace) -> SweptPayloads {
        SweptPayloads(Mutex::new(Inner {
            finder: place.finder(),
            kept: Vec::new(),
        }))
    }
}

impl Payloads for SweptPayloads {
    fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unreadable =
            |source: Box<dyn std::error::Error + Send + Sync>| PayloadUnreadable { seq, source };
        let found = inner.frame(seq);
        let frame = found.map_err(|error| unreadable(error.into()))?;
        let payload = frame.as_ref().and_then(|frame| frame.payload(seq));
        inner.kept.extend(frame);
        payload.ok_or_else(|| unreadable("its frame is damaged or gone".into()))
    }

    fn arrivals(&self, from: Seq, upto: Seq) -> Option<Vec<LoggedArrival>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut arrivals, mut bytes) = (Vec::new(), 0);
        let walked = inner.finder.walk_from(from, |frame, payload| {
            bytes += frame.header.frame_bytes();
            if frame.header.first_seq > upto || bytes > ARRIVALS_BYTES {
                return ControlFlow::Break(());
            }
            // What is damaged is left out, as a hole is.
            if let Ok(logged) = logged(frame, payload)
                && let FoldInput::Arrivals(of_frame) = logged.input()
            {
                let numbered = (0..).zip(&of_frame.list);
                arrivals.extend(numbered.map(|(number, arrival)| LoggedArrival {
                    seq: logged.first_seq.plus(number),
                    key: arrival.key,
                    payload: arrival.payload,
                }));
            }
            ControlFlow::Continue(())
        });
        walked.is_ok().then_some(arrivals)
    }
}

/// A frame as the fold takes it.
pub(super) fn logged(frame: &Frame, payload: &[u8]) -> Result<LoggedFrame, CodecError> {
    match frame.frame_type {
        Some(FrameType::Events) => {
            let events = decode_events(payload, frame.header.count)?;
            Ok(LoggedFrame::of_events(frame, &events))
        }
        _ => LoggedFrame::without_events(frame, payload),
    }
}

#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Inner {
    fn frame(&mut self, seq: Seq) -> Result<Option<KeptFrame<Vec<u8>>>, Unreadable> {
        if let Some(place) = self.kept.iter().position(|frame| frame.holds(seq)) {
            return Ok(Some(self.kept.remove(place)));
        }
        if self.kept.len() == KEPT {
            // First, so that there are no more of them in memory.
            self.kept.remove(0);
        }
        let Some((frame, payload)) = self.finder.find(seq)? else {
            return Ok(None);
        };
        Ok(Some(KeptFrame::of(frame, payload)?))
    }
}
