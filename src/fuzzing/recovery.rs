//! The files of a log, of whatever bytes: a start refuses them and changes nothing, or makes of
//! them a log that is whole, and the same at the next start, also when the power fails in between.
//! A sweep accounts for every seq in any case.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::input::Input;
use super::repaired::{self, segment_header};
use crate::event::Seq;
use crate::log::codec::decode_events;
use crate::log::format::FrameType;
use crate::log::header::Meta;
use crate::log::inventory::{META_NAME, RESERVE_NAME, TORN_PREFIX};
use crate::log::segment::SegmentId;
use crate::log::storage::simulated::{SimulatedDisk, Survival};
use crate::log::storage::{Storage, TEMP_PREFIX};
use crate::log::sweep::{Found, Sweep, SweepOptions};
use crate::log::{self, LogError, LogOptions, OpenedLog, Reading};

const LOG: &str = "/log";
const FILES_MAX: usize = 8;
/// So many events are also read by their seqs.
const PICKED_MAX: u64 = 32;

/// What a log serves: of each frame with seqs the first, the next one, and the payload.
type Served = Vec<(Seq, Seq, Vec<u8>)>;

/// The first byte says what is made right, the second what an index proves; then come the files:
/// a byte for the name, two for the length, and the content.
pub fn recovery(data: &[u8]) {
    opens(data);
}

/// Whether they are a log that starts.
pub(super) fn opens(data: &[u8]) -> bool {
    let mut input = Input(data);
    let (choices, flushed) = (input.byte(), input.byte());
    let disk = planted(&mut input, choices);
    let options = || LogOptions {
        segment_bytes: 4096,
        min_free_bytes: 0,
        verify_bytes: if choices & 4 == 0 { u64::MAX } else { 0 },
        reserve_bytes: 4096,
        index_flushed: (choices & 8 != 0).then_some(Seq::new(u64::from(flushed))),
        clock: || 1_700_000_000_000_000,
    };
    let open = |disk: &SimulatedDisk| log::open(Arc::new(disk.clone()), Path::new(LOG), options());
    swept(&disk, options().index_flushed);
    let before = image(&disk);
    let opened = match open(&disk) {
        Ok(opened) => opened,
        Err(error) => {
            assert_eq!(disk.operations(), 0, "{error}\n{}", disk.operation_log());
            assert_eq!(image(&disk), before);
            let again = open(&disk).expect_err("nothing has changed");
            assert_eq!(again.to_string(), error.to_string());
            return false;
        }
    };
    // Without it only the ends of sealed segments were looked at.
    let is_verified = options().verify_bytes > 0;
    let first = served(&opened, is_verified);
    let (log_id, next_seq) = (opened.live.log_id(), opened.next_seq);
    drop(opened);
    for survival in [
        Survival::PageCache,
        Survival::Nothing,
        Survival::Everything,
        Survival::Random(u64::from(flushed)),
    ] {
        let disk = disk.crash(survival);
        let again = open(&disk).unwrap_or_else(|error| panic!("{survival:?}: {error}"));
        let ids = (again.live.log_id(), again.next_seq);
        assert_eq!(ids, (log_id, next_seq), "{survival:?}");
        assert!(!again.created);
        assert_eq!(served(&again, is_verified), first, "{survival:?}");
        swept(&disk, options().index_flushed);
    }
    true
}

fn planted(input: &mut Input<'_>, choices: u8) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new(LOG)).expect("a new disk");
    disk.sync_dir(Path::new("/")).expect("a new disk");
    let meta = Meta {
        log_id: segment_header(1).log_id,
        made_at: 0,
    };
    if choices & 16 != 0 {
        plant(&disk, META_NAME, &meta.encode());
    }
    for _ in 0..FILES_MAX {
        if input.is_over() {
            break;
        }
        let name = input.byte();
        let length = input.u16();
        let mut bytes = input.take(usize::from(length)).to_vec();
        let name = match name {
            251 => META_NAME.to_owned(),
            252 => RESERVE_NAME.to_owned(),
            253 => format!("{TEMP_PREFIX}1"),
            254 => format!("{TORN_PREFIX}00000000000000000001-64.bin"),
            255 => "somebody's".to_owned(),
            seq => {
                let seq = u64::from(seq);
                if choices & 1 != 0 {
                    repaired::segment(&segment_header(seq), &mut bytes, choices & 2 != 0);
                }
                SegmentId(Seq::new(seq)).file_name()
            }
        };
        plant(&disk, &name, &bytes);
    }
    disk.snapshot()
}

