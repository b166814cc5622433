//! A block of a sorted run: keys with the seq and the payload digest of the event that
//! was stored first, packed to fill one page.
//!
//! ```text
//! CRC32 │ entries u16 │ prefix bytes u8 │ seq bytes u8 │ lowest seq u64 │
//! covers from, 16 │ covers to, 16 │ prefix │ entry … │ zeros
//! entry: key without prefix │ seq − lowest seq │ payload digest, 16
//! ```
//!
//! Numbers are little-endian. All keys of a block share the prefix. `from` and `to` say
//! which keys the block answers for, both included: the blocks of a run share out the
//! whole key space, so "not here" is only believed of the block that must have it.

use super::digest::{KeyDigest, PayloadDigest};
use super::error::IndexError;
use super::fold::First;
use super::sealed::{self, CRC_BYTES, Contents, Kind};
use crate::event::Seq;

const HEADER_BYTES: usize = CRC_BYTES + 2 + 1 + 1 + 8 + 16 + 16;
const PAYLOAD_BYTES: usize = 16;

/// A key and what is known of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: KeyDigest,
    pub(super) first: First,
}

impl Entry {
    /// Stands where there is none yet.
    pub(super) fn nothing() -> Entry {
        Entry {
            key: KeyDigest([0; 16]),
            first: First {
                seq: Seq::ZERO,
                payload: PayloadDigest([0; 16]),
            },
        }
    }
}

/// A key digest as a number, in the same order.
pub(super) fn number_of(key: KeyDigest) -> u128 {
    u128::from_be_bytes(key.0)
}

/// The entries of the block that is being filled.
pub(super) struct BlockPacker {
    limit_bytes: usize,
    covers_from: u128,
    entries: Vec<Entry>,
    lowest_seq: Seq,
    highest_seq: Seq,
}

impl BlockPacker {
    /// Packs blocks of exactly this many bytes.
    pub(super) fn new(limit_bytes: usize) -> BlockPacker {
        BlockPacker {
            limit_bytes,
            covers_from: 0,
            entries: Vec::new(),
            lowest_seq: Seq::ZERO,
            highest_seq: Seq::ZERO,
        }
    }

    /// Whether this entry, which is above all others, still has room.
    pub(super) fn has_room_for(&self, entry: &Entry) -> bool {
        let Some(first) = self.entries.first() else {
            return true;
        };
        let prefix = shared_prefix(first.key, entry.key);
        let lowest = self.lowest_seq.min(entry.first.seq);
        let highest = self.highest_seq.max(entry.first.seq);
        let entry_bytes = 16 - prefix + seq_bytes(lowest, highest) + PAYLOAD_BYTES;
        HEADER_BYTES + prefix + (self.entries.len() + 1) * entry_bytes <= self.limit_bytes
    }

    /// Adds an entry for which there is room.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.is_empty() {
            self.lowest_seq = entry.first.seq;
            self.highest_seq = entry.first.seq;
        }
        self.lowest_seq = self.lowest_seq.min(entry.first.seq);
        self.highest_seq = self.highest_seq.max(entry.first.seq);
        self.entries.push(entry);
    }

    /// The first key that the block answers for.
    pub(super) fn covers_from(&self) -> u128 {
        self.covers_from
    }

    /// Encodes the block, which answers for keys up to `covers_to`, and begins the next.
    pub(super) fn finish(&mut self, salt: u64, number: u64, covers_to: u128) -> Vec<u8> {
        let prefix = match (self.entries.first(), self.entries.last()) {
            (Some(first), Some(last)) => shared_prefix(first.key, last.key),
            _ => 0,
        };
        let seq_bytes = seq_bytes(self.lowest_seq, self.highest_seq);
        let mut block = Vec::with_capacity(self.limit_bytes);
        block.extend_from_slice(&[0; CRC_BYTES]);
        block.extend_from_slice(&(self.entries.len() as u16).to_le_bytes());
        block.extend_from_slice(&[prefix as u8, seq_bytes as u8]);
        block.extend_from_slice(&self.lowest_seq.get().to_le_bytes());
        block.extend_from_slice(&self.covers_from.to_be_bytes());
        block.extend_from_slice(&covers_to.to_be_bytes());
        if let Some(first) = self.entries.first() {
            block.extend_from_slice(&first.key.0[..prefix]);
        }
        for Entry { key, first } in self.entries.drain(..) {
            block.extend_from_slice(&key.0[prefix..]);
            let relative = first.seq.since(self.lowest_seq).to_le_bytes();
            block.extend_from_slice(&relative[..seq_bytes]);
            block.extend_from_slice(&first.payload.0);
        }
        block.resize(self.limit_bytes, 0);
        sealed::seal(Kind::Keys, [salt, number], &mut block);
        self.covers_from = covers_to.saturating_add(1);
        block
    }
}

fn shared_prefix(lower: KeyDigest, upper: KeyDigest) -> usize {
    (number_of(lower) ^ number_of(upper)).leading_zeros() as usize / 8
}

fn seq_bytes(lowest: Seq, highest: Seq) -> usize {
    (u64::BITS - highest.since(lowest).leading_zeros()).div_ceil(8) as usize
}

/// A block that is intact.
pub(super) struct KeyBlock<'a> {
    covers: std::ops::RangeInclusive<u128>,
    prefix: &'a [u8],
    seq_bytes: usize,
    lowest_seq: Seq,
    entries: &'a [u8],
}

