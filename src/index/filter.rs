//! A split-block bloom filter over a run's keys: one cache line a probe, at 28 bits a
//! key one false 'maybe' in 27 000 (11 000 at 24 bits, computed). Each costs a read of the disk,
//! one after the other, in the one thread that judges.
//!
//! The high half of a digest picks the line, so a sorted run builds its filter from
//! front to back; the low half gives eight times six bits, one for each word. The lines
//! are cut into chunks, each of which is in memory or is not.

use std::io;

use super::digest::KeyDigest;
use super::pages::Pages;

const BITS_PER_KEY: u64 = 28;

/// The bytes of one line.
pub(super) const LINE_BYTES: usize = 64;

/// The bits of one line, and the words that they make.
pub(super) const LINE_BITS: usize = LINE_BYTES * 8;
pub(super) const LINE_WORDS: usize = LINE_BYTES / 8;

/// What one probe looks at: eight words.
pub(super) type Line = [u8; LINE_BYTES];

/// How a filter is cut up.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FilterShape {
    /// How many chunks there are; at least one.
    pub(super) chunks: u64,
    /// How many lines each has; at least one.
    pub(super) chunk_lines: u64,
}

/// The high half of a digest.
pub(super) fn high_half(key: KeyDigest) -> u64 {
    (u128::from_be_bytes(key.0) >> 64) as u64
}

impl FilterShape {
    /// For this many keys, in chunks of at most so many lines. Of the shapes that other runs
    /// have it takes one that does as well, if there is one: those of one shape are woven
    /// together.
    pub(super) fn for_keys(
        keys: u64,
        chunk_lines_max: u64,
        others: impl Iterator<Item = FilterShape>,
    ) -> FilterShape {
        let lines = keys
            .saturating_mul(BITS_PER_KEY)
            .div_ceil(LINE_BYTES as u64 * 8)
            .max(1);
        let as_good = lines - lines / 8..=lines + lines / 8;
        let near = others.filter(|other| {
            other.chunk_lines <= chunk_lines_max && as_good.contains(&other.lines())
        });
        if let Some(nearest) = near.min_by_key(|other| lines.abs_diff(other.lines())) {
            return nearest;
        }
        let chunks = lines.div_ceil(chunk_lines_max.max(1));
        FilterShape {
            chunks,
            chunk_lines: lines.div_ceil(chunks),
        }
    }

    fn lines(&self) -> u64 {
        self.chunks.saturating_mul(self.chunk_lines)
    }

    /// The chunk in which a key's line is, and which of its lines it is. Both grow with
    /// the key.
    pub(super) fn place(&self, key: KeyDigest) -> (usize, usize) {
        let scaled = u128::from(high_half(key)) * u128::from(self.chunks);
        let line = u128::from(scaled as u64) * u128::from(self.chunk_lines);
        ((scaled >> 64) as usize, (line >> 64) as usize)
    }

    /// The lowest high half whose line is in this chunk; `None` beyond the last chunk.
    pub(super) fn begin_of(&self, chunk: u64) -> Option<u64> {
        let begin = (u128::from(chunk) << 64).div_ceil(u128::from(self.chunks));
        u64::try_from(begin).ok()
    }

    /// The bytes that one chunk takes in memory.
    pub(super) fn chunk_bytes(&self) -> u64 {
        Pages::bytes_for(self.chunk_lines as usize * LINE_BYTES) as u64
    }
}

/// Which bit a key has in one word of its line, by the low half of its digest.
pub(super) fn bit_number(key: KeyDigest, word: usize) -> usize {
    let low_half = u128::from_be_bytes(key.0) as u64;
    (low_half >> (6 * word)) as usize & 63
}

fn bit(key: KeyDigest, word: usize) -> u64 {
    1 << bit_number(key, word)
}

/// Consecutive lines of a filter, as they stand in a file.
pub(super) struct Lines {
    memory: Pages,
    lines: usize,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} lines", self.lines)
    }
}

impl Lines {
    /// This many, in which no key is.
    ///
    /// # Errors
    /// There is no memory for them.
    pub(super) fn empty(lines: usize) -> io::Result<Lines> {
        Ok(Lines {
            memory: Pages::zeroed(lines * LINE_BYTES)?,
            lines,
        })
    }

    /// Forgets all keys.
    pub(super) fn clear(&mut self) {
        self.memory.bytes_mut().fill(0);
    }

    /// Remembers a key.
    pub(super) fn insert(&mut self, line: usize, key: KeyDigest) {
        let at = line * LINE_BYTES;
        let (words, _) = self.memory.bytes_mut()[at..at + LINE_BYTES].as_chunks_mut::<8>();
        for (number, word) in words.iter_mut().enumerate() {
            *word = (u64::from_le_bytes(*word) | bit(key, number)).to_le_bytes();
        }
    }

