//! Seqs as stretches.

use crate::event::Seq;

/// How many stretches are remembered. A log that is damaged in more places has more to be told
/// than anybody reads.
const LISTED_MAX: usize = 1000;

/// Seqs that follow on each other.
#[derive(Copy, Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SeqRange {
    /// The first of them.
    #[serde(rename = "first_seq")]
    pub first: Seq,
    /// The last of them.
    #[serde(rename = "last_seq")]
    pub last: Seq,
}

/// Stretches of seqs, in order and apart from each other.
#[derive(Clone, Debug, Default)]
pub struct SeqRanges {
    listed: Vec<SeqRange>,
    /// The last of those that are not listed.
    unlisted: Option<SeqRange>,
    unlisted_count: u64,
    seqs: u64,
}

impl SeqRanges {
    /// Adds the seqs `[first, next)`, which come behind all others.
    pub(super) fn add(&mut self, first: Seq, next: Seq) {
        if next <= first {
            return;
        }
        self.seqs += next.since(first);
        let last = next.previous();
        let has_room = self.listed.len() < LISTED_MAX;
        let open = match self.unlisted.as_mut() {
            Some(unlisted) => Some(unlisted),
            None => self.listed.last_mut(),
        };
        match open {
            Some(open) if open.last.next() == first => open.last = last,
            _ if has_room => self.listed.push(SeqRange { first, last }),
            _ => {
                self.unlisted = Some(SeqRange { first, last });
                self.unlisted_count += 1;
            }
        }
    }

    /// Takes out all from this seq on.
    pub(super) fn cut_from(&mut self, seq: Seq) {
        let cut = |range: &mut SeqRange| {
            let lost = range.last.next().since(seq.max(range.first));
            range.last = range.last.min(seq.previous());
            lost
        };
        // What lies further back among the unlisted is not known one by one; it is not shown.
        if let Some(unlisted) = &mut self.unlisted {
            self.seqs -= cut(unlisted);
        }
        for range in &mut self.listed {
            self.seqs -= cut(range);
        }
        self.listed.retain(|range| range.last >= range.first);
    }

    /// Whether a seq is in one of those that are listed.
    pub fn contains(&self, seq: Seq) -> bool {
        let behind = self.listed.partition_point(|range| range.first <= seq);
        let before = behind.checked_sub(1).map(|place| self.listed[place]);
        before.is_some_and(|range| range.last >= seq)
    }

    /// The stretches, the first thousand.
    pub fn listed(&self) -> &[SeqRange] {
        &self.listed
    }

    /// How many more there are.
    pub fn unlisted_count(&self) -> u64 {
        self.unlisted_count
    }

    /// How many seqs they are, all together.
    pub fn seqs(&self) -> u64 {
        self.seqs
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.seqs == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(of: &[(u64, u64)]) -> SeqRanges {
        let mut ranges = SeqRanges::default();
        for (first, last) in of {
            ranges.add(Seq::new(*first), Seq::new(*last).next());
        }
        ranges
    }

    fn listed(ranges: &SeqRanges) -> Vec<(u64, u64)> {
        let pair = |range: &SeqRange| (range.first.get(), range.last.get());
        ranges.listed().iter().map(pair).collect()
    }

    #[test]
    fn what_follows_on_is_one_stretch_and_nothing_is_none() {
        let mut ranges = ranges(&[(1, 3), (4, 4), (6, 9)]);
        ranges.add(Seq::new(12), Seq::new(12));
        assert_eq!(listed(&ranges), [(1, 4), (6, 9)]);
        assert_eq!(ranges.seqs(), 8);
    }

    #[test]
    fn a_seq_is_in_a_stretch_from_its_first_to_its_last() {
        let ranges = ranges(&[(2, 4), (6, 6)]);
        let inside: Vec<u64> = (0..9)
            .filter(|seq| ranges.contains(Seq::new(*seq)))
            .collect();
        assert_eq!(inside, [2, 3, 4, 6]);
    }

    #[test]
    fn what_is_cut_out_is_in_no_stretch_any_more() {
        for (from, left, seqs) in [
            (1, vec![], 0),
            (3, vec![(1, 2)], 2),
            (5, vec![(1, 4)], 4),
            (7, vec![(1, 4), (6, 6)], 5),
            (10, vec![(1, 4), (6, 9)], 8),
        ] {
            let mut ranges = ranges(&[(1, 4), (6, 9)]);
            ranges.cut_from(Seq::new(from));
            assert_eq!((listed(&ranges), ranges.seqs()), (left, seqs), "{from}");
            ranges.add(Seq::new(20), Seq::new(21));
            assert_eq!(ranges.seqs(), seqs + 1);
        }
    }

    #[test]
    fn memory_is_bounded_however_many_stretches_there_are() {
        let mut ranges = SeqRanges::default();
        for number in 1..=3000 {
            ranges.add(Seq::new(2 * number), Seq::new(2 * number + 1));
        }
        ranges.add(Seq::new(6001), Seq::new(6003));
        assert_eq!(ranges.listed().len(), LISTED_MAX);
        assert_eq!((ranges.unlisted_count(), ranges.seqs()), (2000, 3002));
    }
}
