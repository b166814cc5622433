//! What a scan gives next, as the index said: most stretches are all stored but for a few.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::answers::Order;
use crate::event::Seq;
use crate::index::fold::{Judged, Verdict};

/// Events that are due, in the order of a scan.
#[derive(Debug)]
pub(super) enum Plan {
    /// These.
    Listed(IntoIter<Judged>),
    /// A stretch of seqs.
    Stretch(Stretch),
}

impl Default for Plan {
    fn default() -> Plan {
        Plan::Listed(Vec::new().into_iter())
    }
}

impl Iterator for Plan {
    type Item = Judged;

    fn next(&mut self) -> Option<Judged> {
        match self {
            Plan::Listed(listed) => listed.next(),
            Plan::Stretch(stretch) => stretch.next(),
        }
    }
}

/// Seqs one after the other; all of them were stored but for some.
#[derive(Debug)]
pub(super) struct Stretch {
    next: Seq,
    left: u64,
    order: Order,
    /// In the same order.
    not_stored: Peekable<IntoIter<Judged>>,
    /// Whether duplicates and conflicts are due too. What is lost never is.
    with_duplicates: bool,
}

impl Stretch {
    /// The seqs from `from` to `to`, both included, of which these were not stored.
    pub(super) fn new(
        from: Seq,
        to: Seq,
        order: Order,
        not_stored: Vec<Judged>,
        with_duplicates: bool,
    ) -> Stretch {
        Stretch {
            next: match order {
                Order::Ascending => from,
                Order::Descending => to,
            },
            left: to.next().since(from),
            order,
            not_stored: not_stored.into_iter().peekable(),
            with_duplicates,
        }
    }

    fn next(&mut self) -> Option<Judged> {
        while self.left > 0 {
            let seq = self.next;
            self.left -= 1;
            self.next = match self.order {
                Order::Ascending => seq.next(),
                Order::Descending => seq.previous(),
            };
            match self.not_stored.next_if(|other| other.seq == seq) {
                None => {
                    return Some(Judged {
                        seq,
                        verdict: Verdict::Stored,
                        original_seq: seq,
                    });
                }
                Some(other) if self.with_duplicates && other.verdict != Verdict::Lost => {
                    return Some(other);
                }
                Some(_) => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(seq: u64, verdict: Verdict) -> Judged {
        Judged {
            seq: Seq::new(seq),
            verdict,
            original_seq: Seq::FIRST,
        }
    }

    fn seqs(order: Order, with_duplicates: bool) -> Vec<u64> {
        let mut others = vec![
            other(3, Verdict::Duplicate),
            other(5, Verdict::Lost),
            other(6, Verdict::Conflict),
            other(8, Verdict::Duplicate),
        ];
        if order == Order::Descending {
            others.reverse();
        }
        let (from, to) = (Seq::new(3), Seq::new(8));
        let plan = Plan::Stretch(Stretch::new(from, to, order, others, with_duplicates));
        plan.map(|judged| judged.seq.get()).collect()
    }

    #[test]
    fn every_seq_of_a_stretch_is_due_once_also_at_its_ends() {
        assert_eq!(seqs(Order::Ascending, false), [4, 7]);
        assert_eq!(seqs(Order::Descending, false), [7, 4]);
        assert_eq!(seqs(Order::Ascending, true), [3, 4, 6, 7, 8]);
        assert_eq!(seqs(Order::Descending, true), [8, 7, 6, 4, 3]);
    }

    #[test]
    fn an_empty_stretch_ends_at_once() {
        for order in [Order::Ascending, Order::Descending] {
            let stretch = Stretch::new(Seq::FIRST, Seq::ZERO, order, Vec::new(), true);
            assert_eq!(Plan::Stretch(stretch).next(), None);
        }
    }
}