    /// The lines `[from, to)`.
    pub(super) fn bytes(&self, from: usize, to: usize) -> &[u8] {
        &self.memory.bytes()[from * LINE_BYTES..to * LINE_BYTES]
    }

    /// Puts lines that were written before in the place of those from `from` on.
    pub(super) fn read(&mut self, from: usize, bytes: &[u8]) {
        let at = from * LINE_BYTES;
        self.memory.bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lines
    }

    /// The memory, and how many there are.
    pub(super) fn into_parts(self) -> (Pages, usize) {
        (self.memory, self.lines)
    }
}

/// Whether the key may have been inserted in this line; false is certain.
pub(super) fn line_may_contain(line: &Line, key: KeyDigest) -> bool {
    let (words, _) = line.as_chunks::<8>();
    let missing = |number: usize| !u64::from_le_bytes(words[number]) & bit(key, number);
    (0..LINE_WORDS).fold(0, |all, number| all | missing(number)) == 0
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;
    use proptest::prelude::*;

    fn may_contain(lines: &Lines, line: usize, key: KeyDigest) -> bool {
        let bytes = lines.bytes(line, line + 1);
        line_may_contain(bytes.try_into().expect("a line"), key)
    }

    fn key(number: u64) -> KeyDigest {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&number.to_le_bytes()).as_bytes()[..16]);
        KeyDigest(digest)
    }

    #[test]
    fn an_inserted_key_is_never_denied_and_a_new_one_rarely_suspected() {
        let shape = FilterShape::for_keys(20_000, 100, iter::empty());
        let empty = |_| Lines::empty(shape.chunk_lines as usize).expect("memory");
        let mut chunks: Vec<Lines> = (0..shape.chunks).map(empty).collect();
        for key in (0..20_000).map(key) {
            let (chunk, line) = shape.place(key);
            chunks[chunk].insert(line, key);
        }
        let suspects = |number: &u64| {
            let (chunk, line) = shape.place(key(*number));
            may_contain(&chunks[chunk], line, key(*number))
        };
        assert!((0..20_000).all(|number| suspects(&number)));
        let suspected = (20_000..220_000).filter(suspects).count();
        assert!(suspected < 200, "{suspected} of 200 000");
    }

    #[test]
    fn a_run_takes_the_shape_of_another_that_does_as_well_and_of_no_other() {
        let of =
            |keys, others: &[FilterShape]| FilterShape::for_keys(keys, 100, others.iter().copied());
        let [small, like, near, large] = [1_000, 10_000, 11_000, 20_000].map(|keys| of(keys, &[]));
        assert_eq!(of(10_200, &[small, large, like, near]), like);
        assert_eq!(of(10_700, &[small, large, like, near]), near);
        assert_eq!(of(10_700, &[small, large]), of(10_700, &[]));
        let (fewer, more) = (8_000, 12_000);
        assert!(
            [fewer, more]
                .iter()
                .all(|keys| of(*keys, &[like]) == of(*keys, &[]))
        );
        // Chunks that are too large here.
        let uncut = FilterShape::for_keys(10_000, 1_000, iter::empty());
        assert_eq!(of(10_000, &[uncut]), like);
    }

    #[test]
    fn lines_come_back_as_written() {
        // Small ones and such as have pages of their own.
        for count in [5, 40_000] {
            let mut lines = Lines::empty(count).expect("memory");
            (0..100).for_each(|number| lines.insert(number as usize % 5, key(number)));
            let mut again = Lines::empty(count).expect("memory");
            for from in 0..lines.len() {
                again.read(from, lines.bytes(from, from + 1));
            }
            assert_eq!(again.bytes(0, count), lines.bytes(0, count));
            let has =
                |lines: &Lines, number: u64| may_contain(lines, number as usize % 5, key(number));
            assert!((0..100).all(|number| has(&again, number)));
            again.clear();
            assert!(!has(&again, 0));
        }
    }

    proptest! {
        #[test]
        fn places_are_within_the_filter_and_grow_with_the_key(
            keys in 1u64..1 << 40,
            chunk_lines in 1u64..20_000,
            low in any::<[u8; 16]>(),
            high in any::<[u8; 16]>(),
        ) {
            let shape = FilterShape::for_keys(keys, chunk_lines, iter::empty());
            prop_assert!(shape.chunk_lines <= chunk_lines);
            let (low, high) = (KeyDigest(low.min(high)), KeyDigest(low.max(high)));
            prop_assert!(shape.place(low) <= shape.place(high));
            let (chunk, line) = shape.place(high);
            prop_assert!((chunk as u64) < shape.chunks && (line as u64) < shape.chunk_lines);
            let begin = shape.begin_of(chunk as u64).expect("it has a begin");
            prop_assert!(begin <= high_half(high));
            let next = shape.begin_of(chunk as u64 + 1);
            prop_assert!(next.is_none_or(|next| high_half(high) < next));
            prop_assert_eq!(shape.begin_of(shape.chunks), None);
        }
    }
}
