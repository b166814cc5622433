//! Small changes to bytes.

use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
pub(super) enum Change {
    Flip(Index, u8),
    /// So many bytes become a number.
    Number(Index, usize, u64),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// Bytes from one place to another.
    Copy(Index, Index, usize),
}

/// Up to so many changes; often none, so that real bytes are met too.
pub(super) fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    let place = any::<Index>;
    let number = prop_oneof![
        0..20_u64,
        any::<u64>(),
        Just(u64::MAX),
        (0..64_u32).prop_map(|bit| 1 << bit),
    ];
    let change = prop_oneof![
        3 => (place(), 1..=u8::MAX).prop_map(|(at, bits)| Change::Flip(at, bits)),
        3 => (place(), prop::sample::select(vec![1, 2, 4, 8]), number)
            .prop_map(|(at, len, number)| Change::Number(at, len, number)),
        1 => (place(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (place(), 1..80_usize).prop_map(|(at, len)| Change::Remove(at, len)),
        2 => (place(), place(), 1..200_usize).prop_map(|(from, to, len)| Change::Copy(from, to, len)),
    ];
    prop::collection::vec(change, 0..=most)
}

pub(super) fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let len = bytes.len();
        let at = |place: &Index| place.index(len.max(1)).min(len);
        match change {
            Change::Flip(place, bits) => {
                bytes
                    .iter_mut()
                    .skip(at(place))
                    .take(1)
                    .for_each(|byte| *byte ^= bits);
            }
            Change::Number(place, count, number) => {
                let there = bytes.iter_mut().skip(at(place)).take(*count);
                there
                    .zip(number.to_le_bytes())
                    .for_each(|(byte, new)| *byte = new);
            }
            Change::Insert(place, more) => {
                let place = at(place);
                bytes.splice(place..place, more.iter().copied());
            }
            Change::Remove(place, count) => {
                let start = at(place);
                bytes.drain(start..len.min(start + count));
            }
            Change::Copy(from, to, count) => {
                let from = at(from);
                let copy = bytes[from..len.min(from + count)].to_vec();
                let there = bytes.iter_mut().skip(at(to));
                there.zip(copy).for_each(|(byte, new)| *byte = new);
            }
        }
    }
    bytes
}
