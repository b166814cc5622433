//! Risk: readers in the same process miss, repeat or alter something.

use std::path::Path;
use std::sync::Arc;

use super::harness::{LOG, Publisher, new_disk, open, options, reopen, wait_until};
use super::history::History;
use super::stores;
use crate::event::Seq;
use crate::log::storage::simulated::Survival;
use crate::log::{LogError, LogOptions, OfflineLog, Reading};

#[test]
fn a_cursor_follows_the_writer_across_segments() {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let live = publisher.live.clone();
            std::thread::spawn(move || {
                let mut frames = live.frames(Seq::FIRST, Seq::new(400));
                let mut seen = Vec::new();
                while frames.next_seq() <= Seq::new(400) {
                    match frames.next_frame().unwrap() {
                        Some(frame) => {
                            seen.push((frame.header.first_seq, frames.payload().to_vec()));
                        }
                        None => std::thread::yield_now(),
                    }
                }
                seen
            })
        })
        .collect();
    for batch in 0..100 {
        if batch % 10 == 0 {
            publisher.publish_together(&mut history, &[(1, 100), (2, 900), (1, 10)]);
        } else {
            publisher.publish(&mut history, 4, 100);
        }
    }
    for reader in readers {
        let seen = reader.join().unwrap();
        let seen = seen.iter().map(|(seq, payload)| (*seq, &payload[..]));
        assert!(seen.eq(history.in_order()));
    }
    assert!(publisher.live.figures().segments > 10);
}

#[test]
fn a_log_can_be_read_before_it_is_written_to() {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    for _ in 0..10 {
        publisher.publish(&mut history, 1, 900);
    }
    publisher.stop();
    // The last segment goes on; its events are there at once.
    let reader = std::thread::spawn(move || reopen(&disk, &mut history).unwrap());
    wait_until(|| reader.is_finished());
    let opened = reader.join().unwrap();
    assert_eq!(opened.unclean, None);
    assert_eq!(opened.live.durable(), Seq::new(10));
}

#[test]
fn every_event_is_found_by_its_seq_and_none_beyond() {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    for batch in 0..40 {
        publisher.publish(&mut history, 1 + batch % 3, 300);
    }
    let last = history.last_acknowledged();
    let left = disk.crash(Survival::Nothing);
    drop(publisher);
    let live = reopen(&left, &mut history).unwrap().live;
    let mut ids = Vec::new();
    for seq in 1..=last.get() {
        let mut events = live.events(Reading::Picking);
        let found = events.event(Seq::new(seq)).unwrap();
        let (_, event) = found.expect("it is durable");
        ids.push(event.event_id.into_owned());
    }
    let published: Vec<String> = (0..40)
        .flat_map(|batch| (0..1 + batch % 3).map(move |place| format!("{batch}-{place}")))
        .collect();
    assert_eq!(ids, published);
    let mut events = live.events(Reading::Picking);
    assert!(matches!(events.event(last.next()), Ok(None)));
}

#[test]
fn damage_that_the_start_did_not_look_for_is_an_error_and_never_an_event() {
    let store = stores::killed_after_an_ack();
    let segment = &store.segments[0];
    for byte in 64..segment.bytes.len() {
        let disk = store.disk.snapshot();
        disk.flip_bit(&segment.path, byte, (byte % 8) as u8);
        let hasty = LogOptions {
            verify_bytes: 0,
            ..options()
        };
        // The seal is always looked at.
        let Ok(opened) = open(&disk, hasty) else {
            assert!(byte >= segment.frames.last().unwrap().offset);
            continue;
        };
        let damaged = segment
            .frames
            .iter()
            .find(|frame| byte < frame.end)
            .unwrap();
        let mut frames = opened.live.frames(Seq::FIRST, Seq::new(u64::MAX));
        let mut published = store.history.in_order().into_iter();
        let error = loop {
            match frames.next_frame() {
                Ok(Some(frame)) => assert_eq!(
                    published.next(),
                    Some((frame.header.first_seq, frames.payload()))
                ),
                Ok(None) => panic!("damage to byte {byte} was not seen"),
                Err(error) => break error,
            }
        };
        match error {
            LogError::Corrupt(damage) => assert_eq!(
                (damage.segment.0.get(), damage.offset, damage.seq.get()),
                (segment.id, damaged.offset as u64, damaged.first_seq)
            ),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_seal_whose_room_is_not_cut_yet_is_no_damage_to_who_only_looks() {
    // A writer syncs the seal, then cuts the room; a kill or a look may come in between.
    let store = stores::all_sealed();
    let last = store.segments.last().unwrap();
    let mut uncut = last.bytes.clone();
    uncut.resize(uncut.len() + 100_000, 0);
    store.disk.write_file_durable(&last.path, &uncut);
    let log = OfflineLog::open(Arc::new(store.disk.clone()), Path::new(LOG)).unwrap();
    let mut history = store.history.clone();
    history.judge(&log.live, log.last_seq().next()).unwrap();
    assert_eq!(log.last_seq(), store.history.last_acknowledged());
    assert_eq!(log.tail.unwrap().torn_end, None);
}
