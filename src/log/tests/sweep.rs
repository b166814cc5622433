//! Risk: damage hides what stands behind it, is shown at another place, as other seqs, or not at
//! all; something is shown that is not what was published.

use std::path::Path;
use std::sync::Arc;

use super::harness::{LOG, Publisher, in_log, names, new_disk, open, options};
use super::history::History;
use super::layout::{Expected, FrameAt, SegmentImage};
use super::stores::{self, Store};
use crate::event::Seq;
use crate::log::LogError;
use crate::log::error::{Evidence, Fault, SealFault};
use crate::log::format::FrameType;
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

fn sweep(disk: &SimulatedDisk) -> Swept {
    sweep_with(disk, SweepOptions::default())
}

fn sweep_with(disk: &SimulatedDisk, options: SweepOptions) -> Swept {
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
fn frames_but(store: &Store, hidden: impl Fn(usize, &FrameAt) -> bool) -> Vec<Given> {
    let segments = store.segments.iter().enumerate();
    let frames = segments.flat_map(|(place, segment)| {
        let shown = segment.frames.iter().filter(|frame| !hidden(place, frame));
        shown.map(|frame| given(segment, frame)).collect::<Vec<_>>()
    });
    frames.collect()
}

/// What a sweep must give when one byte of the store is another one.
fn check_flip(store: &Store, place: usize, byte: usize, index: Option<u64>) {
    let segment = &store.segments[place];
    let is_last = place + 1 == store.segments.len();
    let mut now = segment.bytes.clone();
    now[byte] ^= 1 << (byte % 8);
    let disk = store.disk.snapshot();
    disk.write_file_durable(&segment.path, &now);
    let options = SweepOptions {
        index_flushed: index.map(Seq::new),
        ..SweepOptions::default()
    };
    let swept = sweep_with(&disk, options);
    let context = format!("{}, {}, byte {byte}: {swept:#?}", store.name, segment.path);
    assert_eq!(disk.operations(), 0, "{context}");

    let is_sealed = segment.frames.last().is_some_and(FrameAt::is_seal);
    let hit = segment
        .frames
        .iter()
        .find(|frame| (frame.offset..frame.end).contains(&byte));
    let end = swept.end.as_ref().expect("it ends");
    match segment.expected(&now, is_last, index) {
        // A header is taken from the seal that repeats it.
        Expected::Corrupt { .. } if byte < 64 && is_sealed => {
            assert!(swept.frames == frames_but(store, |_, _| false), "{context}");
            assert_eq!(swept.damages.len(), 1, "{context}");
            assert_eq!(swept.damages[0].lost.count(), 0, "{context}");
        }
        Expected::Corrupt { .. } if byte < 64 => {
            let hidden = |at: usize, _: &FrameAt| at == place;
            assert!(swept.frames == frames_but(store, hidden), "{context}");
            assert_eq!(swept.damages.len(), 1, "{context}");
        }
        Expected::Corrupt { offset, seq } => {
            let hidden = |at: usize, frame: &FrameAt| {
                at == place && hit.is_some_and(|hit| hit.offset == frame.offset)
            };
            assert!(swept.frames == frames_but(store, hidden), "{context}");
            assert_eq!(swept.damages.len(), 1, "{context}");
            let damage = &swept.damages[0];
            assert_eq!(damage.offset, offset, "{context}");
            assert_eq!(damage.lost.first.get(), seq, "{context}");
            let hit = hit.expect("a frame that was hit");
            assert_eq!(damage.lost.count(), hit.count, "{context}");
            assert!(damage.end <= hit.end as u64, "{context}");
            assert!(damage.end > byte as u64 - 8, "{context}");
            if let Some(at) = damage.goes_on_at {
                assert_eq!(
                    (damage.end, at),
                    (hit.end as u64, hit.end as u64),
                    "{context}"
                );
            }
            assert!(damage.evidence.is_some(), "{context}");
        }
        Expected::Served { upto, torn } => {
            let torn_at = torn.as_ref().map_or(usize::MAX, |(offset, _)| *offset);
            let hidden = |at: usize, frame: &FrameAt| at == place && frame.offset >= torn_at;
            assert!(swept.frames == frames_but(store, hidden), "{context}");
            assert!(swept.said.is_empty(), "{context}");
            assert_eq!(end.due.get(), upto + 1, "{context}");
            let torn_bytes = end.torn.as_ref().map(|torn| torn.end - end.offset);
            let expected = torn.map(|(_, bytes)| bytes.len() as u64);
            assert_eq!(torn_bytes, expected, "{context}");
        }
        Expected::BehindIndex { log_end } => {
            assert_eq!(end.due.get(), log_end + 1, "{context}");
            assert_eq!(end.behind_index.map(Seq::get), index, "{context}");
        }
    }
}

/// Each byte of each segment of each store, with what an index proves in turn.
#[test]
fn a_flipped_bit_costs_the_frame_that_it_hits_and_nothing_else() {
    for store in stores::all() {
        let all = store.history.last_acknowledged().get();
        let intact = sweep(&store.disk.snapshot());
        assert!(intact.said.is_empty(), "{}: {intact:#?}", store.name);
        assert_eq!(intact.frames, frames_but(&store, |_, _| false));
        for (place, segment) in store.segments.iter().enumerate() {
            for byte in 0..segment.bytes.len() {
                let index = [None, Some(all)][(byte / 8) % 2];
                check_flip(&store, place, byte, index);
            }
        }
    }
}

#[test]
fn a_bad_sector_costs_what_touches_it_and_is_told_with_its_place() {
    for store in stores::all() {
        for (place, segment) in store.segments.iter().enumerate() {
            let is_last = place + 1 == store.segments.len();
            for start in (64..segment.end()).step_by(64) {
                let sector = start..start + 64;
                let disk = store.disk.snapshot();
                disk.make_unreadable(&segment.path, start as u64..start as u64 + 64);
                let swept = sweep(&disk);
                let context = format!("{}, {}, {start}: {swept:#?}", store.name, segment.path);
                let is_hit =
                    |frame: &FrameAt| frame.offset < sector.end && sector.start < frame.end;
                // What nothing proves may be torn with all that follows it.
                let first_hit = segment.frames.iter().find(|frame| is_hit(frame));
                let first_hit = first_hit.expect("it is not behind the frames");
                let hidden = |at: usize, frame: &FrameAt| at == place && is_hit(frame);
                let behind =
                    |at: usize, frame: &FrameAt| at == place && frame.offset >= first_hit.offset;
                let shown = frames_but(&store, hidden);
                assert!(
                    swept.frames == shown || is_last && swept.frames == frames_but(&store, behind),
                    "{context}"
                );
                let told = swept.damages.iter().any(|damage| {
                    damage.segment.0.get() == segment.id
                        && matches!(&damage.flaw, Flaw::Unreadable { offset, end, error }
                            if *offset <= start as u64
                                && *end >= sector.end.min(segment.bytes.len()) as u64
                                && error.raw_os_error().is_some())
                });
                assert!(told, "{context}");
            }
        }
    }
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
