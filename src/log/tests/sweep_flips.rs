//! Risk: a flipped bit or a bad sector costs more than the frame that it hits, or is not told.

use super::layout::{Expected, FrameAt};
use super::stores::{self, Store};
use super::sweep::{frames_but, sweep, sweep_with};
use crate::event::Seq;
use crate::log::sweep::{Flaw, SweepOptions};

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

    let hit = segment
        .frames
        .iter()
        .find(|frame| (frame.offset..frame.end).contains(&byte));
    let end = swept.end.as_ref().expect("it ends");
    match segment.expected(&now, is_last, index) {
        // A header is known by the seal that repeats it, or as it is but one byte.
        Expected::Corrupt { .. } if byte < 64 => {
            assert!(swept.frames == frames_but(store, |_, _| false), "{context}");
            assert_eq!(swept.damages.len(), 1, "{context}");
            let damage = &swept.damages[0];
            assert_eq!((damage.offset, damage.end), (0, 64), "{context}");
            assert_eq!(damage.lost.count(), 0, "{context}");
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
