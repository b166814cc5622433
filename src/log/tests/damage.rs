//! Risk: damage is taken for a torn tail, a torn tail for damage; the wrong place is named;
//! bytes change though the log refuses to start; an altered event is served.

use std::collections::BTreeMap;
use std::path::Path;

use super::harness::{LOG, in_log, open, with_index};
use super::layout::Expected;
use super::stores::{self, Store};
use crate::event::Seq;
use crate::log::inventory::TORN_PREFIX;
use crate::log::storage::Storage;
use crate::log::storage::simulated::SimulatedDisk;
use crate::log::{LogError, OpenedLog};

/// Every file of the log with its bytes.
pub(super) fn image(disk: &SimulatedDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list(Path::new(LOG)).expect("the disk lives");
    let files = names.into_iter().map(|name| {
        let bytes = disk.read_file(in_log(&name));
        (name, bytes)
    });
    files.collect()
}

/// The payloads that the log serves, with their seqs.
fn served(opened: &OpenedLog) -> Vec<(Seq, Vec<u8>)> {
    let mut frames = opened.live.frames(Seq::FIRST, Seq::new(u64::MAX));
    let mut served = Vec::new();
    while let Some(frame) = frames.next_frame().expect("it was just recovered") {
        served.push((frame.header.first_seq, frames.payload().to_vec()));
    }
    served
}

/// Replaces one segment's bytes, opens the log and compares with what must happen.
fn check(store: &Store, place: usize, now: &[u8], index: Option<u64>, what: &str) {
    let segment = &store.segments[place];
    let is_last = place + 1 == store.segments.len();
    let expected = segment.expected(now, is_last, index);
    let disk = store.disk.snapshot();
    disk.write_file_durable(&segment.path, now);
    let before = image(&disk);
    let result = open(&disk, with_index(index));
    let context = || format!("{}, {}: {what}, index {index:?}", store.name, segment.path);

    let got = match &result {
        Err(LogError::Corrupt(damage)) => {
            assert_eq!(damage.segment.0.get(), segment.id, "{}", context());
            Expected::Corrupt {
                offset: damage.offset,
                seq: damage.seq.get(),
            }
        }
        Err(LogError::BehindIndex { log_end, .. }) => Expected::BehindIndex {
            log_end: log_end.get(),
        },
        Err(other) => panic!("{}: {other}", context()),
        Ok(opened) => Expected::Served {
            upto: opened.next_seq.previous().get(),
            torn: saved(&disk, segment.id),
        },
    };
    assert_eq!(got, expected, "{}", context());
    match result {
        Err(_) => {
            assert_eq!(disk.operations(), 0, "{}", context());
            assert_eq!(image(&disk), before, "{}", context());
        }
        Ok(opened) => {
            let upto = opened.next_seq;
            let kept = served(&opened);
            let mut published = store.history.in_order();
            published.retain(|(first, _)| *first < upto);
            let same = kept.iter().map(|(seq, bytes)| (*seq, &bytes[..]));
            assert!(same.eq(published), "{}: altered", context());
        }
    }
}

/// The torn bytes that were saved of this segment, with their offset.
fn saved(disk: &SimulatedDisk, segment: u64) -> Option<(usize, Vec<u8>)> {
    let mut saved = image(disk);
    saved.retain(|name, _| name.starts_with(TORN_PREFIX));
    assert!(saved.len() < 2, "{:?}", saved.keys());
    saved.into_iter().next().map(|(name, bytes)| {
        let of = format!("{TORN_PREFIX}{segment:020}-");
        let offset = name.strip_prefix(&of).and_then(|n| n.strip_suffix(".bin"));
        let offset = offset.and_then(|offset| offset.parse().ok());
        (offset.expect("it is named after its place"), bytes)
    })
}

/// No index, one that was flushed half-way, and one that knows all.
fn indexes(store: &Store) -> [Option<u64>; 3] {
    let all = store.history.last_acknowledged().get();
    [None, Some(all - 1), Some(all)]
}

fn every_flipped_bit(store: &Store, bits_of: impl Fn(usize) -> std::ops::Range<u8>) {
    for (place, segment) in store.segments.iter().enumerate() {
        for byte in 0..segment.bytes.len() {
            for bit in bits_of(byte) {
                let mut now = segment.bytes.clone();
                now[byte] ^= 1 << bit;
                // In turn, so that all meet all over the whole store.
                let index = indexes(store)[(byte / 8) % 3];
                check(
                    store,
                    place,
                    &now,
                    index,
                    &format!("bit {bit} of byte {byte}"),
                );
            }
        }
    }
}

fn one_bit(byte: usize) -> std::ops::Range<u8> {
    let bit = ((byte * 5 + byte / 8) % 8) as u8;
    bit..bit + 1
}

#[test]
fn a_flipped_bit_after_a_kill_is_damage_or_a_torn_tail_by_the_rule() {
    every_flipped_bit(&stores::killed_after_an_ack(), one_bit);
}

#[test]
fn a_flipped_bit_behind_a_mark_is_damage_or_a_torn_tail_by_the_rule() {
    every_flipped_bit(&stores::killed_after_the_mark(), one_bit);
}

#[test]
fn a_flipped_bit_before_a_clean_stop_is_always_damage() {
    every_flipped_bit(&stores::cleanly_stopped(), one_bit);
}

#[test]
fn a_flipped_bit_where_all_is_sealed_is_damage_or_the_last_seal() {
    every_flipped_bit(&stores::all_sealed(), one_bit);
}

#[test]
fn a_flipped_bit_within_one_group_is_a_torn_tail() {
    every_flipped_bit(&stores::killed_after_a_group(), one_bit);
}

#[test]
fn a_flipped_bit_in_a_mark_is_damage_where_something_follows_it() {
    every_flipped_bit(&stores::killed_behind_a_mark(false), one_bit);
    every_flipped_bit(&stores::killed_behind_a_mark(true), one_bit);
}

/// Each bit of each byte of each store.
#[test]
#[ignore = "a long campaign"]
fn all_bits() {
    for store in stores::all() {
        every_flipped_bit(&store, |_| 0..8);
    }
}

#[test]
fn zeroed_blocks_are_damage_or_a_torn_tail_by_the_rule() {
    for store in stores::all() {
        for (place, segment) in store.segments.iter().enumerate() {
            for start in (0..segment.bytes.len()).step_by(64) {
                for len in [8, 64, 512] {
                    let end = segment.bytes.len().min(start + len);
                    let mut now = segment.bytes.clone();
                    now[start..end].fill(0);
                    if now == segment.bytes {
                        continue;
                    }
                    for index in indexes(&store) {
                        check(&store, place, &now, index, &format!("zeros {start}..{end}"));
                    }
                }
            }
        }
    }
}

#[test]
fn a_last_segment_cut_at_any_length_is_recovered_or_refused_by_the_rule() {
    for store in stores::all() {
        let place = store.segments.len() - 1;
        let segment = &store.segments[place];
        for len in 0..=segment.bytes.len() {
            let index = indexes(&store)[len % 3];
            check(
                &store,
                place,
                &segment.bytes[..len],
                index,
                &format!("cut at {len}"),
            );
        }
    }
}

#[test]
fn an_earlier_segment_cut_at_any_length_is_damage() {
    let store = stores::killed_after_an_ack();
    for len in 0..store.segments[0].bytes.len() {
        let now = &store.segments[0].bytes[..len];
        check(&store, 0, now, None, &format!("cut at {len}"));
    }
}
