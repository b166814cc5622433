//! The golden files: a small log, frozen. What is written here must give their bytes, and
//! their bytes must give what is written here.
//!
//! A normal test run never writes them. A new format version gets a new directory; within
//! one they change only before the first release, by
//! `ONCELOG_REGENERATE_GOLDEN=1 cargo test --lib regenerate_golden_files -- --ignored`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::codec::{
    Erased, ErasedEvent, decode_erased, decode_events, encode_erased, encode_events,
};
use super::format::*;
use super::frame::{FrameHeader, PreparedPayload, encode_frame};
use super::header::{FrameTable, Meta, SegmentHeader};
use super::inventory::Inventory;
use super::reader::{FrameWalk, Step};
use super::segment::{SegmentFile, SegmentId};
use super::storage::FileSystem;
use super::survey::check_sealed;
use super::tail::{Ending, examine};
use crate::event::{Batch, Event, EventLimits, KeyRule, PayloadKind, Seq};

const LOG_ID: LogId = LogId(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
/// 2026-01-02T03:04:05.678901Z
const TIME: i64 = 1_767_323_045_678_901;
const SECOND_SEGMENT: u64 = 10;
const NEXT_SEQ: u64 = 17;
const ROOM_END: usize = 2048;
const SKIPPABLE_TYPE: u8 = 200;
const BATCH_ATTRIBUTES: &[u8] = b"\x01\x06tenant\x04acme";
const CONTROL_PAYLOAD: &[u8] = b"\x01\x00\x00\x00\xAB";

fn log_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/log")
}

fn meta() -> Meta {
    Meta {
        log_id: LOG_ID,
        made_at: TIME - 2,
    }
}

fn segment_header(first_seq: u64, salt: u64) -> SegmentHeader {
    SegmentHeader {
        fold_version: 1,
        log_id: LOG_ID,
        first_seq: Seq::new(first_seq),
        salt,
        made_at: TIME - 1,
    }
}

fn event(topic: &'static str, event_id: &'static str, payload: &'static [u8]) -> Event<'static> {
    Event {
        topic: topic.into(),
        event_id: event_id.into(),
        source: "".into(),
        timestamp: None,
        kind: PayloadKind::Json,
        payload,
        attributes: Vec::new(),
    }
}

fn plain_batch() -> Vec<Event<'static>> {
    let payload = br#"{"total":19.90,"items":[1,2,3],"note":null}"#;
    vec![event("orders", "order-1", payload)]
}

/// Escapes, text beyond ASCII, line breaks, numbers that no float holds.
fn text_batch() -> Vec<Event<'static>> {
    let escapes = br#"{"text":"\"quoted\" \\ \/ \b\f\n\r\t caf\u00e9 \ud83e\udd80 \u0000"}"#;
    let lines = b"[\n  1,\r\n\t1e400, -0, 10000000000000000000001\n]";
    vec![
        Event {
            source: "web-1".into(),
            timestamp: Some("2026-01-02T03:04:05.678901+02:00".into()),
            attributes: vec![
                (
                    "traceparent".into(),
                    "00-0af7651916cd43dd-b7ad6b71-01".into(),
                ),
                ("tracestate".into(), "".into()),
            ],
            ..event("chat.messages", "m-1", escapes)
        },
        Event {
            timestamp: Some("2026-01-02T03:04:05".into()),
            ..event("größe/世界 🦀", "ключ-1", "\"Grüße, 世界 🦀\"".as_bytes())
        },
        event("chat.messages", "m-2", lines),
    ]
}

/// CloudEvents: key rule 2, bytes that look like a frame, an id that needs a long length.
fn cloud_batch() -> Vec<Event<'static>> {
    let from = |source: &'static str, event| Event {
        source: source.into(),
        ..event
    };
    vec![
        Event {
            kind: PayloadKind::Bytes,
            attributes: vec![
                ("specversion".into(), "1.0".into()),
                ("type".into(), "reading".into()),
            ],
            ..from(
                "urn:sensor:1",
                event("readings", "ce-1", b"\x00\xFF\xF7OLF\x80\n"),
            )
        },
        Event {
            event_id: Cow::Owned("i".repeat(256)),
            ..from("urn:sensor:1", event("readings", "", b"true"))
        },
        Event {
            kind: PayloadKind::Bytes,
            ..from("urn:sensor:2", event("readings", "ce-1", b""))
        },
    ]
}

/// Long enough for a length of four bytes and for a second pair in the seal.
fn long_payload() -> Vec<u8> {
    let mut payload = vec![b'a'; 65_538];
    (payload[0], payload[65_537]) = (b'"', b'"');
    payload
}

fn erased() -> Erased<'static> {
    let digests = |number: u8, topic, verdict| ErasedEvent {
        topic,
        verdict,
        key: [number; 16],
        payload: [number + 0x10; 16],
        canonical: [number + 0x20; 32],
    };
    Erased {
        topics: vec!["orders", "größe/世界 🦀"],
        events: vec![digests(1, 0, 1), digests(2, 1, 2), digests(3, 0, 3)],
    }
}

