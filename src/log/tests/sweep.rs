//! Risk: damage hides what stands behind it, is shown at another place, as other seqs, or not at
//! all; something is shown that is not what was published.

use std::path::Path;
use std::sync::Arc;

use super::harness::{LOG, Publisher, in_log, names, new_disk, open, options};
use super::history::History;
use super::layout::{FrameAt, SegmentImage};
use super::stores::{self, Store};
use crate::event::Seq;
use crate::log::LogError;
use crate::log::error::{Evidence, Fault, SealFault};
use crate::log::format::{FrameType, SEAL_TRAILER_BYTES};
use crate::log::header::HeaderFault;
use crate::log::storage::Storage;
use crate::log::storage::simulated::SimulatedDisk;
use crate::log::sweep::{Damage, End, Flaw, Found, Sweep, SweepOptions};
use crate::log::tail::Ending;

/// A frame that was given: segment, offset, first seq, payload.
pub(super) type Given = (u64, usize, u64, Vec<u8>);

/// All that a sweep gave.
#[derive(Default)]
pub(super) struct Swept {
    pub(super) frames: Vec<Given>,
    pub(super) damages: Vec<Damage>,
    /// Everything else but frames, as text, with the damages.
    pub(super) said: Vec<String>,
    /// Seqs in order: of a frame that was given, or lost; first and next one.
    pub(super) seqs: Vec<(u64, u64)>,
    pub(super) end: Option<End>,
}

/// Without the payloads.
impl std::fmt::Debug for Swept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let frames = self.frames.iter();
        let frames = frames.map(|(segment, offset, first, _)| (segment, offset, first));
        f.debug_struct("Swept")
            .field("frames", &format!("{:?}", frames.collect::<Vec<_>>()))
            .field("seqs", &format!("{:?}", self.seqs))
            .field("said", &self.said)
            .field("end", &format!("{:?}", self.end))
            .finish()
    }
}

pub(super) fn opened(disk: &SimulatedDisk, options: SweepOptions) -> Result<Sweep, LogError> {
    Sweep::open(Arc::new(disk.clone()), Path::new(LOG), options)
}

pub(super) fn rest_of(sweep: &mut Sweep) -> Result<Swept, LogError> {
    let mut swept = Swept::default();
    while let Some(found) = sweep.next()? {
        let lost = match &found {
            Found::Frame(frame) => {
                let first = frame.header.first_seq.get();
                swept.frames.push((
                    frame.segment.0.get(),
                    frame.offset as usize,
                    first,
                    sweep.payload().to_vec(),
                ));
                swept.seqs.push((first, frame.header.next_seq().get()));
                continue;
            }
            Found::Damage(damage) => {
                swept.damages.push(damage.clone());
                swept.said.push(damage.to_string());
                Some(damage.lost)
            }
            Found::Missing(missing) => {
                swept.said.push(missing.to_string());
                Some(missing.lost)
            }
            Found::Overlap(overlap) => {
                swept.said.push(overlap.to_string());
                None
            }
            Found::Stray(stray) => {
                swept.said.push(stray.to_string());
                None
            }
            Found::End(end) => {
                assert!(swept.end.is_none(), "it ends once");
                swept.end = Some(end.clone());
                None
            }
        };
        if let Some(lost) = lost {
            swept.seqs.push((lost.first.get(), lost.next.get()));
        }
    }
    Ok(swept)
}

pub(super) fn sweep(disk: &SimulatedDisk) -> Swept {
    sweep_with(disk, SweepOptions::default())
}

pub(super) fn sweep_with(disk: &SimulatedDisk, options: SweepOptions) -> Swept {
    let mut sweep = opened(disk, options).expect("a log");
    let swept = rest_of(&mut sweep).expect("nothing here is of a later version");
    assert!(swept.end.is_some());
    swept
}

fn given(segment: &SegmentImage, frame: &FrameAt) -> Given {
    let payload_bytes = u32::from_le_bytes(
        segment.bytes[frame.offset + 8..frame.offset + 12]
            .try_into()
            .expect("four bytes"),
    );
    let payload = &segment.bytes[frame.offset + 64..][..payload_bytes as usize];
    (segment.id, frame.offset, frame.first_seq, payload.to_vec())
}

/// All frames of a store but those that are `hidden`.
pub(super) fn frames_but(store: &Store, hidden: impl Fn(usize, &FrameAt) -> bool) -> Vec<Given> {
    let segments = store.segments.iter().enumerate();
    let frames = segments.flat_map(|(place, segment)| {
        let shown = segment.frames.iter().filter(|frame| !hidden(place, frame));
        shown.map(|frame| given(segment, frame)).collect::<Vec<_>>()
    });
    frames.collect()
}

fn in_order(segment: &SegmentImage) -> u64 {
    segment.frames.iter().map(|frame| frame.count).sum()
}

