//! Risk: an event that is asked for alone, out of the middle of a batch, in any order, is
//! another one, or has bytes that nobody checked.

use std::path::Path;
use std::sync::Arc;

use super::harness::{Publisher, in_log, names, new_disk, open, options, reopen};
use super::history::History;
use crate::event::Seq;
use crate::log::codec::decode_events;
use crate::log::format::FrameType;
use crate::log::storage::FileSystem;
use crate::log::storage::simulated::{Rng, SimulatedDisk};
use crate::log::{EventCursor, LiveLog, LogError, OfflineLog, Reading};

const BOTH: [Reading; 2] = [Reading::InOrder, Reading::Picking];
/// Events of batches: below and above what is read as a whole, with and without marks.
const BATCHES: [(u32, usize); 8] = [
    (1, 0),
    (3, 20),
    (40, 7),
    (1, 900),
    (2, 300),
    (200, 3),
    (9, 64),
    (1, 300),
];

/// The id and the payload of each event, the first one's first.
fn published(history: &History) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for ((_, payload), (count, _)) in history.in_order().into_iter().zip(BATCHES.iter().cycle()) {
        for event in decode_events(payload, *count).expect("it was encoded here") {
            all.push((event.event_id.into_owned(), event.payload.to_vec()));
        }
    }
    all
}

fn is_as_published(events: &mut EventCursor, seq: u64, published: &[(String, Vec<u8>)]) {
    let found = events.event(Seq::new(seq)).expect("the disk is well");
    let (_, event) = found.unwrap_or_else(|| panic!("{seq} is durable"));
    let (id, payload) = &published[seq as usize - 1];
    assert_eq!(event.event_id, *id, "{seq}");
    assert_eq!(event.payload, payload, "{seq}");
}

fn in_every_order(live: &Arc<LiveLog>, published: &[(String, Vec<u8>)]) {
    let last = published.len() as u64;
    for reading in BOTH {
        let mut chance = Rng::new(7);
        let orders: [Vec<u64>; 4] = [
            (1..=last).collect(),
            (1..=last).rev().collect(),
            (1..=last).step_by(3).collect(),
            (0..last).map(|_| 1 + chance.below(last)).collect(),
        ];
        for order in orders {
            let mut events = live.events(reading);
            for seq in order {
                is_as_published(&mut events, seq, published);
                // The end of a page.
                if chance.chance(2) {
                    events.let_go();
                }
            }
        }
    }
}

#[test]
fn an_event_is_the_same_in_whatever_order_it_is_asked_for() {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    let mut followers = BOTH.map(|reading| (publisher.live.events(reading), 0));
    for (count, bytes) in BATCHES.into_iter().cycle().take(60) {
        publisher.publish(&mut history, count, bytes);
        // Half of what is new: the segment under it becomes longer, and is sealed.
        let published = published(&history);
        for (events, seen) in &mut followers {
            let upto = *seen + (published.len() - *seen) / 2;
            for seq in *seen..upto {
                is_as_published(events, seq as u64 + 1, &published);
            }
            *seen = upto;
            events.let_go();
        }
    }
    let published = published(&history);
    in_every_order(&publisher.live, &published);
    publisher.stop();
    in_every_order(&reopen(&disk, &mut history).unwrap().live, &published);
}

/// A log with one large frame, and the name of its file.
fn one_frame() -> (SimulatedDisk, Publisher, History, String) {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    let (count, bytes) = (40, 20);
    publisher.publish(&mut history, count, bytes);
    let name = names(&disk, ".seg").pop().expect("a segment");
    (disk, publisher, history, in_log(&name))
}

#[test]
fn bytes_that_change_under_a_frame_that_was_checked_are_never_given() {
    let (disk, publisher, history, path) = one_frame();
    let (_, payload) = history.in_order()[0];
    let expected = decode_events(payload, 40).unwrap();
    for byte in 128..128 + payload.len() {
        for reading in BOTH {
            // It is checked here at first, and then known.
            let mut events = publisher.live.events(reading);
            assert!(events.event(Seq::new(20)).unwrap().is_some());
            events.let_go();
            disk.flip_bit(&path, byte, (byte % 8) as u8);
            let mut errors = 0;
            for (seq, expected) in (1..).zip(&expected) {
                match events.event(Seq::new(seq)) {
                    Ok(Some((_, event))) => assert_eq!(event, *expected, "byte {byte}, {seq}"),
                    Ok(None) => panic!("byte {byte}, {seq}: it is durable"),
                    Err(LogError::Corrupt(damage)) => {
                        assert_eq!((damage.offset, damage.seq), (64, Seq::FIRST));
                        errors += 1;
                    }
                    Err(other) => panic!("byte {byte}, {seq}: {other}"),
                }
            }
            assert!(errors > 0, "byte {byte} was changed, and not noticed");
            disk.flip_bit(&path, byte, (byte % 8) as u8);
            // A disk may come back.
            assert!(events.event(Seq::new(1)).unwrap().is_some());
        }
    }
}

#[test]
fn damage_from_before_the_first_read_is_an_error_for_every_event_of_its_frame() {
    for byte in 64..64 + 200 {
        let (disk, publisher, _, path) = one_frame();
        disk.flip_bit(&path, byte, 3);
        for reading in BOTH {
            let mut events = publisher.live.events(reading);
            for seq in [40, 1, 20] {
                let found = events.event(Seq::new(seq));
                assert!(
                    matches!(found, Err(LogError::Corrupt(_))),
                    "byte {byte}, {seq}"
                );
            }
        }
    }
}

#[test]
fn a_part_that_cannot_be_read_is_an_error_of_what_lies_there_only() {
    let (disk, publisher, _, path) = one_frame();
    let mut events = publisher.live.events(Reading::Picking);
    assert!(events.event(Seq::new(1)).unwrap().is_some());
    events.let_go();
    disk.make_unreadable(&path, 600..601);
    // Who would be behind it cannot be found either.
    let failed = (1..=40).filter(|seq| events.event(Seq::new(*seq)).is_err());
    let failed = failed.count();
    assert!((1..30).contains(&failed), "{failed} of 40");
    assert!(events.event(Seq::new(1)).unwrap().is_some());
}

#[test]
fn what_has_no_bytes_is_no_event_and_does_not_hide_what_stands_around_it() {
    // It has a hole, an erased batch, attributes of a batch, frames that are passed over.
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/log");
    let live = OfflineLog::open(Arc::new(FileSystem), &golden)
        .unwrap()
        .live;
    let last = live.durable().get();
    for reading in BOTH {
        for order in [(1..=last).collect::<Vec<_>>(), (1..=last).rev().collect()] {
            let mut events = live.events(reading);
            let mut without = 0;
            for seq in order {
                let mut frames = live.frames(Seq::new(seq), Seq::new(seq));
                let frame = frames.next_frame().unwrap().expect("it takes a seq");
                let found = events.event(Seq::new(seq)).unwrap();
                if frame.frame_type == Some(FrameType::Events) {
                    let all = frames.events(&frame).unwrap();
                    let place = seq - frame.header.first_seq.get();
                    let expected = (frame.header.received_at, all[place as usize].clone());
                    assert_eq!(found, Some(expected), "{seq}");
                } else {
                    assert_eq!(found, None, "{seq}");
                    without += 1;
                }
            }
            assert_eq!(without, 6);
        }
    }
}
