//! The keys of a delta. What comes is appended to a list, and a table of places in it finds it
//! again: a table of the entries themselves would be read and written all over 20 MB, where this
//! one has two, which a core's cache holds, and the list is written at its end.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::digest::KeyDigest;
use super::fold::First;
use super::key_block::Entry;

/// What is known of each key.
#[derive(Debug, Default)]
pub(super) struct DeltaKeys {
    /// In the order in which they came.
    list: Vec<Entry>,
    /// Places in the list. Four billion entries would take 170 GB.
    places: HashTable<u32>,
    /// Seeded: a publisher could make digests that end alike.
    hashes: DefaultHashBuilder,
}

impl DeltaKeys {
    /// What is known of this key.
    pub(super) fn get(&self, key: KeyDigest) -> Option<First> {
        let is_same = |place: &u32| self.list[*place as usize].key == key;
        let place = self.places.find(self.hashes.hash_one(key), is_same)?;
        Some(self.list[*place as usize].first)
    }

    /// Takes a key that is not here yet.
    pub(super) fn add(&mut self, key: KeyDigest, first: First) {
        debug_assert!(self.get(key).is_none(), "{key} was known");
        let DeltaKeys {
            list,
            places,
            hashes,
        } = self;
        let place = u32::try_from(list.len()).expect("fewer than four billion keys in memory");
        list.push(Entry { key, first });
        places.insert_unique(hashes.hash_one(key), place, |place| {
            hashes.hash_one(list[*place as usize].key)
        });
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many it has room for.
    pub(super) fn capacity(&self) -> usize {
        self.list.capacity().min(self.places.capacity())
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        let DeltaKeys {
            list,
            places,
            hashes,
        } = self;
        list.reserve(more);
        places.reserve(more, |place| hashes.hash_one(list[*place as usize].key));
    }

    /// Forgets them, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.places.clear();
    }

    /// All of them, in the order in which they came.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest::PayloadDigest;
    use super::*;
    use crate::event::Seq;

    fn first(number: u64) -> First {
        First {
            seq: Seq::new(number),
            payload: PayloadDigest([number as u8; 16]),
        }
    }

    /// Digests that differ in their first bytes only, and in their last.
    fn keys(count: u64) -> impl Iterator<Item = (KeyDigest, u64)> {
        (0..count).map(|number| {
            let mut bytes = [7; 16];
            let half = if number.is_multiple_of(2) { 0 } else { 8 };
            bytes[half..half + 8].copy_from_slice(&number.to_le_bytes());
            (KeyDigest(bytes), number)
        })
    }

    #[test]
    fn each_key_is_found_and_no_other_also_after_it_has_grown_and_was_used_again() {
        let mut delta = DeltaKeys::default();
        for count in [5_000, 100, 20_000] {
            delta.reserve(count as usize / 3);
            for (key, number) in keys(count) {
                assert_eq!(delta.get(key), None);
                delta.add(key, first(number));
            }
            for (key, number) in keys(count) {
                assert_eq!(delta.get(key), Some(first(number)));
            }
            assert_eq!(delta.get(KeyDigest([9; 16])), None);
            assert_eq!(delta.len(), count as usize);
            let came: Vec<_> = delta
                .entries()
                .iter()
                .map(|entry| entry.first.seq.get())
                .collect();
            assert!(came.into_iter().eq(0..count));
            delta.clear();
            assert!(delta.is_empty() && delta.capacity() >= count as usize);
        }
    }
}