impl<'a> KeyBlock<'a> {
    /// Checks a block that was read.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when it is not the intact block of this run, by its salt, and
    /// number.
    pub(super) fn open(
        salt: u64,
        number: u64,
        block: &'a [u8],
    ) -> Result<KeyBlock<'a>, IndexError> {
        let contents = sealed::open(Kind::Keys, [salt, number], block)?;
        KeyBlock::parse(Contents(contents))
            .ok_or_else(|| sealed::malformed(Kind::Keys, [salt, number]))
    }

    fn parse(mut contents: Contents<'a>) -> Option<KeyBlock<'a>> {
        let count = usize::from(contents.u16()?);
        let prefix_bytes = usize::from(contents.byte()?);
        let seq_bytes = usize::from(contents.byte()?);
        let lowest_seq = Seq::new(contents.u64()?);
        let from = u128::from_be_bytes(contents.array()?);
        let to = u128::from_be_bytes(contents.array()?);
        let entry_bytes = 16usize.checked_sub(prefix_bytes)? + seq_bytes + PAYLOAD_BYTES;
        let prefix = contents.take(prefix_bytes)?;
        let entries = contents.take(count * entry_bytes)?;
        (seq_bytes <= 8).then_some(KeyBlock {
            covers: from..=to,
            prefix,
            seq_bytes,
            lowest_seq,
            entries,
        })
    }

    /// The keys it answers for.
    pub(super) fn covers(&self) -> &std::ops::RangeInclusive<u128> {
        &self.covers
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        self.entries.len() / self.entry_bytes()
    }

    /// What is known of a key that the block covers.
    pub(super) fn find(&self, key: KeyDigest) -> Option<First> {
        let tail = key.0.strip_prefix(self.prefix)?;
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from + (to - from) / 2;
            match self.raw(middle)[..tail.len()].cmp(tail) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
                std::cmp::Ordering::Equal => return Some(self.entry(middle).first),
            }
        }
        None
    }

    /// The entry at a position below [`KeyBlock::len`].
    pub(super) fn entry(&self, position: usize) -> Entry {
        let raw = self.raw(position);
        let (tail, rest) = raw.split_at(16 - self.prefix.len());
        let (seq, digest) = rest.split_at(self.seq_bytes);
        let mut key = [0; 16];
        key[..self.prefix.len()].copy_from_slice(self.prefix);
        key[self.prefix.len()..].copy_from_slice(tail);
        let mut relative = [0; 8];
        relative[..self.seq_bytes].copy_from_slice(seq);
        let mut payload = [0; PAYLOAD_BYTES];
        payload.copy_from_slice(digest);
        Entry {
            key: KeyDigest(key),
            first: First {
                seq: self.lowest_seq.plus(u64::from_le_bytes(relative)),
                payload: PayloadDigest(payload),
            },
        }
    }

    fn entry_bytes(&self) -> usize {
        16 - self.prefix.len() + self.seq_bytes + PAYLOAD_BYTES
    }

    fn raw(&self, position: usize) -> &'a [u8] {
        let bytes = self.entry_bytes();
        &self.entries[position * bytes..(position + 1) * bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(key: u128, seq: u64) -> Entry {
        Entry {
            key: KeyDigest(key.to_be_bytes()),
            first: First {
                seq: Seq::new(seq),
                payload: PayloadDigest((key ^ 99).to_be_bytes()),
            },
        }
    }

    proptest! {
        #[test]
        fn every_entry_is_found_again_and_no_other(
            keys in proptest::collection::btree_map(
                prop_oneof![any::<u128>(), 0u128..1000, (u128::MAX - 1000)..=u128::MAX],
                prop_oneof![1u64..1000, 1u64..i64::MAX as u64],
                1..60,
            ),
            absent in any::<u128>(),
        ) {
            let mut packer = BlockPacker::new(600);
            let mut blocks = Vec::new();
            for (key, seq) in &keys {
                let entry = entry(*key, *seq);
                if !packer.has_room_for(&entry) {
                    let number = blocks.len() as u64;
                    blocks.push(packer.finish(5, number, key - 1));
                }
                packer.push(entry);
            }
            blocks.push(packer.finish(5, blocks.len() as u64, u128::MAX));
            let mut expected = keys.iter();
            let mut from = 0;
            for (number, bytes) in blocks.iter().enumerate() {
                prop_assert_eq!(bytes.len(), 600);
                let block = KeyBlock::open(5, number as u64, bytes).unwrap();
                prop_assert_eq!(*block.covers().start(), from);
                from = block.covers().end().wrapping_add(1);
                for position in 0..block.len() {
                    let (key, seq) = expected.next().unwrap();
                    let entry = entry(*key, *seq);
                    prop_assert_eq!(block.entry(position), entry);
                    prop_assert!(block.covers().contains(key));
                    prop_assert_eq!(block.find(entry.key), Some(entry.first));
                }
                if !keys.contains_key(&absent) {
                    prop_assert_eq!(block.find(KeyDigest(absent.to_be_bytes())), None);
                }
            }
            prop_assert_eq!(from, 0, "the last block reaches to the end of the key space");
            prop_assert!(expected.next().is_none());
        }
    }
}
