//! A split-block bloom filter over a run's keys: one cache line a probe, at 20 bits a
//! key one false 'maybe' in about 3 700.
//!
//! The high half of a digest picks the line, so a sorted run builds its filter from
//! front to back; the low half gives eight times six bits, one for each word.

use super::digest::KeyDigest;

const BITS_PER_KEY: u64 = 20;

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
struct Line([u64; 8]);

/// The bytes of one line.
pub(super) const LINE_BYTES: usize = 64;

/// Says of a key that it is not in the run, or that it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    lines: Vec<Line>,
}

impl Filter {
    /// How many lines a run of this many keys has.
    pub(super) fn lines_for(keys: u64) -> u64 {
        keys.saturating_mul(BITS_PER_KEY)
            .div_ceil(LINE_BYTES as u64 * 8)
            .max(1)
    }

    /// An empty filter for this many keys.
    pub(super) fn for_keys(keys: u64) -> Filter {
        Filter {
            lines: vec![Line([0; 8]); Filter::lines_for(keys) as usize],
        }
    }

    /// Remembers a key.
    pub(super) fn insert(&mut self, key: KeyDigest) {
        let (line, bits) = self.place(key);
        for (word, bit) in self.lines[line].0.iter_mut().zip(bits) {
            *word |= bit;
        }
    }

    /// Whether the key may have been inserted; false is certain.
    pub(super) fn may_contain(&self, key: KeyDigest) -> bool {
        let (line, bits) = self.place(key);
        let missing = self.lines[line]
            .0
            .iter()
            .zip(bits)
            .fold(0, |missing, (word, bit)| missing | (!word & bit));
        missing == 0
    }

    fn place(&self, key: KeyDigest) -> (usize, [u64; 8]) {
        let number = u128::from_be_bytes(key.0);
        let (high, low) = ((number >> 64) as u64, number as u64);
        let line = (u128::from(high) * self.lines.len() as u128) >> 64;
        (
            line as usize,
            std::array::from_fn(|word| 1 << ((low >> (6 * word)) & 63)),
        )
    }

    /// Appends the lines `[from, to)` to `bytes`.
    pub(super) fn write_lines(&self, from: usize, to: usize, bytes: &mut Vec<u8>) {
        for word in self.lines[from..to].iter().flat_map(|line| line.0) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// A filter with no lines yet, to be filled by [`Filter::read_lines`].
    pub(super) fn with_capacity(lines: usize) -> Filter {
        Filter {
            lines: Vec::with_capacity(lines),
        }
    }

    /// Appends lines that were written before.
    pub(super) fn read_lines(&mut self, bytes: &[u8]) {
        let (lines, _) = bytes.as_chunks::<LINE_BYTES>();
        self.lines.extend(lines.iter().map(|line| {
            let (words, _) = line.as_chunks::<8>();
            Line(std::array::from_fn(|word| u64::from_le_bytes(words[word])))
        }));
    }

    /// How many lines it has.
    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> KeyDigest {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&number.to_le_bytes()).as_bytes()[..16]);
        KeyDigest(digest)
    }

    #[test]
    fn an_inserted_key_is_never_denied_and_a_new_one_rarely_suspected() {
        let mut filter = Filter::for_keys(20_000);
        (0..20_000).for_each(|number| filter.insert(key(number)));
        assert!((0..20_000).all(|number| filter.may_contain(key(number))));
        let suspected = (20_000..220_000)
            .filter(|number| filter.may_contain(key(*number)))
            .count();
        assert!(suspected < 200, "{suspected} of 200 000");
    }

    #[test]
    fn lines_come_back_as_written() {
        let mut filter = Filter::for_keys(100);
        (0..100).for_each(|number| filter.insert(key(number)));
        let mut again = Filter::with_capacity(filter.lines());
        for from in 0..filter.lines() {
            let mut bytes = Vec::new();
            filter.write_lines(from, from + 1, &mut bytes);
            again.read_lines(&bytes);
        }
        assert_eq!(again, filter);
    }
}
