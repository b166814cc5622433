//! Small stores in the states in which a log may be found.

use super::harness::{Publisher, new_disk, open, options, reopen};
use super::history::History;
use super::layout::{SegmentImage, segments};
use crate::log::LogOptions;
use crate::log::storage::simulated::{SimulatedDisk, Survival};

/// A store that nobody has open.
pub(super) struct Store {
    pub(super) name: &'static str,
    pub(super) disk: SimulatedDisk,
    pub(super) history: History,
    pub(super) segments: Vec<SegmentImage>,
}

/// Segments that hold two of the batches below.
fn tiny() -> LogOptions {
    LogOptions {
        segment_bytes: 832,
        ..options()
    }
}

/// Publishes batches, lets `end` end the run, and tries again until the segments are as they
/// should be: an idle mark may come when it is not wanted.
fn store(
    name: &'static str,
    batches: u32,
    end: impl Fn(Publisher, &SimulatedDisk, &mut History) -> SimulatedDisk,
    fits: impl Fn(&[SegmentImage]) -> bool,
) -> Store {
    for _ in 0..50 {
        let (disk, mut history) = (new_disk(), History::default());
        let mut publisher = Publisher::start(open(&disk, tiny()).expect("a new log"));
        for batch in 0..batches {
            publisher.publish(&mut history, 1 + batch % 2, 70);
        }
        let disk = end(publisher, &disk, &mut history);
        let segments = segments(&disk);
        if fits(&segments) {
            return Store {
                name,
                disk,
                history,
                segments,
            };
        }
    }
    panic!("{name}: the store never comes to look as it should");
}

fn kill(publisher: Publisher, disk: &SimulatedDisk) -> SimulatedDisk {
    let left = disk.crash(Survival::PageCache);
    drop(publisher);
    left
}

fn last(segments: &[SegmentImage]) -> &SegmentImage {
    segments.last().expect("it has segments")
}

/// Killed right after an acknowledgement: nothing proves the last batch.
pub(super) fn killed_after_an_ack() -> Store {
    store(
        "killed after an ack",
        6,
        |publisher, disk, _| kill(publisher, disk),
        |segments| {
            segments.len() == 3
                && last(segments).frames.len() >= 2
                && segments
                    .iter()
                    .all(|segment| segment.frames.iter().all(|frame| !frame.is_idle_mark()))
        },
    )
}

/// Killed when a mark had proved the last batch.
pub(super) fn killed_after_the_mark() -> Store {
    store(
        "killed after the mark",
        4,
        |publisher, disk, _| {
            publisher.wait_for_mark();
            kill(publisher, disk)
        },
        |segments| {
            let frames = &last(segments).frames;
            segments.len() == 2 && frames.last().is_some_and(|frame| frame.is_idle_mark())
        },
    )
}

/// Ended by a clean stop.
pub(super) fn cleanly_stopped() -> Store {
    store(
        "cleanly stopped",
        4,
        |publisher, disk, _| {
            publisher.stop();
            disk.crash(Survival::Nothing)
        },
        |segments| {
            let frames = &last(segments).frames;
            frames.last().is_some_and(|frame| frame.is_shutdown_mark())
        },
    )
}

/// Killed, recovered, and killed before anything else was written: all sealed.
pub(super) fn all_sealed() -> Store {
    store(
        "all sealed",
        4,
        |publisher, disk, history| {
            let left = kill(publisher, disk);
            reopen(&left, history).expect("an intact store");
            left.crash(Survival::Nothing)
        },
        |segments| {
            let frames = &last(segments).frames;
            segments.len() >= 2 && frames.last().is_some_and(|frame| frame.is_seal())
        },
    )
}

/// Its last group has several batches, which prove nothing about each other.
pub(super) fn killed_after_a_group() -> Store {
    store(
        "killed after a group",
        3,
        |publisher, disk, history| {
            publisher.stop();
            let opened = open(disk, tiny()).expect("an intact store");
            let (mut publisher, gate) = Publisher::start_gated(opened);
            publisher.publish(history, 1, 300);
            let group: Vec<usize> = (0..3).map(|_| publisher.submit(history, 1, 40)).collect();
            drop(gate);
            publisher.wait_for(history, &group);
            kill(publisher, disk)
        },
        |segments| {
            let frames = &last(segments).frames;
            frames.len() >= 3
                && frames[frames.len() - 3..].iter().all(|frame| {
                    frame.count > 0 && frame.durable_up_to == frames[frames.len() - 3].first_seq - 1
                })
        },
    )
}

/// Killed after the first acknowledgement that followed a mark or a clean stop: only that
/// batch's seq tells that the mark was there.
pub(super) fn killed_behind_a_mark(clean_stop: bool) -> Store {
    store(
        "killed behind a mark",
        1,
        |mut publisher, disk, history| {
            if clean_stop {
                publisher.stop();
                publisher = Publisher::start(open(disk, tiny()).expect("an intact store"));
            } else {
                publisher.wait_for_mark();
            }
            publisher.publish(history, 1, 70);
            kill(publisher, disk)
        },
        |segments| {
            let frames = &last(segments).frames;
            let counts: Vec<u64> = frames.iter().map(|frame| frame.count).collect();
            counts == [1, 0, 1] && frames[1].is_shutdown_mark() == clean_stop
        },
    )
}

/// All of them.
pub(super) fn all() -> Vec<Store> {
    vec![
        killed_after_an_ack(),
        killed_after_the_mark(),
        cleanly_stopped(),
        all_sealed(),
        killed_after_a_group(),
        killed_behind_a_mark(false),
        killed_behind_a_mark(true),
    ]
}