#[test]
fn a_segment_that_is_missing_cut_or_empty_is_told_with_its_seqs() {
    let store = stores::killed_after_an_ack();
    for (place, segment) in store.segments.iter().enumerate() {
        let hidden = |at: usize, _: &FrameAt| at == place;
        let is_last = place + 1 == store.segments.len();
        let disk = store.disk.snapshot();
        disk.remove(Path::new(&segment.path)).expect("it is there");
        let swept = sweep(&disk);
        assert!(swept.frames == frames_but(&store, hidden), "{swept:#?}");
        // Without the last one nothing tells that there was one.
        assert_eq!(swept.said.len(), usize::from(!is_last), "{swept:#?}");

        let disk = store.disk.snapshot();
        disk.write_file_durable(&segment.path, &[]);
        let swept = sweep(&disk);
        assert!(swept.frames == frames_but(&store, hidden), "{swept:#?}");
        let damage = &swept.damages[0];
        assert!(matches!(&damage.flaw, Flaw::Fault(fault)
            if matches!(**fault, Fault::Header(HeaderFault::Short))));
        assert_eq!(damage.lost.first.get(), segment.id);
        if !is_last {
            assert_eq!(damage.lost.count(), in_order(segment));
            let seal = segment.frames.last().expect("a seal");
            let disk = store.disk.snapshot();
            disk.truncate_durable(&segment.path, seal.offset);
            let swept = sweep(&disk);
            let no_seal = |at: usize, frame: &FrameAt| at == place && frame.is_seal();
            assert_eq!(swept.frames, frames_but(&store, no_seal), "{swept:#?}");
            let damage = &swept.damages[0];
            assert!(matches!(&damage.flaw, Flaw::Fault(fault)
                if matches!(**fault, Fault::Seal(SealFault::Missing))));
            assert_eq!(damage.evidence, Some(Evidence::FurtherSegment));
            assert_eq!(damage.lost.count(), 0);
        }
    }
}

/// Where a seal is said to begin is not yet checked when it is read there.
#[test]
fn a_trailer_that_points_anywhere_is_damage_and_no_more() {
    let store = stores::all_sealed();
    let segment = &store.segments[0];
    let trailer = segment.bytes.len() - SEAL_TRAILER_BYTES;
    for seal_at in [u64::MAX, u64::MAX - 64, u64::MAX - 100, 1 << 63, 0] {
        let disk = store.disk.snapshot();
        let mut now = segment.bytes.clone();
        now[..64].fill(0xA5);
        now[trailer..trailer + 8].copy_from_slice(&seal_at.to_le_bytes());
        disk.write_file_durable(&segment.path, &now);
        let swept = sweep(&disk);
        assert_eq!(swept.damages.len(), 1, "{seal_at}: {swept:#?}");
        assert!(swept.frames == frames_but(&store, |place, _| place == 0));
    }
}

#[test]
fn a_header_that_is_gone_costs_nothing_where_a_seal_repeats_it_and_else_its_segment() {
    for store in [stores::all_sealed(), stores::cleanly_stopped()] {
        for (place, segment) in store.segments.iter().enumerate() {
            let disk = store.disk.snapshot();
            let mut now = segment.bytes.clone();
            now[..64].fill(0xA5);
            disk.write_file_durable(&segment.path, &now);
            let swept = sweep(&disk);
            let is_sealed = segment.frames.last().is_some_and(FrameAt::is_seal);
            let hidden = |at: usize, _: &FrameAt| at == place && !is_sealed;
            assert!(swept.frames == frames_but(&store, hidden), "{swept:#?}");
            assert_eq!(swept.damages.len(), 1, "{swept:#?}");
            assert_eq!(swept.damages[0].lost.and_more, !is_sealed);
        }
    }
}

#[test]
fn a_segment_of_another_log_is_no_part_of_this_one() {
    let (store, other) = (stores::all_sealed(), stores::all_sealed());
    for place in 0..store.segments.len() {
        let disk = store.disk.snapshot();
        disk.write_file_durable(&store.segments[place].path, &other.segments[place].bytes);
        // `log.meta` is one voice of several.
        for with_meta in [true, false] {
            if !with_meta {
                disk.remove(Path::new(&in_log("log.meta"))).expect("a file");
                if store.segments.len() < 3 {
                    continue;
                }
            }
            let mut sweep = opened(&disk, SweepOptions::default()).expect("a log");
            let swept = rest_of(&mut sweep).expect("a log");
            let hidden = |at: usize, _: &FrameAt| at == place;
            assert!(swept.frames == frames_but(&store, hidden), "{swept:#?}");
            let said = swept.said.join("\n");
            assert!(said.contains("belongs to log"), "{said}");
        }
    }
}

