//! What the bodies are for: the golden log, and events as they are published.

use std::path::{Path, PathBuf};

use crate::fuzzing::recovery::opens as recovery_opens;
use crate::fuzzing::repaired::{self, segment_header};
use crate::log::format::{FrameType, HEADER_BYTES, SEAL_ENTRY_BYTES, SEAL_TRAILER_BYTES};
use crate::log::header::Meta;
use crate::log::inventory::Inventory;
use crate::log::reader::{FrameWalk, Step};
use crate::log::segment::SegmentFile;
use crate::log::storage::FileSystem;

/// Checksums are made right, and frames follow each other.
const REPAIRED: u8 = 3;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// The payload of a seal that names one frame.
const ONE_PLACE: usize = HEADER_BYTES + SEAL_ENTRY_BYTES + SEAL_TRAILER_BYTES;

/// The golden log without its large frames: names and bytes of its segments.
fn small_log() -> Vec<(u8, Vec<u8>)> {
    let directory = data("golden/log");
    let inventory = Inventory::read(&FileSystem, &directory).expect("the golden log");
    let mut due = 1;
    let segments = inventory.segments.iter().map(|id| {
        let segment = SegmentFile::open(&FileSystem, &directory, *id).expect("a segment");
        let header = segment_header(due);
        let mut bytes = header.encode().to_vec();
        let mut walk = FrameWalk::of_file(&segment);
        while let Ok(Step::Frame(frame)) = walk.step() {
            if walk.payload().len() < 1000 {
                due += u64::from(frame.header.count);
                // With the frames go all places but one that the seal names.
                let is_seal = frame.frame_type == Some(FrameType::Seal);
                let payload = &walk.payload()
                    [..if is_seal { ONE_PLACE } else { usize::MAX }.min(walk.payload().len())];
                bytes.extend_from_slice(walk.head(&frame));
                bytes.extend_from_slice(payload);
                bytes.resize(bytes.len().next_multiple_of(8), 0);
            }
        }
        repaired::segment(&header, &mut bytes, true);
        (header.first_seq.get() as u8, bytes)
    });
    segments.collect()
}

/// For `frame`: each frame of the golden log, and its payload alone; the headers of its files.
pub(super) fn frames() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    let directory = data("golden/log");
    let inventory = Inventory::read(&FileSystem, &directory).expect("the golden log");
    for id in inventory.segments {
        let segment = SegmentFile::open(&FileSystem, &directory, id).expect("a segment");
        let header = segment.header.encode();
        inputs.push([&[1], &header[..]].concat());
        let mut walk = FrameWalk::of_file(&segment);
        while let Ok(Step::Frame(frame)) = walk.step() {
            let mut whole = walk.head(&frame).to_vec();
            whole.extend_from_slice(walk.payload());
            whole.resize(whole.len().next_multiple_of(8), 0);
            inputs.push([&[12], &whole[..]].concat());
            if !walk.payload().is_empty() {
                let count = frame.header.count as u8;
                inputs.push([&[2, count], walk.payload()].concat());
                inputs.push([&[3, count], walk.payload()].concat());
            }
        }
    }
    inputs.push(
        [
            &[1],
            &std::fs::read(data("golden/log/log.meta")).expect("meta")[..],
        ]
        .concat(),
    );
    inputs
}

/// For `recovery`: a directory with these files.
fn directory(choices: u8, files: &[(u8, &[u8])]) -> Vec<u8> {
    let mut input = vec![choices, 12];
    for (name, bytes) in files {
        input.push(*name);
        input.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        input.extend_from_slice(bytes);
    }
    input
}

/// That log, whole and in parts, as it is and as one whose checksums are made right.
pub(super) fn logs() -> Vec<Vec<u8>> {
    let meta = Meta {
        log_id: segment_header(1).log_id,
        made_at: 0,
    };
    let (meta, log) = (meta.encode(), small_log());
    let files: Vec<(u8, &[u8])> = log
        .iter()
        .map(|(name, bytes)| (*name, &bytes[..]))
        .collect();
    let (first, last) = (files[0], files[1]);
    let mut inputs = Vec::new();
    for choices in [0, 4, 8, REPAIRED, REPAIRED | 4, REPAIRED | 8, REPAIRED | 16] {
        let meta = (251, &meta[..]);
        let room = [last.1, &[0; 200]].concat();
        inputs.push(directory(choices, &[meta, first, (last.0, &room)]));
        inputs.push(directory(
            choices,
            &[first, last, (252, b"room"), (253, b"left over")],
        ));
        inputs.push(directory(
            choices,
            &[(1, &first.1[..first.1.len() - 40]), (254, b"torn")],
        ));
        let cut = (last.0, &last.1[..HEADER_BYTES + 100]);
        inputs.push(directory(choices, &[meta, first, cut]));
    }
    inputs.push(directory(REPAIRED, &[(1, &first.1[..HEADER_BYTES])]));
    inputs
}

