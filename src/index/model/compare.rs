//! What an index can be asked, and what the model says.

use super::super::fold::{Counters, FoldState, Judged, Verdict};
use super::super::{Index, IndexError, NotStored, Order};
use super::Model;
use crate::event::Seq;

impl Model {
    /// Asks the index everything. An error is passed on, a wrong answer panics.
    pub(crate) fn compare(&self, index: &Index) -> Result<(), IndexError> {
        self.compare_upto(index, self.applied(), self.state)
    }

    fn compare_upto(
        &self,
        index: &Index,
        applied: Seq,
        state: FoldState,
    ) -> Result<(), IndexError> {
        assert_eq!(index.state(), state);
        assert_eq!(index.applied(), applied);
        let all: Vec<Judged> = self.judged.iter().map(|one| one.judged).collect();
        assert_eq!(index.verdicts(Seq::FIRST, Seq::new(u64::MAX))?, all);
        self.compare_keys(index)?;
        let end = applied.get();
        for (after, upto) in [
            (0, u64::MAX),
            (end / 3, end / 2),
            (end / 2, end - end / 9),
            (end, end),
            (5, 4),
        ] {
            for (order, limit) in [
                (Order::Ascending, usize::MAX),
                (Order::Descending, usize::MAX),
                (Order::Ascending, 3),
                (Order::Descending, 3),
                (Order::Ascending, 0),
            ] {
                self.compare_window(index, Seq::new(after), Seq::new(upto), order, limit)?;
            }
        }
        let topics = index.topics(0, usize::MAX);
        let counts: Vec<(&str, usize, Seq)> = self
            .topics
            .iter()
            .map(|(name, seqs)| (name.as_str(), seqs.len(), seqs[0]))
            .collect();
        let found: Vec<(&str, usize, Seq)> = topics
            .iter()
            .map(|topic| (&*topic.name, topic.stored as usize, topic.first_seq))
            .collect();
        assert_eq!(found, counts);
        assert!(topics.iter().zip(1..).all(|(topic, no)| topic.no == no));
        assert_eq!(index.topics_total(), self.topics.len() as u64);
        let mut names: Vec<Box<str>> = counts.iter().map(|(name, ..)| (*name).into()).collect();
        names.push("nobody's".into());
        let census = index.topic_census(&names);
        assert_eq!(census.unknown, [names.len() - 1]);
        assert_eq!(
            (census.total, census.applied),
            (self.topics.len() as u64, index.applied())
        );
        Ok(())
    }

    fn compare_keys(&self, index: &Index) -> Result<(), IndexError> {
        for (key, place) in &self.first {
            let first = index.first_of(*key)?.expect("a stored key is known");
            assert_eq!(first.seq, Seq::new(*place as u64 + 1));
            assert_eq!(first.payload, self.judged[*place].payload);
            let mut other = *key;
            other.0[15] ^= 1;
            assert_eq!(index.first_of(other)?, None);
        }
        Ok(())
    }

    fn compare_window(
        &self,
        index: &Index,
        after: Seq,
        upto: Seq,
        order: Order,
        limit: usize,
    ) -> Result<(), IndexError> {
        let inside = |seq: &Seq| *seq > after && *seq <= upto;
        for (name, seqs) in &self.topics {
            let found = index.topic_seqs(name, after, upto, order, limit)?;
            let expected = in_order(seqs.iter().copied().filter(inside).collect(), order, limit);
            assert_eq!(found, Some(expected), "{name} in ({after}, {upto}]");
        }
        assert_eq!(
            index.topic_seqs("nobody's", after, upto, order, limit)?,
            None
        );
        for only in [
            None,
            Some(Verdict::Duplicate),
            Some(Verdict::Conflict),
            Some(Verdict::Lost),
        ] {
            let found = index.not_stored(after, upto, order, limit, only)?;
            let wanted = |one: &&NotStored| {
                let verdict = one.judged.verdict;
                inside(&one.judged.seq)
                    && verdict != Verdict::Stored
                    && only.is_none_or(|only| verdict == only)
            };
            let expected = in_order(
                self.judged.iter().filter(wanted).copied().collect(),
                order,
                limit,
            );
            assert_eq!(found, expected, "{only:?} in ({after}, {upto}]");
        }
        Ok(())
    }

    /// Counted from the list of verdicts, without the fold.
    pub(crate) fn counted(&self) -> Counters {
        let count = |verdict| {
            self.judged
                .iter()
                .filter(|one| one.judged.verdict == verdict)
                .count() as u64
        };
        Counters {
            unique: count(Verdict::Stored),
            duplicates: count(Verdict::Duplicate) + count(Verdict::Conflict),
            conflicts: count(Verdict::Conflict),
            lost: count(Verdict::Lost),
        }
    }
}

fn in_order<T>(mut all: Vec<T>, order: Order, limit: usize) -> Vec<T> {
    if order == Order::Descending {
        all.reverse();
    }
    all.truncate(limit);
    all
}
