//! Headers, frames and payloads as pure functions: what is written is read again, and
//! nothing else is ever taken for it.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;

use super::codec::*;
use super::format::*;
use super::frame::*;
use super::header::*;
use crate::event::{Batch, Event, EventLimits, KeyRule, PayloadKind, Seq};

fn segment_header() -> impl Strategy<Value = SegmentHeader> {
    (any::<[u64; 3]>(), any::<[u8; 16]>(), any::<u16>()).prop_map(|(numbers, id, fold_version)| {
        SegmentHeader {
            fold_version,
            log_id: LogId(id),
            first_seq: Seq::new(numbers[0]),
            salt: numbers[1],
            made_at: numbers[2] as i64,
        }
    })
}

/// Any header; the length and the CRC are the encoder's.
fn frame_header() -> impl Strategy<Value = FrameHeader> {
    let small = any::<(u8, u8, u16, u32)>();
    (small, any::<[u64; 5]>()).prop_map(|((type_number, key_rule, flags, count), numbers)| {
        FrameHeader {
            type_number,
            key_rule,
            flags,
            payload_bytes: 0,
            count,
            first_seq: Seq::new(numbers[0]),
            received_at: numbers[1] as i64,
            durable_up_to: Seq::new(numbers[2]),
            origin_epoch: numbers[3],
            origin_seq: numbers[4],
            payload_crc: 0,
        }
    })
}

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

fn encoded(segment: &SegmentHeader, offset: u64, header: FrameHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let payload = PreparedPayload::new(payload.to_vec());
    encode_frame(segment, offset, header, &payload, &mut bytes);
    assert_eq!(bytes.len() as u64, payload.frame_bytes());
    bytes
}

fn read_frame<'b>(
    segment: &SegmentHeader,
    offset: u64,
    bytes: &'b [u8],
) -> Result<(FrameHeader, &'b [u8]), FrameFault> {
    let header = decode_header(segment, offset, bytes)?;
    Ok((header, check_payload(segment, offset, &header, bytes)?))
}