/// They do begin with logs that are whole.
#[test]
fn the_small_log_opens() {
    for input in &logs()[..2] {
        assert!(recovery_opens(input));
    }
}

/// For `publish`.
pub(super) fn bodies() -> Vec<Vec<u8>> {
    let events = std::fs::read_to_string(data("github-webhooks.ndjson")).expect("events");
    let mut events: Vec<&str> = events.lines().collect();
    events.sort_by_key(|event| event.len());
    let mut bodies: Vec<String> = events
        .iter()
        .take(3)
        .map(|event| (*event).to_owned())
        .collect();
    bodies.push(format!("[{}]", events[..2].join(",")));
    let written = [
        r#"{"topic":"t","event_id":"1","payload":{"a":[1,2.50,-0,1e400],"a":null}}"#,
        r#"[{"topic":"t","event_id":"1","payload":1},{"topic":"t","event_id":"2","payload":1.0e0}]"#,
        r#"{"events":[{"topic":"t","event_id":"1","payload":"\ud83d\ude00\ud800"},{"topic":"t"}]}"#,
        r#"{"\u0074opic":"t","event_id":"\u00e9","source":null,"timestamp":"2024-02-29T23:59:60.5+02:00","payload":[]}"#,
        r#"{"topic":"t","event_id":"1","source":"s","timestamp":"2024-05-01 12:34:56","payload":true,"~/":0}"#,
        r#"{"events":[],"topic":"t","\ud800":1}"#,
        r#"{"topic":"t","topic":"u","event_id":"1","payload":{}}"#,
        r#"[5,{},[],"",{"topic":1,"event_id":"","source":"\n","timestamp":"x","payload":null}]"#,
        r#"[{"topic":"t","event_id":"1","payload":{"b":12e2,"a":"é"}},{"topic":"t","event_id":"2","payload":{"a":"\u00e9","b":1200}}]"#,
        "",
        "\u{feff}{}",
        " \n",
        "[[[[",
    ];
    bodies.extend(written.map(str::to_owned));
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    bodies.push(format!(
        r#"{{"topic":"t","event_id":"1","payload":{deep}}}"#
    ));
    let long = "x".repeat(257);
    bodies.push(format!(
        r#"{{"topic":"{long}","event_id":"1","payload":"{long}","{long}":1}}"#
    ));
    bodies.push(format!("[{}]", vec!["1"; 120].join(",")));
    bodies.into_iter().map(String::into_bytes).collect()
}

/// For `fold`: payloads that are equal in their ways, and steps.
pub(super) fn histories() -> Vec<Vec<u8>> {
    let payloads: [(u8, &str); 11] = [
        (1, "1"),
        (1, "1.0"),
        (1, "10e-1"),
        (0, "1"),
        (1, r#"{"a":1,"b":[2]}"#),
        (1, r#"{ "b":[2.0], "a":1 }"#),
        (1, r#"{"a":1,"a":2}"#),
        (1, r#"{"a":2,"a":1}"#),
        (1, "1e99999999999999999999999999999999999999"),
        (1, "10e99999999999999999999999999999999999998"),
        (1, "not json"),
    ];
    let mut palette = vec![payloads.len() as u8 - 1];
    for (kind, text) in payloads {
        palette.extend([kind, text.len() as u8]);
        palette.extend_from_slice(text.as_bytes());
    }
    let with = |steps: &[u8]| [&palette[..], steps].concat();
    let event = |id: u8, payload: u8| [id % 3, id, payload];
    let batch = |ids: std::ops::Range<u8>, payload: u8| {
        let mut step = vec![0xf6];
        ids.for_each(|id| step.extend(event(id, payload)));
        step
    };
    let mut inputs = vec![with(&[]), with(&[0, 7, 1, 3, 2])];
    for first in 0..payloads.len() as u8 {
        let other = (first + 1) % payloads.len() as u8;
        let steps = [
            batch(0..8, first),
            vec![1],
            batch(4..12, other),
            vec![3, 4],
            batch(0..8, other),
        ];
        inputs.push(with(&steps.concat()));
        let steps = [
            batch(0..8, first),
            vec![5, 0, 3],
            batch(0..8, other),
            vec![2],
            batch(8..16, first),
        ];
        inputs.push(with(&steps.concat()));
    }
    let mut long = Vec::new();
    for round in 0..12 {
        long.extend(batch(round * 5..round * 5 + 8, round));
        long.extend([[1, 4], [0, 3], [3, 1]][usize::from(round % 3)]);
    }
    inputs.push(with(&long));
    inputs
}