fn plant(disk: &SimulatedDisk, name: &str, bytes: &[u8]) {
    disk.write_file_durable(format!("{LOG}/{name}"), bytes);
}

/// Every file with its bytes.
fn image(disk: &SimulatedDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list(Path::new(LOG)).expect("the disk lives");
    let files = names.into_iter().map(|name| {
        let bytes = disk.read_file(format!("{LOG}/{name}"));
        (name, bytes)
    });
    files.collect()
}

/// What it serves, one seq after the other. What was verified can be read to the end.
fn served(opened: &OpenedLog, is_verified: bool) -> Served {
    let live = &opened.live;
    let mut frames = live.frames(Seq::FIRST, Seq::new(u64::MAX));
    let mut served = Served::new();
    let mut due = Seq::FIRST;
    loop {
        let frame = match frames.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                // A seal that is not true is found only where all is verified.
                assert!(due == opened.next_seq || !is_verified);
                return served;
            }
            Err(error) => {
                assert!(!is_verified, "{error}");
                return served;
            }
        };
        assert_eq!(frame.header.first_seq, due);
        due = frame.header.next_seq();
        let payload = frames.payload();
        if frame.frame_type == Some(FrameType::Events) {
            let events = decode_events(payload, frame.header.count);
            let mut picking = live.events(Reading::Picking);
            for place in 0..u64::from(frame.header.count).min(PICKED_MAX) {
                let picked = picking.event(frame.header.first_seq.plus(place));
                match (&events, picked) {
                    (Ok(events), Ok(Some((_, picked)))) => {
                        assert_eq!(picked, events[place as usize])
                    }
                    (Ok(_), other) => panic!("{other:?}"),
                    // Single events of a payload that is bad elsewhere may well be read.
                    (Err(_), Ok(Some(_)) | Err(_)) => {}
                    (Err(_), Ok(None)) => panic!("an events frame is taken for a hole"),
                }
            }
        }
        served.push((frame.header.first_seq, due, payload.to_vec()));
    }
}

/// Each seq is shown once or lost once, in order, up to where the log ends, and nothing changes.
fn swept(disk: &SimulatedDisk, index_flushed: Option<Seq>) {
    let operations = disk.operations();
    let options = SweepOptions {
        index_flushed,
        ..SweepOptions::default()
    };
    // No log is left, or none of its headers; or a later version's.
    let Ok(mut sweep) = Sweep::open(Arc::new(disk.clone()), Path::new(LOG), options) else {
        return;
    };
    let mut due = Seq::FIRST;
    let mut end = None;
    let mut overlapped = false;
    let mut given = Vec::new();
    loop {
        let found = sweep.next();
        given.push(format!("{found:?}"));
        let (first, next) = match found {
            Ok(Some(Found::Frame(frame))) => (frame.header.first_seq, frame.header.next_seq()),
            Ok(Some(Found::Damage(damage))) => (damage.lost.first, damage.lost.next),
            Ok(Some(Found::Missing(missing))) => (missing.lost.first, missing.lost.next),
            Ok(Some(Found::Overlap(_))) => {
                overlapped = true;
                continue;
            }
            Ok(Some(Found::Stray(_))) => continue,
            Ok(Some(Found::End(found))) => {
                assert!(end.is_none(), "it ends once");
                end = Some(found);
                continue;
            }
            Ok(None) => break,
            Err(LogError::Newer { .. }) => return,
            Err(error) => panic!("{error}"),
        };
        // Behind an overlap a sweep tells of its own segment, and passes over frames that are covered
        // by half.
        let is_due = first == due || first == next || overlapped;
        assert!(is_due, "{first} and {next} where {due} is due: {given:#?}");
        due = next.max(due);
    }
    let end = end.expect("it ends");
    // A last segment whose name lies among the seqs of another one tells only its own end.
    let overlaps = overlapped || end.segment.is_some_and(|last| last.0 < due);
    assert!(end.due == due || overlaps, "{end:?} where {due} is due");
    assert!(end.proven < end.due);
    assert_eq!(disk.operations(), operations);
}