proptest! {
    #[test]
    fn file_headers_come_back_as_written(segment in segment_header()) {
        prop_assert!(SegmentHeader::decode(&segment.encode()) == Ok(segment));
        let meta = Meta { log_id: segment.log_id, made_at: segment.made_at };
        prop_assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
    }

    #[test]
    fn a_flipped_bit_in_a_file_header_is_found(segment in segment_header(), bit in 0..512_usize) {
        let mut bytes = segment.encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let fault = SegmentHeader::decode(&bytes).err();
        prop_assert!(matches!(fault, Some(HeaderFault::Magic | HeaderFault::Crc)));
        let mut bytes = Meta { log_id: segment.log_id, made_at: segment.made_at }.encode();
        let bit = bit % (META_BYTES * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let fault = Meta::decode(&bytes).err();
        prop_assert!(matches!(fault, Some(HeaderFault::Magic | HeaderFault::Crc)));
    }

    #[test]
    fn frames_come_back_as_written(
        segment in segment_header(),
        offset in any::<u64>(),
        header in frame_header(),
        payload in vec(any::<u8>(), 0..100),
        behind in vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = encoded(&segment, offset, header, &payload);
        prop_assert_eq!(bytes.len() % FRAME_ALIGN_BYTES as usize, 0);
        bytes.extend(behind);
        let (found, content) = read_frame(&segment, offset, &bytes).expect("a good frame");
        let expected = FrameHeader {
            payload_bytes: payload.len() as u32,
            payload_crc: found.payload_crc,
            ..header
        };
        prop_assert_eq!(found, expected);
        prop_assert_eq!(content, payload);
    }

    #[test]
    fn every_flipped_bit_in_a_frame_is_found(
        segment in segment_header(),
        header in frame_header(),
        payload in vec(any::<u8>(), 0..30),
    ) {
        let mut bytes = encoded(&segment, 64, header, &payload);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(read_frame(&segment, 64, &bytes).is_err(), "bit {}", bit);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        prop_assert!(read_frame(&segment, 64, &bytes).is_ok());
    }

    #[test]
    fn a_cut_frame_is_found(
        segment in segment_header(),
        header in frame_header(),
        payload in vec(any::<u8>(), 0..30),
    ) {
        let bytes = encoded(&segment, 64, header, &payload);
        for length in 0..bytes.len() {
            let fault = read_frame(&segment, 64, &bytes[..length]).err();
            let expected = match length {
                0 => FrameFault::Nothing,
                1..4 => FrameFault::Magic,
                4..HEADER_BYTES => FrameFault::HeaderCut,
                _ => FrameFault::PayloadCut,
            };
            prop_assert_eq!(fault, Some(expected), "{} bytes", length);
        }
    }

    /// Stale bytes of another file, frames moved within one, frames carried in a payload.
    #[test]
    fn a_frame_in_another_place_is_found(
        segment in segment_header(),
        header in frame_header(),
        payload in vec(any::<u8>(), 0..30),
        offset in any::<u64>(),
        change in 1..=u64::MAX,
        byte in 0..16_usize,
    ) {
        let bytes = encoded(&segment, offset, header, &payload);
        let mut log_id = segment.log_id;
        log_id.0[byte] ^= (change as u8).max(1);
        let elsewhere = [
            (SegmentHeader { salt: segment.salt ^ change, ..segment }, offset),
            (SegmentHeader { log_id, ..segment }, offset),
            (
                SegmentHeader { first_seq: Seq::new(segment.first_seq.get() ^ change), ..segment },
                offset,
            ),
            (segment, offset ^ change),
        ];
        for (place, (segment, offset)) in elsewhere.into_iter().enumerate() {
            let header = decode_header(&segment, offset, &bytes);
            prop_assert_eq!(header, Err(FrameFault::HeaderCrc), "place {}", place);
        }
    }

    /// As when a header's page was written and its payload's page was not.
    #[test]
    fn the_payload_of_another_frame_is_found(
        segment in segment_header(),
        header in frame_header(),
        payloads in vec(vec(any::<u8>(), 16), 2),
    ) {
        prop_assume!(payloads[0] != payloads[1]);
        let mut bytes = encoded(&segment, 64, header, &payloads[0]);
        let other = encoded(&segment, 64, header, &payloads[1]);
        bytes[HEADER_BYTES..].copy_from_slice(&other[HEADER_BYTES..]);
        prop_assert_eq!(read_frame(&segment, 64, &bytes).err(), Some(FrameFault::PayloadCrc));
    }

    #[test]
    fn a_length_beyond_the_limit_is_no_frame(
        segment in segment_header(),
        header in frame_header(),
        length in FRAME_PAYLOAD_BYTES_MAX as u32 + 1..,
    ) {
        let mut bytes = encoded(&segment, 64, header, b"");
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        let mut crc = segment.crc_seed();
        crc.update(&64_u64.to_le_bytes());
        crc.update(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.finalize().to_le_bytes());
        prop_assert!(decode_header(&segment, 64, &bytes).is_err());
    }

    #[test]
    fn any_bytes_can_be_looked_at(bytes in vec(any::<u8>(), 0..200), segment in segment_header()) {
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
        prop_assert!(Meta::decode(&bytes).is_err());
        prop_assert!(read_frame(&segment, 64, &bytes).is_err());
        prop_assert!(FrameTable::decode_seal(&bytes, &segment).is_none());
        // Some may happen to be a payload; none may panic.
        let _ = decode_events(&bytes, 1);
        let _ = decode_erased(&bytes, 1);
    }

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

    #[test]
    fn a_table_finds_the_frame_of_every_seq(
        header in segment_header(),
        frames in vec((1..100_u64, 64..40_000_u64), 0..60),
        asked in 0..7_000_u64,
    ) {
        let mut table = FrameTable::default();
        let (mut seq, mut offset) = (1, HEADER_BYTES as u64);
        let mut noted: Vec<(Seq, u64)> = Vec::new();
        for (count, bytes) in frames {
            table.note(Seq::new(seq), offset);
            if noted.last().is_none_or(|(_, last)| offset >= last + SEAL_SPACING_BYTES) {
                noted.push((Seq::new(seq), offset));
            }
            (seq, offset) = (seq + count, aligned(offset + bytes));
        }
        prop_assert_eq!(table.len(), noted.len());
        let floor = noted.iter().rev().find(|(first, _)| first.get() <= asked).copied();
        prop_assert_eq!(table.floor(Seq::new(asked)), floor);

        let payload = table.encode_seal(&header, offset);
        prop_assert_eq!(frame_bytes(payload.len() as u64), seal_bytes(table.len()));
        let end = payload.last_chunk().expect("a trailer");
        prop_assert_eq!(FrameTable::seal_offset(end), Some(offset));
        for cut in 1..payload.len() {
            prop_assert_eq!(FrameTable::decode_seal(&payload[cut..], &header), None);
        }
        prop_assert_eq!(FrameTable::decode_seal(&payload, &header), Some(table));
        let other = SegmentHeader { salt: !header.salt, ..header };
        prop_assert_eq!(FrameTable::decode_seal(&payload, &other), None);
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

#[test]
fn reserved_bytes_of_a_segment_header_are_ignored_but_covered() {
    let header = SegmentHeader {
        fold_version: 1,
        log_id: LogId([7; 16]),
        first_seq: Seq::FIRST,
        salt: 9,
        made_at: 0,
    };
    let mut bytes = header.encode();
    bytes[12] = 1;
    assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Crc));
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&bytes), Ok(header));

    // The seal repeats the header as it is in the file.
    let mut seal = FrameTable::default().encode_seal(&header, 64);
    seal[..HEADER_BYTES].copy_from_slice(&bytes);
    assert!(FrameTable::decode_seal(&seal, &header).is_some());
}

#[test]
fn a_later_format_version_is_named_and_not_called_damage() {
    let mut meta = Meta {
        log_id: LogId([7; 16]),
        made_at: 0,
    }
    .encode();
    meta[8] = 2;
    assert_eq!(Meta::decode(&meta), Err(HeaderFault::Crc));
    let crc = crc32fast::hash(&meta[..44]);
    meta[44..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(Meta::decode(&meta), Err(HeaderFault::Version(2)));
}

#[test]
fn frame_types_keep_their_numbers() {
    let numbers: Vec<_> = (0..=u8::MAX)
        .filter_map(|number| FrameType::from_number(number).map(|known| (number, known.name())))
        .collect();
    assert_eq!(
        numbers,
        [
            (1, "events"),
            (2, "mark"),
            (3, "seal"),
            (4, "hole"),
            (5, "erased"),
            (6, "control")
        ]
    );
}
