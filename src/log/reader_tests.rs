//! Valid frames that break a rule: what is damage, what a later version wrote, what may be
//! passed over. And where damage is said to be.

use std::path::Path;
use std::sync::Arc;

use super::error::{Fault, LogError};
use super::format::*;
use super::frame::{FrameFault, FrameHeader, PreparedPayload, encode_frame};
use super::header::SegmentHeader;
use super::reader::{FrameWalk, InParts, Step, StepError};
use super::recovery::{RecoveryOptions, recover};
use super::segment::{SegmentFile, SegmentId};
use super::storage::FileSystem;
use crate::event::Seq;

const SEGMENT: SegmentHeader = SegmentHeader {
    fold_version: 1,
    log_id: LogId([7; 16]),
    first_seq: Seq::FIRST,
    salt: 9,
    made_at: 0,
};

/// The first step of a walk over a segment with this frame.
fn step_over(header: FrameHeader) -> Result<Step, StepError> {
    let dir = tempfile::tempdir().expect("a directory");
    let id = SegmentId(Seq::FIRST);
    let mut bytes = SEGMENT.encode().to_vec();
    let payload = PreparedPayload::new(Vec::new());
    encode_frame(&SEGMENT, 64, header, &payload, &mut bytes);
    std::fs::write(dir.path().join(id.file_name()), bytes).expect("a segment");
    let segment = SegmentFile::open(&FileSystem, dir.path(), id).expect("a good header");
    FrameWalk::of_file(&segment).step()
}

fn frame(type_number: u8, count: u32, flags: u16) -> FrameHeader {
    FrameHeader {
        type_number,
        count,
        flags,
        key_rule: 1,
        ..FrameHeader::without_seqs(FrameType::Mark, Seq::FIRST)
    }
}

#[test]
fn a_frame_takes_as_many_seqs_as_its_type_can() {
    let most = FRAME_EVENTS_MAX;
    for (type_number, good, bad) in [
        (1, vec![1, most], vec![0, most + 1]),
        (2, vec![0], vec![1]),
        (3, vec![0], vec![1]),
        (4, vec![1, u32::MAX], vec![0]),
        (5, vec![1, most], vec![0, most + 1]),
        (6, vec![0], vec![1]),
    ] {
        for count in good {
            let step = step_over(frame(type_number, count, 0));
            assert!(
                matches!(step, Ok(Step::Frame(_))),
                "{type_number}: {step:?}"
            );
        }
        for count in bad {
            let step = step_over(frame(type_number, count, 0));
            assert!(
                matches!(step, Ok(Step::Fault(Fault::SeqCount { found })) if found == count),
                "{type_number}: {step:?}"
            );
        }
    }
}

#[test]
fn what_may_not_be_passed_over_is_refused_by_name() {
    for (type_number, count, flags, named) in [
        (7, 0, 0, "frame type 7"),
        (127, 0, 0, "frame type 127"),
        (128, 1, 0, "frame type 128"),
        (128, 0, 1, "frame flag 0x0001"),
        (1, 1, 1, "frame flag 0x0001"),
        (2, 0, 2, "frame flag 0x0002"),
        (2, 0, 0x80, "frame flag 0x0080"),
    ] {
        let step = step_over(frame(type_number, count, flags));
        assert!(
            matches!(&step, Err(StepError::Newer(what)) if what == named),
            "{named}: {step:?}"
        );
    }
    for (type_number, count, flags) in [(128, 0, 0), (255, 0, 0xFF00), (1, 1, 0x0100), (2, 0, 1)] {
        let step = step_over(frame(type_number, count, flags));
        assert!(
            matches!(step, Ok(Step::Frame(_))),
            "{type_number}: {step:?}"
        );
    }
}

/// A segment that lost its end lost seqs in the middle of the log: which, must be said.
#[test]
fn a_broken_seal_does_not_hide_where_the_damage_begins() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/log");
    for (length, offset, seq) in [(67_100, 67_064, 10), (66_900, 1296, 8), (700, 664, 5)] {
        let dir = tempfile::tempdir().expect("a directory");
        for entry in std::fs::read_dir(&golden)
            .expect("the golden log")
            .flatten()
        {
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("a copy");
        }
        let first = dir.path().join(SegmentId(Seq::FIRST).file_name());
        let bytes = std::fs::read(&first).expect("a golden segment");
        std::fs::write(&first, &bytes[..length]).expect("a cut segment");
        let options = RecoveryOptions {
            new_log_id: LogId([0; 16]),
            now: 0,
            index_flushed: None,
            verify_bytes: 0,
        };
        match recover(&FileSystem, dir.path(), &options) {
            Err(LogError::Corrupt(damage)) => {
                assert_eq!((damage.offset, damage.seq), (offset, Seq::new(seq)));
            }
            other => panic!("cut to {length}: {other:?}"),
        }
    }
}

#[test]
fn a_frame_that_ends_behind_the_limit_is_not_read_in_parts_either() {
    let dir = tempfile::tempdir().expect("a directory");
    let id = SegmentId(Seq::FIRST);
    let mut bytes = SEGMENT.encode().to_vec();
    let payload = PreparedPayload::new(vec![7; 1000]);
    encode_frame(&SEGMENT, 64, frame(1, 1, 0), &payload, &mut bytes);
    std::fs::write(dir.path().join(id.file_name()), &bytes).expect("a segment");
    let segment = SegmentFile::open(&FileSystem, dir.path(), id).expect("a good header");
    for over_bytes in [0, 900, 1064, u64::MAX] {
        let known = Arc::default();
        let mut walk = FrameWalk::of_file(&segment).in_parts(InParts { over_bytes, known });
        walk.set_limit(bytes.len() as u64 - 1);
        let cut = walk.step();
        assert!(
            matches!(cut, Ok(Step::Fault(Fault::Frame(FrameFault::PayloadCut)))),
            "{over_bytes}: {cut:?}"
        );
        walk.set_limit(bytes.len() as u64);
        assert!(matches!(walk.step(), Ok(Step::Frame(_))), "{over_bytes}");
        assert_eq!(walk.take_parts().is_some(), over_bytes < 1064);
    }
}
