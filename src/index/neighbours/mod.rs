//! What is remembered of events that stand near repeated ones in the log. A publisher that sends
//! yesterday again sends it in yesterday's order, while the digests of its keys lie all over the
//! runs: instead of a random read for each, the log is read where it goes on.
//!
//! What is remembered is what the deltas and runs would answer. An arrival that was judged
//! `stored` is the first with its key, and stays that for ever: its seq and its payload's digest
//! are what the fold put under that key, and nothing is ever taken out of an index. The log
//! says which key and payload arrived at a seq, by the function that told the fold so; the notes
//! and the deltas say of each seq that was applied whether it was stored. So only seqs that were
//! applied are taken, less those that have a note (see `load`). What is not remembered is not
//! taken for new: the runs are asked.
//!
//! A load takes as long as dozens of random reads, so it is made only where a few hits in a row
//! were near each other (see `order`), and only as long as loads pay: see `Credit`.

mod load;
mod order;
mod reach;

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use hashbrown::HashMap;

pub(super) use self::load::load;
use self::order::Order;
pub(super) use self::reach::Reach;
use super::digest::KeyDigest;
use super::fold::First;
use crate::event::Seq;

/// Few, but for those that fill gaps between others.
const WINDOWS_MAX: usize = 64;

/// A key that a run had.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) key: KeyDigest,
    pub(super) first: First,
}

/// Windows of the log whose stored arrivals are remembered.
#[derive(Debug)]
pub(super) struct Neighbours {
    reach: Reach,
    order: Order,
    firsts: HashMap<KeyDigest, First>,
    /// They do not overlap; the oldest comes first.
    windows: VecDeque<RangeInclusive<Seq>>,
    /// The first seq of the frame that asks.
    now: Seq,
    /// Keys that were asked for since one was answered.
    unanswered: u64,
    /// The last sample has shown order, or none was taken yet.
    expects_order: bool,
    credit: Credit,
    #[cfg(test)]
    pub(super) figures: Figures,
}

/// Whether loads pay: each costs so many answers, and those that came are paid with.
#[derive(Debug)]
struct Credit {
    answers: u64,
    /// Until then nothing is loaded.
    rests_until: Seq,
}

/// For tests.
#[cfg(test)]
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) loads: u64,
    pub(super) answers: u64,
}

impl Neighbours {
    /// Remembers nothing yet.
    pub(super) fn new(reach: Reach) -> Neighbours {
        Neighbours {
            order: Order::default(),
            firsts: HashMap::new(),
            windows: VecDeque::new(),
            now: Seq::ZERO,
            unanswered: 0,
            expects_order: true,
            credit: Credit {
                answers: reach.credit_max,
                rests_until: Seq::ZERO,
            },
            reach,
            #[cfg(test)]
            figures: Figures::default(),
        }
    }

    /// A frame asks for so many keys, which are not in the deltas.
    pub(super) fn begin(&mut self, first_seq: Seq, keys: usize) {
        self.now = first_seq;
        self.unanswered = self.unanswered.saturating_add(keys as u64);
        if self.unanswered > self.reach.idle_max && !self.windows.is_empty() {
            self.firsts = HashMap::new();
            self.windows.clear();
        }
    }

    /// Whether nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }

    /// What is remembered of a key.
    pub(super) fn get(&mut self, key: KeyDigest) -> Option<First> {
        let first = self.firsts.get(&key).copied();
        if first.is_some() {
            self.unanswered = 0;
            self.credit.answers = (self.credit.answers + 1).min(self.reach.credit_max);
            #[cfg(test)]
            {
                self.figures.answers += 1;
            }
        }
        first
    }

    /// How many keys are to be looked up first when so many must be, to see whether the others
    /// come in the order of the log; none if it is better to look them all up at once.
    pub(super) fn sample_of(&self, suspicions: usize) -> Option<usize> {
        let from = match self.expects_order {
            true => self.reach.sampled_from,
            false => self.reach.always_sampled_from,
        };
        (suspicions >= from && !self.rests()).then_some(self.reach.sample)
    }

    /// The last sample showed no order: the next ones are too dear for small frames.
    pub(super) fn sampled_in_vain(&mut self) {
        self.expects_order = false;
    }

    /// Takes what the runs had, in the order in which it was asked for. Gives the last one whose
    /// neighbours are likely to be asked for next, and are not remembered.
    pub(super) fn follow(&mut self, hits: &[Hit]) -> Option<Hit> {
        if self.rests() {
            return None;
        }
        let mut last = None;
        for hit in hits {
            if self.order.step(hit.first.seq, &self.reach) {
                last = Some(*hit);
            }
        }
        self.expects_order |= last.is_some();
        last.filter(|hit| !self.covers(hit.first.seq))
    }

    fn rests(&self) -> bool {
        self.reach.kept_max == 0 || self.now < self.credit.rests_until
    }

    fn covers(&self, seq: Seq) -> bool {
        self.windows.iter().any(|window| window.contains(&seq))
    }

    /// Pays for a load; false if there is nothing to pay with.
    fn pay(&mut self) -> bool {
        let left = self.credit.answers.checked_sub(self.reach.load_cost);
        match left {
            Some(left) => {
                self.credit.answers = left;
                #[cfg(test)]
                {
                    self.figures.loads += 1;
                }
            }
            None => self.rest(),
        }
        left.is_some()
    }

    /// Loads nothing for a while, and then tries one.
    fn rest(&mut self) {
        self.credit.answers = self.credit.answers.max(self.reach.load_cost);
        self.credit.rests_until = self.now.plus(self.reach.rest);
    }

    /// What may be loaded around a seq that no window has: up to the windows beside it.
    fn room_around(&self, seq: Seq) -> RangeInclusive<Seq> {
        let ends = self.windows.iter().map(|window| *window.end());
        let below = ends.filter(|end| *end < seq).max();
        let begins = self.windows.iter().map(|window| *window.start());
        let above = begins.filter(|begin| *begin > seq).min();
        let farthest = Seq::new(seq.get().saturating_sub(self.reach.before).max(1));
        let from = below.map_or(farthest, |below| below.next().max(farthest));
        from..=above.map_or(Seq::new(u64::MAX), Seq::previous)
    }

    /// Remembers the stored arrivals of a window, in the place of the oldest ones.
    fn remember(&mut self, window: RangeInclusive<Seq>, stored: &[Hit]) {
        while self.windows.len() >= WINDOWS_MAX
            || self.firsts.len() + stored.len() > self.reach.kept_max
        {
            let Some(oldest) = self.windows.pop_front() else {
                break;
            };
            self.firsts.retain(|_, first| !oldest.contains(&first.seq));
        }
        self.unanswered = 0;
        // First the window: then all that is remembered is forgotten with one.
        self.windows.push_back(window);
        let all = stored.iter().map(|hit| (hit.key, hit.first));
        self.firsts.extend(all);
        debug_assert!(self.firsts.len() <= self.reach.kept_max);
    }
}
