//! The filters of two or four runs of one shape, woven together: where the filter of one has a
//! bit, the weave has one for each of them, side by side. So one look says which of them may have
//! a key, and costs a cache line or two, and not one for each run.
//!
//! ```text
//! of one run    bit 0 │ bit 1 │ …                                    bit 511    a line
//! of four       bit 0 of each run │ bit 1 of each run │ … │ bit 511 of each run    four lines
//! ```

use std::io;
use std::sync::Arc;

use super::digest::KeyDigest;
use super::filter::{LINE_BITS, LINE_BYTES, LINE_WORDS, Lines, bit_number};
use super::pages::Pages;

/// How many runs are woven together at most: so that what is looked at first is in one cache line.
pub(super) const COLUMNS_MAX: usize = 4;

/// Looked at first: of twelve new keys one run's leave one.
const FIRST_WORDS: usize = 2;

/// Consecutive lines of the filters of some runs, a power of two of them. Each has a column.
pub(super) struct Woven {
    memory: Pages,
    lines: usize,
    columns: usize,
}

/// One run's part of it.
#[derive(Clone, Debug)]
pub(super) struct Strand {
    woven: Arc<Woven>,
    column: usize,
}

impl std::fmt::Debug for Woven {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} lines of {} runs", self.lines, self.columns)
    }
}

impl Strand {
    /// Not woven with any other.
    pub(super) fn alone(lines: Lines) -> Strand {
        let (memory, lines) = lines.into_parts();
        let woven = Woven {
            memory,
            lines,
            columns: 1,
        };
        Strand {
            woven: Arc::new(woven),
            column: 0,
        }
    }

    /// What it is woven in.
    pub(super) fn woven(&self) -> &Arc<Woven> {
        &self.woven
    }

    /// Which bit of [`Woven::suspects`] is this run's.
    pub(super) fn column(&self) -> usize {
        self.column
    }

    /// Whether these are the columns of one weave, in their order.
    pub(super) fn are_woven(strands: &[&Strand]) -> bool {
        strands.iter().enumerate().all(|(column, strand)| {
            strand.column == column
                && strand.woven.columns == strands.len()
                && Arc::ptr_eq(&strand.woven, &strands[0].woven)
        })
    }

    /// Weaves strands, a power of two of them up to [`COLUMNS_MAX`], of as many lines each.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(super) fn weave(strands: &[&Strand]) -> io::Result<Vec<Strand>> {
        let woven = woven(strands)?;
        let strand = |column| Strand {
            woven: Arc::clone(&woven),
            column,
        };
        Ok((0..strands.len()).map(strand).collect())
    }
}

fn woven(strands: &[&Strand]) -> io::Result<Arc<Woven>> {
    if Strand::are_woven(strands) {
        return Ok(Arc::clone(&strands[0].woven));
    }
    if let [strand] = strands {
        return Ok(Arc::new(strand.woven.column(strand.column)?));
    }
    let (left, right) = strands.split_at(strands.len() / 2);
    Ok(Arc::new(Woven::join(
        woven(left)?.as_ref(),
        woven(right)?.as_ref(),
    )?))
}

impl Woven {
    fn empty(lines: usize, columns: usize) -> io::Result<Woven> {
        Ok(Woven {
            memory: Pages::zeroed(lines * columns * LINE_BYTES)?,
            lines,
            columns,
        })
    }

    /// Two of as many columns side by side.
    fn join(left: &Woven, right: &Woven) -> io::Result<Woven> {
        let columns = left.columns;
        let mut joined = Woven::empty(left.lines, columns * 2)?;
        let (pairs, _) = joined.memory.bytes_mut().as_chunks_mut::<16>();
        let sources = left.words().iter().zip(right.words());
        for (pair, (left, right)) in pairs.iter_mut().zip(sources) {
            let (left, right) = (u64::from_le_bytes(*left), u64::from_le_bytes(*right));
            let low = spread(left, columns) | spread(right, columns) << columns;
            let high = spread(left >> 32, columns) | spread(right >> 32, columns) << columns;
            *pair = (u128::from(low) | u128::from(high) << 64).to_le_bytes();
        }
        Ok(joined)
    }

    /// One column alone.
    fn column(&self, column: usize) -> io::Result<Woven> {
        let half = self.columns / 2;
        let mut halved = Woven::empty(self.lines, half)?;
        let upper = if column < half { 0 } else { half };
        let (pairs, _) = self.memory.bytes().as_chunks::<16>();
        let (words, _) = halved.memory.bytes_mut().as_chunks_mut::<8>();
        for (word, pair) in words.iter_mut().zip(pairs) {
            let pair = u128::from_le_bytes(*pair) >> upper;
            let (low, high) = (pair as u64, (pair >> 64) as u64);
            *word = (gather(low, half) | gather(high, half) << 32).to_le_bytes();
        }
        match half {
            1 => Ok(halved),
            _ => halved.column(column - upper),
        }
    }

    fn words(&self) -> &[[u8; 8]] {
        self.memory.bytes().as_chunks().0
    }

