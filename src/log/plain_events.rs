//! Events out of the payload of an `events` frame, in one go over its bytes: bincode, which wrote
//! them, takes about twice as long to read them. What is not plainly as it was written is left to
//! bincode, which says what is wrong with it.

use std::borrow::Cow;

use super::format::FRAME_PAYLOAD_BYTES_MAX;
use super::varint;
use crate::event::{Attributes, Event, PayloadKind};

/// What an event takes that is nothing but empty.
const EVENT_BYTES_MIN: usize = 7;

/// The `count` events of a payload, which borrow its bytes; `None` unless it is, to the last byte,
/// so many of kinds that are known.
pub(super) fn plain_events(payload: &[u8], count: u32) -> Option<Vec<Event<'_>>> {
    if payload.len() > FRAME_PAYLOAD_BYTES_MAX {
        return None;
    }
    let mut rest = Rest(payload);
    rest.pairs()?;
    if rest.number()? != u64::from(count) {
        return None;
    }
    // No more memory than there are bytes for.
    let most = payload.len() / EVENT_BYTES_MIN;
    let mut events = Vec::with_capacity(most.min(count as usize));
    for _ in 0..count {
        events.push(rest.event()?);
    }
    rest.0.is_empty().then_some(events)
}

/// What was not read yet.
struct Rest<'p>(&'p [u8]);

impl<'p> Rest<'p> {
    /// Topic, id, source, timestamp, kind, payload, attributes.
    fn event(&mut self) -> Option<Event<'p>> {
        Some(Event {
            topic: self.text()?,
            event_id: self.text()?,
            source: self.text()?,
            timestamp: match self.byte()? {
                0 => None,
                1 => Some(self.text()?),
                _ => return None,
            },
            kind: match self.byte()? {
                0 => PayloadKind::Json,
                1 => PayloadKind::Bytes,
                _ => return None,
            },
            payload: self.bytes()?,
            attributes: self.pairs()?,
        })
    }

    fn pairs(&mut self) -> Option<Attributes<'p>> {
        let mut pairs = Vec::new();
        for _ in 0..self.number()? {
            pairs.push((self.text()?, self.text()?));
        }
        Some(pairs)
    }

    fn text(&mut self) -> Option<Cow<'p, str>> {
        let text = str::from_utf8(self.bytes()?).ok()?;
        Some(Cow::Borrowed(text))
    }

    fn bytes(&mut self) -> Option<&'p [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        self.take(len)
    }

    fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        match varint::following(first)? {
            0 => Some(u64::from(first)),
            len => self.take(len).map(varint::value),
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, len: usize) -> Option<&'p [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}