struct GoldenFrame {
    header: FrameHeader,
    payload: Vec<u8>,
}

struct GoldenSegment {
    header: SegmentHeader,
    frames: Vec<GoldenFrame>,
}

/// A frame where `first_seq` is due, received that many µs after `TIME`.
fn frame(number: u8, first_seq: u64, durable_up_to: u64, payload: Vec<u8>) -> GoldenFrame {
    let header = FrameHeader {
        type_number: number,
        received_at: TIME + first_seq as i64,
        durable_up_to: Seq::new(durable_up_to),
        ..FrameHeader::without_seqs(FrameType::Mark, Seq::new(first_seq))
    };
    GoldenFrame { header, payload }
}

fn events_frame(
    rule: KeyRule,
    first_seq: u64,
    durable_up_to: u64,
    events: &[Event<'_>],
) -> GoldenFrame {
    let batch = Batch::new(rule, events.to_vec(), &EventLimits::default()).expect("good events");
    let payload = encode_events(&batch).expect("a short payload");
    let mut frame = frame(FrameType::Events as u8, first_seq, durable_up_to, payload);
    frame.header.key_rule = rule as u8;
    frame.header.count = events.len() as u32;
    frame
}

fn first_segment() -> GoldenSegment {
    let long = long_payload();
    let long_event = Event {
        payload: &long,
        ..event("orders", "order-2", b"")
    };
    let mut cloud = events_frame(KeyRule::SourceAndId, 5, 4, &cloud_batch());
    // This version writes no batch attributes; a reader takes them.
    cloud.payload.splice(..1, BATCH_ATTRIBUTES.iter().copied());
    (cloud.header.origin_epoch, cloud.header.origin_seq) = (3, 1 << 40);
    let mut skippable = frame(SKIPPABLE_TYPE, 8, 7, b"of a later version".to_vec());
    skippable.header.flags = 0x0100;
    skippable.header.key_rule = 9;
    let mut control = frame(FrameType::Control as u8, 8, 7, CONTROL_PAYLOAD.to_vec());
    control.header.received_at = -1;
    GoldenSegment {
        header: segment_header(1, 0x0123_4567_89AB_CDEF),
        frames: vec![
            events_frame(KeyRule::TopicAndId, 1, 0, &plain_batch()),
            events_frame(KeyRule::TopicAndId, 2, 0, &text_batch()),
            frame(FrameType::Mark as u8, 5, 4, Vec::new()),
            cloud,
            skippable,
            control,
            events_frame(KeyRule::TopicAndId, 8, 7, &[long_event]),
            events_frame(KeyRule::TopicAndId, 9, 7, &plain_batch()),
        ],
    }
}

fn second_segment() -> GoldenSegment {
    let mut hole = frame(FrameType::Hole as u8, SECOND_SEGMENT, 9, Vec::new());
    hole.header.count = 3;
    let content = encode_erased(&erased()).expect("a short payload");
    let mut gone = frame(FrameType::Erased as u8, 13, 12, content);
    (gone.header.count, gone.header.key_rule) = (3, KeyRule::TopicAndId as u8);
    let mut shutdown = frame(FrameType::Mark as u8, 16, 15, Vec::new());
    shutdown.header.flags = FLAG_SHUTDOWN;
    GoldenSegment {
        header: segment_header(SECOND_SEGMENT, 0xFEDC_BA98_7654_3210),
        frames: vec![
            hole,
            gone,
            shutdown,
            events_frame(KeyRule::TopicAndId, 16, 15, &plain_batch()),
            frame(FrameType::Mark as u8, NEXT_SEQ, 16, Vec::new()),
        ],
    }
}

impl GoldenSegment {
    fn encode(&self) -> (Vec<u8>, FrameTable) {
        let mut bytes = self.header.encode().to_vec();
        let mut table = FrameTable::default();
        for GoldenFrame { header, payload } in &self.frames {
            let offset = bytes.len() as u64;
            if header.count > 0 {
                table.note(header.first_seq, offset);
            }
            let payload = PreparedPayload::new(payload.clone());
            encode_frame(&self.header, offset, *header, &payload, &mut bytes);
        }
        (bytes, table)
    }

    fn file_name(&self) -> String {
        SegmentId(self.header.first_seq).file_name()
    }
}

/// Names and bytes of all files.
fn golden_files() -> Vec<(String, Vec<u8>)> {
    let (first, second) = (first_segment(), second_segment());
    let (mut sealed, table) = first.encode();
    let offset = sealed.len() as u64;
    let seal = frame(
        FrameType::Seal as u8,
        SECOND_SEGMENT,
        SECOND_SEGMENT - 1,
        table.encode_seal(&first.header, offset),
    );
    let payload = PreparedPayload::new(seal.payload);
    encode_frame(&first.header, offset, seal.header, &payload, &mut sealed);
    let (mut active, _) = second.encode();
    active.resize(ROOM_END, 0);
    vec![
        ("log.meta".to_owned(), meta().encode().to_vec()),
        (first.file_name(), sealed),
        (second.file_name(), active),
    ]
}

fn open(first_seq: u64) -> SegmentFile {
    SegmentFile::open(&FileSystem, &log_dir(), SegmentId(Seq::new(first_seq)))
        .expect("a golden segment")
}

#[test]
fn the_encoder_still_writes_the_golden_bytes() {
    for (name, bytes) in golden_files() {
        let frozen = std::fs::read(log_dir().join(&name)).expect("a golden file");
        let differs = frozen.iter().zip(&bytes).position(|(a, b)| a != b);
        assert_eq!(differs, None, "first differing byte of {name}");
        assert_eq!(frozen.len(), bytes.len(), "length of {name}");
    }
}

#[test]
fn the_golden_headers_still_decode() {
    let inventory = Inventory::read(&FileSystem, &log_dir()).expect("the golden log");
    assert_eq!(inventory.meta, Some(meta()));
    let segments = [first_segment(), second_segment()].map(|s| SegmentId(s.header.first_seq));
    assert_eq!(inventory.segments, segments);
    for golden in [first_segment(), second_segment()] {
        // Compared without `assert_eq`: its message would lack the salt.
        assert!(open(golden.header.first_seq.get()).header == golden.header);
    }
}

#[test]
fn the_golden_frames_still_decode_to_what_was_written() {
    for golden in [first_segment(), second_segment()] {
        let mut walk = FrameWalk::of_file(&open(golden.header.first_seq.get()));
        for GoldenFrame { header, payload } in &golden.frames {
            let Step::Frame(frame) = walk.step().expect("a readable file") else {
                panic!("no frame for seq {}", header.first_seq);
            };
            let expected = FrameHeader {
                payload_bytes: payload.len() as u32,
                payload_crc: frame.header.payload_crc,
                ..*header
            };
            assert_eq!(frame.header, expected);
            assert!(walk.payload() == payload, "payload at {}", frame.offset);
        }
    }
}

#[test]
fn the_golden_payloads_still_decode_to_the_events_that_were_written() {
    let long = long_payload();
    let long_batch = vec![Event {
        payload: &long,
        ..event("orders", "order-2", b"")
    }];
    let first: [(usize, Vec<Event<'_>>); 5] = [
        (0, plain_batch()),
        (1, text_batch()),
        (3, cloud_batch()),
        (6, long_batch),
        (7, plain_batch()),
    ];
    let payloads = payloads_of(1);
    for (place, events) in first {
        let decoded = decode_events(&payloads[place], events.len() as u32).expect("events");
        assert!(decoded == events, "frame {place} of the first segment");
    }
    assert_eq!(payloads[5], CONTROL_PAYLOAD);
    let payloads = payloads_of(SECOND_SEGMENT);
    assert_eq!(decode_erased(&payloads[1], 3).expect("digests"), erased());
    assert_eq!(
        decode_events(&payloads[3], 1).expect("events"),
        plain_batch()
    );
}

fn payloads_of(first_seq: u64) -> Vec<Vec<u8>> {
    let mut walk = FrameWalk::of_file(&open(first_seq));
    let mut payloads = Vec::new();
    while let Ok(Step::Frame(_)) = walk.step() {
        payloads.push(walk.payload().to_vec());
    }
    payloads
}

#[test]
fn the_golden_seal_and_tail_are_still_understood() {
    let first = open(1);
    check_sealed(&first).expect("an intact segment");
    let seal = first.seal().expect("a readable file").expect("a seal");
    assert_eq!(seal.next_seq, Seq::new(SECOND_SEGMENT));
    assert_eq!(seal.table, first_segment().encode().1);
    assert_eq!(seal.table.len(), 2);

    let tail = examine(&open(SECOND_SEGMENT), None).expect("an intact tail");
    assert_eq!(tail.ending, Ending::Open);
    assert_eq!(tail.end, second_segment().encode().0.len() as u64);
    assert_eq!(tail.due, Seq::new(NEXT_SEQ));
    assert_eq!(tail.proven, Seq::new(NEXT_SEQ - 1));
    assert_eq!(tail.torn_end, None);
}

#[test]
#[ignore = "writes the frozen files; see the top of this file"]
fn regenerate_golden_files() {
    // Only on purpose: this runs with the long campaigns too.
    if std::env::var("ONCELOG_REGENERATE_GOLDEN").as_deref() != Ok("1") {
        return;
    }
    std::fs::create_dir_all(log_dir()).expect("a directory");
    for (name, bytes) in golden_files() {
        std::fs::write(log_dir().join(name), bytes).expect("a golden file");
    }
}