    /// The bytes that it takes in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.memory.bytes().len() as u64
    }

    /// A byte of each of the two cache lines that [`Woven::suspects`] looks at first; of one and
    /// two columns it is the same line.
    pub(super) fn looked_at(&self, line: usize, key: KeyDigest) -> [&u8; 2] {
        let bytes = self.line(line);
        [0, FIRST_WORDS].map(|word| &bytes[self.place(key, word).0])
    }

    /// A bit for each column that may have the key in this line; what is 0 is certain.
    pub(super) fn suspects(&self, line: usize, key: KeyDigest) -> u8 {
        let bytes = self.line(line);
        let of_words = |words: std::ops::Range<usize>, suspects: u8| {
            words.fold(suspects, |suspects, word| {
                let (byte, shift) = self.place(key, word);
                suspects & bytes[byte] >> shift
            })
        };
        let all = (1 << self.columns) - 1;
        match of_words(0..FIRST_WORDS, all) {
            0 => 0,
            some => match of_words(FIRST_WORDS..FIRST_WORDS * 2, some) {
                0 => 0,
                some => of_words(FIRST_WORDS * 2..LINE_WORDS, some),
            },
        }
    }

    fn line(&self, line: usize) -> &[u8] {
        let bytes = self.columns * LINE_BYTES;
        &self.memory.bytes()[line * bytes..][..bytes]
    }

    /// In which byte of a line a key's bits of one word are, and how far up.
    fn place(&self, key: KeyDigest, word: usize) -> (usize, usize) {
        let bit = (word * LINE_BITS / LINE_WORDS + bit_number(key, word)) * self.columns;
        (bit / 8, bit % 8)
    }
}

/// Where the bits of a word have to move on the way from 32 next to each other to every second
/// block: by how many places, and what is theirs then.
const MOVES: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, 0x5555_5555_5555_5555),
];

/// The low 32 bits, in blocks of so many, with as much room behind each block.
fn spread(word: u64, block_bits: usize) -> u64 {
    let low = word & u64::from(u32::MAX);
    let moves = MOVES.iter().filter(|(by, _)| *by as usize >= block_bits);
    moves.fold(low, |word, (by, theirs)| (word | word << by) & theirs)
}

/// The other way round: every second block of so many bits, one behind the other.
fn gather(word: u64, block_bits: usize) -> u64 {
    let moves = MOVES.iter().filter(|(by, _)| *by as usize >= block_bits);
    let word = moves.rev().fold(word, |word, (by, theirs)| {
        let own = word & theirs;
        own | own >> by
    });
    word & u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINES: usize = 7;
    const RUNS: usize = 11;

    fn key(number: u64) -> KeyDigest {
        KeyDigest(
            blake3::hash(&number.to_le_bytes()).as_bytes()[..16]
                .try_into()
                .expect("16 bytes"),
        )
    }

    /// A run with every eleventh key.
    fn of_run(run: usize) -> Strand {
        let mut lines = Lines::empty(LINES).expect("memory");
        (0..400)
            .filter(|number| number % RUNS == run)
            .for_each(|number| lines.insert(number % LINES, key(number as u64)));
        Strand::alone(lines)
    }

    fn says(strand: &Strand, number: u64) -> bool {
        let suspects = strand
            .woven()
            .suspects(number as usize % LINES, key(number));
        suspects >> strand.column() & 1 == 1
    }

    fn refs(strands: &[Strand]) -> Vec<&Strand> {
        strands.iter().collect()
    }

    proptest! {
        /// However it is woven, out of weaves with others too, each run says of each key what it
        /// said alone.
        #[test]
        fn a_run_says_in_a_weave_what_it_says_alone(
            before in 0u32..=2,
            after in 0u32..=2,
            order in Just((0..RUNS).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let alone: Vec<Strand> = (0..RUNS).map(of_run).collect();
            let mut strands = alone.clone();
            let woven = Strand::weave(&refs(&alone[..1 << before])).expect("memory");
            strands[..1 << before].clone_from_slice(&woven);
            let picked = &order[..1 << after];
            let pick: Vec<&Strand> = picked.iter().map(|run| &strands[*run]).collect();
            let again = Strand::weave(&pick).expect("memory");
            prop_assert!(Strand::are_woven(&refs(&again)));
            for (run, strand) in picked.iter().zip(&again) {
                for number in 0..900 {
                    prop_assert_eq!(says(strand, number), says(&alone[*run], number));
                }
            }
            let beyond = |strand: &Strand| {
                (0..900).any(|number| {
                    let line = number as usize % LINES;
                    strand.woven().suspects(line, key(number)) >> picked.len() != 0
                })
            };
            prop_assert!(!again.iter().any(beyond));
        }

        #[test]
        fn what_is_spread_is_gathered_again(word in any::<u32>(), power in 0u32..=2) {
            let (word, block) = (u64::from(word), 1 << power);
            let spread = spread(word, block);
            prop_assert_eq!(spread & spread << block & (u64::MAX / ((1 << block) + 1)) << block, 0);
            prop_assert_eq!(gather(spread, block), word);
            // What stands in the gaps does not matter.
            prop_assert_eq!(gather(spread | word << (32 + block), block) & 1, word & 1);
        }
    }

    #[test]
    fn a_weave_is_none_without_one_of_its_runs_or_with_another() {
        let alone = [of_run(0), of_run(1), of_run(2), of_run(3)];
        let woven = Strand::weave(&refs(&alone[..2])).expect("memory");
        assert!(Strand::are_woven(&[&alone[2]]));
        assert!(Strand::are_woven(&[&woven[0], &woven[1]]));
        assert!(!Strand::are_woven(&[&woven[1], &woven[0]]));
        assert!(!Strand::are_woven(&[&woven[0]]));
        assert!(!Strand::are_woven(&[&woven[0], &alone[1]]));
        assert!(!Strand::are_woven(&[&woven[0], &woven[1], &alone[2]]));
    }
}
