//! Risk: some damage that nobody thought of makes the log panic, change what it refuses, or
//! serve something that was not published.

use std::ops::Range;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::damage::image;
use super::harness::{open, options};
use super::stores::{self, Store};
use crate::event::Seq;
use crate::log::LogOptions;
use crate::log::storage::Storage;
use crate::log::storage::simulated::SimulatedDisk;

/// Two logs for each state: the second one is where foreign segments come from.
pub(super) static STORES: LazyLock<Vec<(Store, Store)>> =
    LazyLock::new(|| stores::all().into_iter().zip(stores::all()).collect());

#[derive(Clone, Debug)]
pub(super) enum Damage {
    Byte(Index, Index, u8),
    Block(Index, Index, usize, Option<u64>),
    Cut(Index, Index),
    Lengthen(Index, usize, u8),
    Swap(Index, Index),
    Remove(Index),
    Foreign(Index, Index),
    CopyFrame(Index, Index, Index, Index),
}

pub(super) fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    prop_oneof![
        3 => (place(), place(), 1..=u8::MAX).prop_map(|(s, at, x)| Damage::Byte(s, at, x)),
        3 => (place(), place(), 1..600usize, any::<Option<u64>>())
            .prop_map(|(s, at, len, fill)| Damage::Block(s, at, len, fill)),
        2 => (place(), place()).prop_map(|(s, at)| Damage::Cut(s, at)),
        1 => (place(), 1..2000usize, any::<u8>())
            .prop_map(|(s, len, fill)| Damage::Lengthen(s, len, fill)),
        1 => (place(), place()).prop_map(|(a, b)| Damage::Swap(a, b)),
        1 => place().prop_map(Damage::Remove),
        1 => (place(), place()).prop_map(|(s, of)| Damage::Foreign(s, of)),
        2 => (place(), place(), place(), place())
            .prop_map(|(s, frame, into, at)| Damage::CopyFrame(s, frame, into, at)),
    ]
}

fn range(bytes: &[u8], at: &Index, len: usize) -> Range<usize> {
    if bytes.is_empty() {
        return 0..0;
    }
    let start = at.index(bytes.len());
    start..bytes.len().min(start + len)
}

/// Each damage is done to what the earlier ones left; segments that are gone stay so.
pub(super) fn apply(disk: &SimulatedDisk, store: &Store, other: &Store, damage: &Damage) {
    let change = |segment: &Index, change: &dyn Fn(&mut Vec<u8>)| {
        let path = &segment.get(&store.segments).path;
        if disk.open(path.as_ref()).is_ok() {
            let mut bytes = disk.read_file(path);
            change(&mut bytes);
            disk.write_file_durable(path, &bytes);
        }
    };
    match damage {
        Damage::Byte(segment, at, bits) => change(segment, &|bytes| {
            range(bytes, at, 1).for_each(|at| bytes[at] ^= bits);
        }),
        Damage::Block(segment, at, len, fill) => change(segment, &|bytes| {
            let fill = fill.unwrap_or(0).to_le_bytes();
            range(bytes, at, *len).for_each(|at| bytes[at] = fill[at % 8]);
        }),
        Damage::Cut(segment, at) => change(segment, &|bytes| {
            let len = range(bytes, at, 0).start;
            bytes.truncate(len);
        }),
        Damage::Lengthen(segment, more, fill) => change(segment, &|bytes| {
            bytes.resize(bytes.len() + more, *fill);
        }),
        Damage::Swap(a, b) => {
            let (a, b) = (a.get(&store.segments), b.get(&store.segments));
            if [a, b].iter().all(|s| disk.open(s.path.as_ref()).is_ok()) {
                let (bytes_a, bytes_b) = (disk.read_file(&a.path), disk.read_file(&b.path));
                disk.write_file_durable(&a.path, &bytes_b);
                disk.write_file_durable(&b.path, &bytes_a);
            }
        }
        Damage::Remove(segment) => {
            // It may be gone already.
            let _ = disk.remove(segment.get(&store.segments).path.as_ref());
        }
        Damage::Foreign(segment, of) => change(segment, &|bytes| {
            bytes.clone_from(&of.get(&other.segments).bytes);
        }),
        Damage::CopyFrame(from, frame, into, at) => {
            let from = from.get(&store.segments);
            let frame = frame.get(&from.frames);
            let copy = &from.bytes[frame.offset..frame.end];
            change(into, &|bytes| {
                let start = range(bytes, at, 0).start / 8 * 8;
                let end = bytes.len().max(start + copy.len());
                bytes.resize(end, 0);
                bytes[start..start + copy.len()].copy_from_slice(copy);
            });
        }
    }
}

/// Either refused with nothing changed, or what is served is a prefix of what was published.
fn check(disk: &SimulatedDisk, store: &Store, verify_bytes: u64) -> Result<(), TestCaseError> {
    let before = image(disk);
    let damaged = LogOptions {
        verify_bytes,
        ..options()
    };
    let Ok(opened) = open(disk, damaged) else {
        prop_assert_eq!(disk.operations(), 0);
        prop_assert_eq!(image(disk), before);
        return Ok(());
    };
    let published = store.history.in_order();
    let mut frames = opened.live.frames(Seq::FIRST, Seq::new(u64::MAX));
    let mut served = 0;
    // An error ends it: what was not looked at may be damaged.
    while let Ok(Some(frame)) = frames.next_frame() {
        let is = (frame.header.first_seq, frames.payload());
        prop_assert_eq!(published.get(served), Some(&is));
        served += 1;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn damaged_stores_are_refused_untouched_or_serve_a_prefix(
        state in any::<Index>(),
        damages in vec(damage(), 1..4),
        verify_bytes in prop_oneof![Just(0), Just(u64::MAX)],
    ) {
        let (store, other) = state.get(&STORES);
        let disk = store.disk.snapshot();
        for damage in &damages {
            apply(&disk, store, other, damage);
        }
        check(&disk.snapshot(), store, verify_bytes)?;
    }
}
