//! A split-block bloom filter over a run's keys: one cache line a probe, at 20 bits a
//! key one false 'maybe' in about 3 700.
//!
//! The high half of a digest picks the line, so a sorted run builds its filter from
//! front to back; the low half gives eight times six bits, one for each word. The lines
//! are cut into chunks, each of which is in memory or is not.

use super::digest::KeyDigest;

const BITS_PER_KEY: u64 = 20;

#[derive(Copy, Clone, PartialEq, Eq)]
#[repr(align(64))]
struct Line([u64; 8]);

/// The bytes of one line.
pub(super) const LINE_BYTES: usize = 64;

/// How a filter is cut up.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
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
    /// For this many keys, in chunks of at most so many lines.
    pub(super) fn for_keys(keys: u64, chunk_lines_max: u64) -> FilterShape {
        let lines = keys
            .saturating_mul(BITS_PER_KEY)
            .div_ceil(LINE_BYTES as u64 * 8)
            .max(1);
        let chunks = lines.div_ceil(chunk_lines_max.max(1));
        FilterShape {
            chunks,
            chunk_lines: lines.div_ceil(chunks),
        }
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
        self.chunk_lines * LINE_BYTES as u64
    }
}

/// One bit for each word of a line.
fn bits(key: KeyDigest) -> [u64; 8] {
    let low = u128::from_be_bytes(key.0) as u64;
    std::array::from_fn(|word| 1 << ((low >> (6 * word)) & 63))
}

/// Consecutive lines of a filter.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Lines(Vec<Line>);

impl std::fmt::Debug for Lines {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} lines", self.0.len())
    }
}

impl Lines {
    /// This many, in which no key is.
    pub(super) fn empty(lines: usize) -> Lines {
        Lines(vec![Line([0; 8]); lines])
    }

    /// None yet, to be filled by [`Lines::read`].
    pub(super) fn with_capacity(lines: usize) -> Lines {
        Lines(Vec::with_capacity(lines))
    }

    /// Forgets all keys.
    pub(super) fn clear(&mut self) {
        self.0.fill(Line([0; 8]));
    }

    /// Remembers a key.
    pub(super) fn insert(&mut self, line: usize, key: KeyDigest) {
        for (word, bit) in self.0[line].0.iter_mut().zip(bits(key)) {
            *word |= bit;
        }
    }

    /// Whether the key may have been inserted; false is certain.
    pub(super) fn may_contain(&self, line: usize, key: KeyDigest) -> bool {
        let missing = self.0[line]
            .0
            .iter()
            .zip(bits(key))
            .fold(0, |missing, (word, bit)| missing | (!word & bit));
        missing == 0
    }

    /// Reads of one line what brings all of it into the cache.
    pub(super) fn touch(&self, line: usize) -> u64 {
        self.0[line].0[0]
    }

    /// Appends the lines `[from, to)` to `bytes`.
    pub(super) fn write(&self, from: usize, to: usize, bytes: &mut Vec<u8>) {
        for word in self.0[from..to].iter().flat_map(|line| line.0) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Appends lines that were written before.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let (lines, _) = bytes.as_chunks::<LINE_BYTES>();
        self.0.extend(lines.iter().map(|line| {
            let (words, _) = line.as_chunks::<8>();
            Line(std::array::from_fn(|word| u64::from_le_bytes(words[word])))
        }));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(number: u64) -> KeyDigest {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&number.to_le_bytes()).as_bytes()[..16]);
        KeyDigest(digest)
    }

    #[test]
    fn an_inserted_key_is_never_denied_and_a_new_one_rarely_suspected() {
        let shape = FilterShape::for_keys(20_000, 100);
        let mut chunks = vec![Lines::empty(shape.chunk_lines as usize); shape.chunks as usize];
        for key in (0..20_000).map(key) {
            let (chunk, line) = shape.place(key);
            chunks[chunk].insert(line, key);
        }
        let suspects = |number: &u64| {
            let (chunk, line) = shape.place(key(*number));
            chunks[chunk].may_contain(line, key(*number))
        };
        assert!((0..20_000).all(|number| suspects(&number)));
        let suspected = (20_000..220_000).filter(suspects).count();
        assert!(suspected < 200, "{suspected} of 200 000");
    }

    #[test]
    fn lines_come_back_as_written() {
        let mut lines = Lines::empty(5);
        (0..100).for_each(|number| lines.insert(number as usize % 5, key(number)));
        let mut again = Lines::with_capacity(lines.len());
        for from in 0..lines.len() {
            let mut bytes = Vec::new();
            lines.write(from, from + 1, &mut bytes);
            again.read(&bytes);
        }
        assert!(again == lines);
    }

    proptest! {
        #[test]
        fn places_are_within_the_filter_and_grow_with_the_key(
            keys in 1u64..1 << 40,
            chunk_lines in 1u64..20_000,
            low in any::<[u8; 16]>(),
            high in any::<[u8; 16]>(),
        ) {
            let shape = FilterShape::for_keys(keys, chunk_lines);
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
