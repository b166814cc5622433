//! What the index reads back from the log: first payloads, when the fold must compare them, and
//! the digests of what stands near a repeated event.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::frames::LoggedFrame;
use super::kept_frame::{KeptFrame, PayloadBytes};
use crate::event::Seq;
use crate::index::fold::{FoldInput, LoggedArrival, LoggedPayload, PayloadUnreadable, Payloads};
use crate::log::error::Evidence;
use crate::log::{FrameCursor, LiveLog, LogError};

/// How many frames are kept: the one that is judged and the one that was first.
const KEPT: usize = 2;

/// Arrivals are read until their frames take this much: where events are large, few of them are
/// worth the time.
const ARRIVALS_BYTES: u64 = if cfg!(test) { 4 << 10 } else { 1 << 20 };

/// Reads payloads out of a log.
///
/// It keeps the frames it read last: a batch that is sent again in other words has the
/// payloads of two frames compared, in turns, and to read those for each takes minutes.
#[derive(Debug)]
pub struct LogPayloads {
    log: Arc<LiveLog>,
    interrupted: Arc<AtomicBool>,
    /// The last one used comes last.
    kept: Mutex<Vec<KeptFrame<FrameCursor>>>,
}

impl LogPayloads {
    /// Those of this log.
    pub fn new(log: Arc<LiveLog>) -> LogPayloads {
        LogPayloads {
            log,
            interrupted: Arc::default(),
            kept: Mutex::default(),
        }
    }

    /// The same, until this says that the work is to be broken off.
    pub(super) fn until(log: Arc<LiveLog>, interrupted: Arc<AtomicBool>) -> LogPayloads {
        LogPayloads {
            interrupted,
            ..LogPayloads::new(log)
        }
    }

    fn read(&self, seq: Seq) -> Result<Option<LoggedPayload>, LogError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = match kept.iter().position(|frame| frame.holds(seq)) {
            Some(place) => Some(kept.remove(place)),
            None => {
                if kept.len() == KEPT {
                    // First, so that there are no more of them in memory.
                    kept.remove(0);
                }
                read_frame(&self.log, seq)?
            }
        };
        let payload = frame.as_ref().and_then(|frame| frame.payload(seq));
        kept.extend(frame);
        Ok(payload)
    }

    /// The frames that are kept for their payloads are not used here, nor the other way: those are
    /// few in a window, and what both read is in the page cache.
    fn read_arrivals(&self, from: Seq, upto: Seq) -> Result<Vec<LoggedArrival>, LogError> {
        let mut cursor = self.log.frames(from, upto);
        let (mut arrivals, mut bytes) = (Vec::new(), 0);
        while bytes < ARRIVALS_BYTES && !self.is_interrupted() {
            let Some(frame) = cursor.next_frame()? else {
                break;
            };
            let logged = LoggedFrame::of(&cursor, &frame)?;
            bytes += logged.frame_bytes;
            if let FoldInput::Arrivals(of_frame) = logged.input() {
                let numbered = (0..).zip(&of_frame.list);
                arrivals.extend(numbered.map(|(number, arrival)| LoggedArrival {
                    seq: logged.first_seq.plus(number),
                    key: arrival.key,
                    payload: arrival.payload,
                }));
            }
        }
        Ok(arrivals)
    }
}

impl Payloads for LogPayloads {
    fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
        let unreadable =
            |source: Box<dyn std::error::Error + Send + Sync>| PayloadUnreadable { seq, source };
        self.read(seq)
            .map_err(|error| unreadable(Box::new(error)))?
            .ok_or_else(|| unreadable("no payload is there".into()))
    }

    fn arrivals(&self, from: Seq, upto: Seq) -> Option<Vec<LoggedArrival>> {
        self.read_arrivals(from, upto)
            .map_err(|error| {
                tracing::warn!("repeated events are looked up one by one: reading the log: {error}")
            })
            .ok()
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }
}

impl PayloadBytes for FrameCursor {
    fn payload_bytes(&self) -> &[u8] {
        self.payload()
    }
}

/// The frame that holds this seq; none if it is not durable.
fn read_frame(log: &Arc<LiveLog>, seq: Seq) -> Result<Option<KeptFrame<FrameCursor>>, LogError> {
    let mut cursor = log.frames(seq, seq);
    let Some(frame) = cursor.next_frame()? else {
        return Ok(None);
    };
    let kept = KeptFrame::of(frame, cursor);
    let kept = kept.map_err(|error| frame.undecodable(error, Evidence::Synced))?;
    Ok(Some(kept))
}

#[cfg(test)]
#[path = "payloads_tests.rs"]
mod tests;
