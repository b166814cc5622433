//! Risk: another log's segment, or bytes of a later version, are taken for this log's own,
//! or for damage.

use std::path::Path;

use super::damage::image;
use super::harness::{in_log, names, open, options};
use super::stores::{self, Store};
use crate::event::{KeyRule, Seq};
use crate::log::LogError;
use crate::log::format::FrameType;
use crate::log::frame::{FrameHeader, PreparedPayload, encode_frame};
use crate::log::header::SegmentHeader;
use crate::log::inventory::META_NAME;
use crate::log::storage::Storage;
use crate::log::storage::simulated::SimulatedDisk;

#[track_caller]
fn refusal(disk: &SimulatedDisk) -> LogError {
    let before = image(disk);
    let error = open(disk, options()).expect_err("it must not open");
    assert_eq!(image(disk), before);
    error
}

#[test]
fn a_segment_of_another_log_is_refused_by_name() {
    let (mine, other) = (stores::cleanly_stopped(), stores::cleanly_stopped());
    for place in 0..mine.segments.len() {
        let disk = mine.disk.snapshot();
        let foreign = &other.segments[place];
        assert_eq!(foreign.id, mine.segments[place].id);
        disk.write_file_durable(&foreign.path, &foreign.bytes);
        match refusal(&disk) {
            LogError::Foreign { segment, .. } => assert_eq!(segment.0.get(), foreign.id),
            other => panic!("{other}"),
        }
        // Without the meta file the first segment says whose log it is.
        disk.remove(Path::new(&in_log(META_NAME))).unwrap();
        assert!(matches!(refusal(&disk), LogError::Foreign { .. }));
    }
}

/// Puts a later format version into a file whose CRC ends at `crc_at`.
fn make_newer(disk: &SimulatedDisk, path: &str, crc_at: usize) {
    let mut bytes = disk.read_file(path);
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..crc_at]);
    bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    disk.write_file_durable(path, &bytes);
}

#[test]
fn a_later_format_version_is_refused_by_name() {
    let store = stores::killed_after_an_ack();
    for segment in &store.segments {
        let disk = store.disk.snapshot();
        make_newer(&disk, &segment.path, 60);
        match refusal(&disk) {
            LogError::Newer {
                segment: s, what, ..
            } => {
                assert_eq!((s.0.get(), what.as_str()), (segment.id, "format version 2"));
            }
            other => panic!("{other}"),
        }
    }
    let disk = store.disk.snapshot();
    make_newer(&disk, &in_log(META_NAME), 44);
    match refusal(&disk) {
        LogError::NewerMeta { path, version } => {
            assert_eq!(
                (path.as_path(), version),
                (Path::new(&in_log(META_NAME)), 2)
            );
        }
        other => panic!("{other}"),
    }
}

/// A killed store with one more frame, valid but for what `change` makes of its header.
pub(super) fn with_frame(change: impl Fn(&mut FrameHeader)) -> (Store, SimulatedDisk, u64) {
    let store = stores::killed_after_an_ack();
    let last = store.segments.last().unwrap();
    let disk = store.disk.snapshot();
    let mut header =
        FrameHeader::without_seqs(FrameType::Mark, store.history.last_acknowledged().next());
    header.durable_up_to = store.history.last_acknowledged();
    change(&mut header);
    let mut frame = Vec::new();
    encode_frame(
        &SegmentHeader::decode(&last.bytes).unwrap(),
        last.end() as u64,
        header,
        &PreparedPayload::new(b"from the future".to_vec()),
        &mut frame,
    );
    let mut bytes = last.bytes.clone();
    bytes[last.end()..last.end() + frame.len()].copy_from_slice(&frame);
    disk.write_file_durable(&last.path, &bytes);
    let offset = last.end() as u64;
    (store, disk, offset)
}

#[track_caller]
fn assert_newer(change: impl Fn(&mut FrameHeader), name: &str) {
    let (store, disk, at) = with_frame(change);
    match refusal(&disk) {
        LogError::Newer {
            segment,
            offset,
            what,
        } => {
            assert_eq!(segment.0.get(), store.segments.last().unwrap().id);
            assert_eq!((offset, what.as_str()), (at, name));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn frames_that_must_be_understood_and_are_not_are_refused_by_name() {
    assert_newer(|header| header.type_number = 7, "frame type 7");
    assert_newer(|header| header.type_number = 127, "frame type 127");
    assert_newer(|header| header.flags = 0x0002, "frame flag 0x0002");
    assert_newer(|header| header.flags = 0x0081, "frame flag 0x0080");
    assert_newer(
        |header| {
            header.type_number = FrameType::Events as u8;
            (header.count, header.key_rule) = (1, 3);
        },
        "key rule 3",
    );
    assert_newer(
        |header| {
            header.type_number = FrameType::Events as u8;
            (header.count, header.key_rule) = (1, KeyRule::TopicAndId as u8);
            header.flags = 0x0001;
        },
        "frame flag 0x0001",
    );
}

#[test]
fn frames_that_may_be_skipped_are_skipped_and_kept() {
    let changes: [fn(&mut FrameHeader); 3] = [
        |header| header.type_number = 128,
        |header| (header.type_number, header.flags) = (255, 0xFF00),
        |header| (header.type_number, header.flags) = (FrameType::Control as u8, 0x8100),
    ];
    for change in changes {
        let (store, disk, _) = with_frame(change);
        let opened = open(&disk, options()).unwrap();
        let mut history = store.history.clone();
        history.judge(&opened.live, opened.next_seq).unwrap();
        assert_eq!(opened.unclean.unwrap().torn, None);
    }
}

#[test]
fn the_meta_file_is_made_anew_with_the_same_identity() {
    let store = stores::killed_after_an_ack();
    let id = open(&store.disk.snapshot(), options())
        .unwrap()
        .live
        .log_id();
    let meta = store.disk.read_file(in_log(META_NAME));
    for damage in 0..=meta.len() {
        let disk = store.disk.snapshot();
        if damage == meta.len() {
            disk.remove(Path::new(&in_log(META_NAME))).unwrap();
        } else {
            disk.flip_bit(in_log(META_NAME), damage, (damage % 8) as u8);
        }
        let opened = open(&disk, options()).unwrap();
        assert_eq!(opened.live.log_id(), id);
        assert!(!opened.created);
        let anew = disk.read_file_durable(in_log(META_NAME));
        assert_eq!(anew[..32], meta[..32], "damage to byte {damage}");
        assert_eq!(opened.next_seq, Seq::new(10));
        assert_eq!(names(&disk, ".tmp-"), [""; 0]);
    }
}
