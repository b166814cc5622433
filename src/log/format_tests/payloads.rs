//! The payloads of frames: events, and digests of erased ones.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::codec::*;
use super::super::plain_events::plain_events;
use crate::event::{Batch, Event, EventLimits, KeyRule, PayloadKind};

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    // 250 and 251 are where lengths grow from one byte to three.
    prop_oneof![
        vec(any::<char>(), 0..20).prop_map(String::from_iter),
        (245..260_usize).prop_map(|length| "x".repeat(length)),
    ]
    .prop_map(Cow::Owned)
}

/// Any event, payload apart: the format takes more than is admitted.
fn event() -> impl Strategy<Value = Event<'static>> {
    let texts = (text(), text(), text(), proptest::option::of(text()));
    let kind = prop_oneof![Just(PayloadKind::Json), Just(PayloadKind::Bytes)];
    (texts, kind, vec((text(), text()), 0..3)).prop_map(
        |((topic, event_id, source, timestamp), kind, attributes)| Event {
            topic,
            event_id,
            source,
            timestamp,
            kind,
            payload: b"",
            attributes,
        },
    )
}

/// Only events that may enter the log become batches, so the others are made good.
fn admitted<'p>(mut event: Event<'static>, payload: &'p [u8]) -> Event<'p> {
    let name = |text: &str, empty: &str| -> Cow<'static, str> {
        let kept: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
        Cow::Owned(if kept.is_empty() { empty.into() } else { kept })
    };
    event.topic = name(&event.topic, "t");
    event.event_id = name(&event.event_id, "i");
    event.source = name(&event.source, "");
    event.timestamp = event.timestamp.map(|_| "2026-01-02T03:04:05Z".into());
    event.kind = PayloadKind::Bytes;
    Event { payload, ..event }
}

proptest! {
    #[test]
    fn events_come_back_as_written(
        events in vec((event(), vec(any::<u8>(), 0..40)), 1..5),
        long in 250..260_usize,
    ) {
        let long = vec![b'p'; long];
        let mut events: Vec<Event<'_>> =
            events.iter().map(|(event, payload)| admitted(event.clone(), payload)).collect();
        events[0].payload = &long;
        let batch = Batch::new(KeyRule::TopicAndId, events.clone(), &EventLimits::default())
            .expect("good events");
        let mut bytes = encode_events(&batch).expect("a short payload");
        let count = events.len() as u32;
        prop_assert_eq!(&plain_events(&bytes, count).expect("events"), &events);
        prop_assert_eq!(&decode_events_by_bincode(&bytes, count).expect("events"), &events);
        prop_assert_eq!(&decode_events(&bytes, count).expect("events"), &events);

        let miscounted = decode_events(&bytes, count + 1);
        let named = matches!(miscounted, Err(CodecError::Count { payload, .. }) if payload == events.len());
        prop_assert!(named);
        for length in 0..bytes.len() {
            prop_assert!(decode_events(&bytes[..length], count).is_err(), "cut to {}", length);
        }
        bytes.push(0);
        prop_assert!(matches!(decode_events(&bytes, count), Err(CodecError::Undecodable(_))));
    }

    #[test]
    fn digests_come_back_as_written(
        topics in vec(text(), 1..4),
        numbers in vec(any::<(u8, u8, [u8; 16], [u8; 32])>(), 1..4),
    ) {
        let event = |&(place, verdict, key, canonical): &(u8, u8, [u8; 16], [u8; 32])| ErasedEvent {
            topic: u32::from(place) % topics.len() as u32,
            verdict,
            key,
            payload: key.map(|byte| !byte),
            canonical,
        };
        let mut erased = Erased {
            topics: topics.iter().map(AsRef::as_ref).collect(),
            events: numbers.iter().map(event).collect(),
        };
        let count = numbers.len() as u32;
        let mut bytes = encode_erased(&erased).expect("a short payload");
        prop_assert_eq!(&decode_erased(&bytes, count).expect("digests"), &erased);
        bytes.push(0);
        prop_assert!(matches!(decode_erased(&bytes, count), Err(CodecError::Undecodable(_))));

        erased.events[0].topic = topics.len() as u32;
        let bytes = encode_erased(&erased).expect("a short payload");
        prop_assert!(matches!(decode_erased(&bytes, count), Err(CodecError::UnknownTopic(_))));
    }
}

/// Two readers of one format: what only one of them takes would be an event today and damage
/// tomorrow.
fn both_agree(bytes: &[u8], count: u32) {
    if let Some(events) = plain_events(bytes, count) {
        let by_bincode = decode_events_by_bincode(bytes, count);
        assert_eq!(by_bincode.ok(), Some(events), "{bytes:?}");
    }
}

#[test]
fn what_is_read_plainly_is_what_bincode_reads_whatever_one_byte_becomes() {
    let good: &[u8] = b"\x00\x02\x01t\x02\xc3\xbc\x00\x01\x01z\x00\x014\x01\x01a\x01b\
                        \xfb\x01\x00t\x01i\x00\x00\x01\x01\xff\x00";
    assert_eq!(plain_events(good, 2).map(|events| events.len()), Some(2));
    for at in 0..good.len() {
        for byte in 0..=u8::MAX {
            let mut changed = good.to_vec();
            changed[at] = byte;
            for count in 1..4 {
                both_agree(&changed, count);
            }
            changed.insert(at, byte);
            both_agree(&changed, 2);
        }
        both_agree(&good[..at], 2);
    }
}

proptest! {
    #[test]
    fn what_is_read_plainly_is_what_bincode_reads_of_any_bytes(
        bytes in vec(prop_oneof![0..4u8, 249..=255u8, any::<u8>()], 0..60),
        count in 0..4u32,
    ) {
        both_agree(&bytes, count);
    }
}

/// Memory is never taken for what bytes merely claim: these claims would end the process.
#[test]
fn claimed_lengths_take_no_memory() {
    let huge = [b"\xFD".as_slice(), &(u64::MAX / 2).to_le_bytes()].concat();
    let one_event_with_topic = [b"\x00\x01".as_slice(), &huge].concat();
    let payload_of_one = [b"\x00\x01\x01t\x01i\x00\x00\x00".as_slice(), &huge].concat();
    for payload in [
        huge.clone(),
        [b"\x00".as_slice(), &huge].concat(),
        one_event_with_topic,
        payload_of_one,
        // 2^30 events, of which none follows.
        b"\x00\xFC\x00\x00\x00\x40".to_vec(),
    ] {
        assert!(matches!(
            decode_events(&payload, 1),
            Err(CodecError::Undecodable(_))
        ));
        assert!(decode_erased(&payload, 1).is_err());
    }
}

#[test]
fn a_kind_of_a_later_version_is_named() {
    let payload = b"\x00\x01\x01t\x01i\x00\x00\x02\x00\x00";
    assert!(matches!(
        decode_events(payload, 1),
        Err(CodecError::UnknownKind(2))
    ));
}

#[test]
fn what_is_not_an_option_or_a_string_does_not_decode() {
    let good = *b"\x00\x01\x01t\x01i\x00\x00\x00\x014\x00";
    assert_eq!(
        decode_events(&good, 1).map(|events| events.len()).ok(),
        Some(1)
    );
    for (at, byte) in [(3, 0xFF), (7, 2), (1, 0xFF), (1, 0xFE)] {
        let mut bad = good;
        bad[at] = byte;
        assert!(decode_events(&bad, 1).is_err(), "byte {byte:#x} at {at}");
    }
}
