//! What the manifest says of a generation, and which of them are merged next.

use super::super::error::IndexError;
use super::super::merge::class_of;
use super::super::options::Shape;
use super::super::sealed::{self, Kind};
use crate::event::Seq;

/// How many generations are merged at once, in ratios: each takes a block of memory.
const RATIOS_MERGED_MAX: usize = 8;

/// A row of the manifest, which makes a generation exist: it has the postings of the stored
/// events in `(after, upto]`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::index) struct Generation {
    /// Never given twice while a block with it may be left.
    pub(in crate::index) number: u64,
    pub(in crate::index) after: Seq,
    pub(in crate::index) upto: Seq,
    /// How many stored events it has.
    pub(in crate::index) postings: u64,
    /// How many bytes its blocks have.
    pub(in crate::index) bytes: u64,
}

impl Generation {
    /// All of it but the number, in the order of the columns.
    pub(in crate::index) fn numbers(&self) -> [u64; 4] {
        [self.after.get(), self.upto.get(), self.postings, self.bytes]
    }

    /// What [`Generation::numbers`] has given.
    pub(in crate::index) fn of(number: u64, numbers: [u64; 4]) -> Generation {
        let [after, upto, postings, bytes] = numbers;
        Generation {
            number,
            after: Seq::new(after),
            upto: Seq::new(upto),
            postings,
            bytes,
        }
    }

    /// The CRC over all of it.
    pub(in crate::index) fn crc(&self) -> u32 {
        let mut contents = Vec::with_capacity(32);
        for number in self.numbers() {
            contents.extend_from_slice(&number.to_le_bytes());
        }
        sealed::crc(Kind::Generation, [self.number, 0], &contents)
    }
}

/// Whether these, in order, cover every flushed seq once and have all that was stored.
///
/// # Errors
/// [`IndexError::Damaged`] when one is missing or says something else.
pub(in crate::index) fn check_cover(
    generations: &[Generation],
    flushed: Seq,
    stored: u64,
) -> Result<(), IndexError> {
    let mut end = Seq::ZERO;
    let mut postings = 0u64;
    for generation in generations {
        if generation.after != end || generation.upto <= generation.after {
            return Err(sealed::malformed(Kind::Generation, [generation.number]));
        }
        end = generation.upto;
        postings = postings.saturating_add(generation.postings);
    }
    if end == flushed && postings == stored {
        Ok(())
    } else {
        Err(IndexError::damaged(
            "its postings are not those of the events that were stored",
        ))
    }
}

/// Those to merge next: the newest stretch of generations of one size class that is long
/// enough. One that is smaller than a newer one counts as of that one's class, so that the
/// classes only fall from old to new, and each has fewer than a ratio of generations when
/// nothing is left to merge.
pub(in crate::index) fn choose<'g>(
    generations: &'g [Generation],
    shape: &Shape,
) -> Option<&'g [Generation]> {
    let ratio = shape.merge_ratio.max(2);
    let mut end = generations.len();
    let mut begin = end;
    let mut class = 0;
    while begin > 0 {
        let next = class_of(generations[begin - 1].postings, shape);
        if next > class {
            if end - begin >= ratio {
                break;
            }
            (class, end) = (next, begin);
        }
        begin -= 1;
    }
    let stretch = &generations[begin..end];
    let most = stretch.len().min(ratio * RATIOS_MERGED_MAX);
    (stretch.len() >= ratio).then(|| &stretch[..most])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape {
            merge_ratio: 3,
            small_run_entries: 10,
            ..Shape::default()
        }
    }

    /// Generations of these sizes, of ten seqs each.
    fn sized(sizes: &[u64]) -> Vec<Generation> {
        let sized = (0..).zip(sizes).map(|(place, postings)| Generation {
            number: place + 1,
            after: Seq::new(place * 10),
            upto: Seq::new(place * 10 + 10),
            postings: *postings,
            bytes: 0,
        });
        sized.collect()
    }

    fn chosen(sizes: &[u64]) -> Option<(usize, usize)> {
        let all = sized(sizes);
        let chosen = choose(&all, &shape())?;
        let begin = chosen[0].number as usize - 1;
        Some((begin, begin + chosen.len()))
    }

    #[test]
    fn the_newest_stretch_of_one_class_is_chosen() {
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[1, 1]), None);
        assert_eq!(chosen(&[1, 1, 1]), Some((0, 3)));
        assert_eq!(chosen(&[100, 100, 1, 1, 1]), Some((2, 5)));
        assert_eq!(chosen(&[100, 100, 1, 1]), None);
        assert_eq!(chosen(&[100, 100, 100, 1, 1]), Some((0, 3)));
        // A smaller one goes with the larger one after it.
        assert_eq!(chosen(&[100, 1, 100, 1]), Some((0, 3)));
        assert_eq!(chosen(&[1, 0, 100, 1]), Some((0, 3)));
        assert_eq!(chosen(&[300, 1, 100]), None);
    }

    #[test]
    fn generations_stay_few_whatever_their_sizes() {
        let mut sizes: Vec<u64> = Vec::new();
        let mut rewritten = 0;
        let mut flushed = 0;
        for round in 0..3000u64 {
            let size = [0, 1, 7, 30, 300, 2][(round * round % 11 % 6) as usize];
            flushed += size;
            sizes.push(size);
            while let Some((begin, end)) = chosen(&sizes) {
                let merged: u64 = sizes[begin..end].iter().sum();
                rewritten += merged;
                sizes.splice(begin..end, [merged]);
            }
            let classes = 2 + flushed.max(10).ilog(3) as usize;
            assert!(sizes.len() <= 2 * classes, "{sizes:?}");
        }
        assert_eq!(sizes.iter().sum::<u64>(), flushed);
        assert!(rewritten < 12 * flushed, "{rewritten} of {flushed}");
    }

    #[test]
    fn a_gap_an_overlap_or_a_wrong_count_is_damage() {
        let whole = sized(&[1, 2, 3]);
        check_cover(&whole, Seq::new(30), 6).unwrap();
        check_cover(&[], Seq::ZERO, 0).unwrap();
        assert!(check_cover(&whole, Seq::new(31), 6).is_err());
        assert!(check_cover(&whole, Seq::new(30), 7).is_err());
        assert!(check_cover(&whole[1..], Seq::new(30), 5).is_err());
        assert!(check_cover(&whole[..2], Seq::new(30), 3).is_err());
        let gap = [whole[0], whole[2]];
        assert!(check_cover(&gap, Seq::new(30), 4).is_err());
        let twice = [whole[0], whole[1], whole[1], whole[2]];
        assert!(check_cover(&twice, Seq::new(30), 8).is_err());
        let mut empty = whole[1];
        empty.after = empty.upto;
        let with_empty = [whole[0], whole[1], empty, whole[2]];
        assert!(check_cover(&with_empty, Seq::new(30), 8).is_err());
    }
}