/// Two lives of one log, from the same state on, whose segments lie in one directory.
#[test]
fn a_segment_of_another_state_of_the_log_is_told_and_no_seq_is_given_twice() {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).expect("a new log"));
    publisher.publish(&mut history, 2, 900);
    publisher.stop();
    let other = disk.snapshot();
    let publish = |disk: &SimulatedDisk, events: u32| {
        let mut history = History::default();
        let mut publisher = Publisher::start(open(disk, options()).expect("an intact log"));
        for _ in 0..9 {
            publisher.publish(&mut history, events, 900);
        }
        publisher.stop();
    };
    publish(&disk, 2);
    publish(&other, 3);
    let own = names(&disk, ".seg");
    let mixed: Vec<String> = names(&other, ".seg")
        .into_iter()
        .filter(|name| !own.contains(name))
        .collect();
    assert!(!mixed.is_empty(), "{own:?}");
    let mut overlaps = 0;
    for name in &mixed {
        let both = disk.snapshot();
        let bytes = other.read_file(in_log(name));
        let (path, file) = both.create_temp(Path::new(LOG)).expect("a file");
        file.write_at(&bytes, 0).expect("it can be written");
        both.rename(&path, Path::new(&in_log(name)))
            .expect("a name");
        let swept = sweep(&both);
        assert!(!swept.said.is_empty(), "{swept:#?}");
        let overlap = |said: &&String| said.contains("another state");
        overlaps += swept.said.iter().filter(overlap).count();
        let mut due = 1;
        for (first, next) in &swept.seqs {
            assert!(*first == due || first == next, "{swept:#?}");
            due = due.max(*next);
        }
    }
    assert!(overlaps > 0);
}

/// The first seq is 1: nothing of a log can have this name.
#[test]
fn a_file_named_for_seq_zero_is_no_segment() {
    let store = stores::killed_after_the_mark();
    for bytes in [b"garbage".to_vec(), store.segments[0].bytes.clone()] {
        let disk = store.disk.snapshot();
        disk.write_file_durable(in_log("00000000000000000000.seg"), &bytes);
        let (with, without) = (sweep(&disk), sweep(&store.disk));
        assert_eq!(format!("{with:?}"), format!("{without:?}"));
        assert!(open(&disk, options()).is_ok());
    }
}

#[test]
fn a_sweep_from_a_seq_on_gives_what_a_whole_one_gives_behind_it() {
    for store in stores::all() {
        let all = sweep(&store.disk.snapshot());
        for from in 1..=store.history.last_acknowledged().get() {
            let part = sweep_with(
                &store.disk.snapshot(),
                SweepOptions {
                    from: Seq::new(from),
                    ..SweepOptions::default()
                },
            );
            assert!(part.said.is_empty(), "{}: {part:#?}", store.name);
            assert!(all.frames.ends_with(&part.frames), "{}", store.name);
            let first = part.frames.iter().find(|frame| frame.2 <= from);
            assert!(first.is_some(), "{}, {from}: {part:#?}", store.name);
        }
    }
}

#[test]
fn a_sweep_that_is_taken_up_again_gives_each_proven_frame_once() {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).expect("a new log"));
    let (mut frames, mut position) = (Vec::new(), None);
    for round in 0..60 {
        publisher.publish(&mut history, 1 + round % 3, 150);
        if round % 7 == 0 {
            publisher.stop();
            publisher = Publisher::start(open(&disk, options()).expect("an intact log"));
        }
        let options = SweepOptions {
            resume: position,
            proven_only: true,
            ..SweepOptions::default()
        };
        let mut sweep = opened(&disk, options).expect("a log");
        let swept = rest_of(&mut sweep).expect("a log");
        assert!(swept.said.is_empty(), "{round}: {swept:#?}");
        position = sweep.position();
        frames.extend(swept.frames);
    }
    publisher.stop();
    let mut sweep = opened(
        &disk,
        SweepOptions {
            resume: position,
            ..SweepOptions::default()
        },
    )
    .expect("a log");
    frames.extend(rest_of(&mut sweep).expect("a log").frames);
    let end = sweep.end();
    assert_eq!(
        (end.ending, end.proven),
        (Ending::CleanStop, history.last_acknowledged())
    );
    let batches = frames.iter().filter(|frame| !frame.3.is_empty());
    let batches = batches.filter(|frame| !is_seal(&disk, frame));
    let batches: Vec<_> = batches
        .map(|(_, _, seq, payload)| (Seq::new(*seq), &payload[..]))
        .collect();
    assert_eq!(batches, history.in_order());
    assert!(names(&disk, ".seg").len() > 2);
}

fn is_seal(disk: &SimulatedDisk, given: &Given) -> bool {
    let path = in_log(&format!("{:020}.seg", given.0));
    disk.read_file(path)[given.1 + 4] == FrameType::Seal as u8
}
