//! Where events begin and end in the payload of an `events` frame, found without decoding them:
//! a page that begins in the middle of a large batch passes over all before it.

use super::codec::{CodecError, check_count};
use super::varint;

/// What a part of an `events` payload begins with.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Bounds {
    /// A whole one of this length.
    Whole(usize),
    /// One that goes on behind the part: this much is needed to see more of it, at least.
    Beyond(usize),
}

/// Where the first event begins in the payload of an `events` frame of `count` events. `part`
/// is the payload's beginning, or all of it.
///
/// # Errors
/// [`CodecError::Count`].
pub(super) fn head_of_events(part: &[u8], count: u32) -> Result<Bounds, CodecError> {
    let mut walk = Walk { bytes: part, at: 0 };
    let events = walk.pairs().and_then(|()| walk.number());
    if let Some(events) = events {
        check_count(count, usize::try_from(events).unwrap_or(usize::MAX))?;
    }
    Ok(walk.bounds(events.map(|_| ())))
}

/// How long the event is that `part` begins with. Nothing but its lengths is looked at.
pub(super) fn event_bounds(part: &[u8]) -> Bounds {
    let mut walk = Walk { bytes: part, at: 0 };
    let passed = walk.event();
    walk.bounds(passed)
}

/// Passes over what bincode wrote, by its lengths alone. What it finds is believed only when
/// bincode agrees: the bytes of one event must be one event to the last.
struct Walk<'a> {
    bytes: &'a [u8],
    /// How far it came; beyond `bytes` where these end too soon.
    at: usize,
}

impl Walk<'_> {
    fn bounds(&self, passed: Option<()>) -> Bounds {
        match passed {
            Some(()) => Bounds::Whole(self.at),
            None => Bounds::Beyond(self.at),
        }
    }

    /// Topic, id, source, timestamp, kind, payload, attributes.
    fn event(&mut self) -> Option<()> {
        self.text()?;
        self.text()?;
        self.text()?;
        if self.byte()? != 0 {
            self.text()?;
        }
        self.byte()?;
        self.text()?;
        self.pairs()
    }

    fn pairs(&mut self) -> Option<()> {
        for _ in 0..self.number()? {
            self.text()?;
            self.text()?;
        }
        Some(())
    }

    fn text(&mut self) -> Option<()> {
        let len = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.pass(len)
    }

    fn byte(&mut self) -> Option<u8> {
        let place = self.at;
        self.pass(1)?;
        Some(self.bytes[place])
    }

    fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        let Some(len) = varint::following(first) else {
            // No length begins so: it ends in bincode's error.
            return Some(u64::MAX);
        };
        let place = self.at;
        self.pass(len)?;
        Some(match len {
            0 => u64::from(first),
            _ => varint::value(&self.bytes[place..place + len]),
        })
    }

    fn pass(&mut self, len: usize) -> Option<()> {
        self.at = self.at.saturating_add(len);
        (self.at <= self.bytes.len()).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{Batch, Event, EventLimits, KeyRule, PayloadKind};
    use crate::log::codec::{decode_event, decode_events, encode_events};

    fn text() -> impl Strategy<Value = Cow<'static, str>> {
        // Lengths on both sides of where one byte is no longer enough, and of two.
        let len = prop_oneof![1..4usize, 248..254usize];
        len.prop_map(|len| Cow::Owned("t".repeat(len)))
    }

    fn payload() -> impl Strategy<Value = &'static [u8]> {
        let len = prop_oneof![0..4usize, 248..254usize, 65_534..65_538usize];
        len.prop_map(|len| format!("\"{}\"", "p".repeat(len)).leak().as_bytes())
    }

    prop_compose! {
        fn event()(
            topic in text(), event_id in text(), source in text(),
            timed in any::<bool>(), payload in payload(),
            attributes in prop::collection::vec((text(), text()), 0..3),
        ) -> Event<'static> {
            Event {
                topic,
                event_id,
                source,
                timestamp: timed.then_some(Cow::Borrowed("2024-05-01T12:34:56Z")),
                kind: PayloadKind::Json,
                payload,
                attributes,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Two readers of one format: where they disagree, events would be mixed up.
        #[test]
        fn events_are_found_where_bincode_put_them(
            events in prop::collection::vec(event(), 1..20),
        ) {
            let limits = EventLimits::default();
            let batch = Batch::new(KeyRule::TopicAndId, events, &limits).expect("valid");
            let payload = encode_events(&batch).expect("short");
            let count = batch.events().len() as u32;
            let Ok(Bounds::Whole(mut at)) = head_of_events(&payload, count) else {
                panic!("no head");
            };
            let decoded = decode_events(&payload, count).expect("good");
            for expected in &decoded {
                let Bounds::Whole(len) = event_bounds(&payload[at..]) else {
                    panic!("no event at {at}");
                };
                prop_assert_eq!(&decode_event(&payload[at..at + len]).expect("good"), expected);
                // A part that ends anywhere within it is known to, and asks for no more than
                // there is.
                for end in [at, at + 1, at + len / 2, at + len - 1] {
                    match event_bounds(&payload[at..end]) {
                        Bounds::Beyond(needed) => {
                            prop_assert!(needed > end - at && needed <= len);
                        }
                        Bounds::Whole(_) => panic!("half an event is taken for one"),
                    }
                }
                at += len;
            }
            prop_assert_eq!(at, payload.len());
        }
    }

    #[test]
    fn a_length_that_is_none_is_beyond_everything() {
        for first in [254, 255] {
            assert_eq!(event_bounds(&[first; 40]), Bounds::Beyond(usize::MAX));
        }
        // Eight bytes of length: it must not wrap around.
        let mut huge = vec![253];
        huge.extend([0xff; 8]);
        assert_eq!(event_bounds(&huge), Bounds::Beyond(usize::MAX));
    }

    #[test]
    fn another_count_than_the_headers_is_noticed_at_once() {
        assert!(matches!(
            head_of_events(&[0, 2], 3),
            Err(CodecError::Count {
                header: 3,
                payload: 2
            })
        ));
    }
}
