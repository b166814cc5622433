//! Which events come next, and which of them repeat an id.
//!
//! Only ids that were acknowledged before are repeated, so that the verdict on every event is
//! known when it is sent. Nothing is remembered of each event: fresh ones have the numbers
//! from 0 on, and what is in flight bounds those that may be repeated.

use std::num::ParseFloatError;
use std::ops::Range;

use super::shape::{Sent, mix};
use crate::config::{UnitError, parse_count};

/// How old the ids are that are repeated.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Age {
    /// Any of those sent so far.
    Any,
    /// One of so many that were sent last.
    Last(u64),
}

impl Age {
    /// Reads `any` or `1M`.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Age, UnitError> {
        match text.trim() {
            "any" => Ok(Age::Any),
            count => parse_count(count).map(|count| Age::Last(count.max(1))),
        }
    }
}

/// A share of all, from 0 to 1, in parts of a thousand millions: what is short in decimals is exact.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Share(u64);

/// Why a share was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// It is none.
    #[error("a number from 0 to 1 is needed, such as 0.2")]
    NotANumber(#[from] ParseFloatError),
    /// It is less than nothing, or more than all.
    #[error("it must be from 0 to 1")]
    OutOfBounds,
}

impl Share {
    /// Nothing of it.
    pub const NONE: Share = Share(0);
    const ALL: u64 = 1_000_000_000;

    /// Reads `0.2`.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn parse(text: &str) -> Result<Share, ShareError> {
        let share: f64 = text.trim().parse()?;
        let fits = (0.0..=1.0).contains(&share);
        fits.then_some(Share((share * Share::ALL as f64).round() as u64))
            .ok_or(ShareError::OutOfBounds)
    }

    /// As a number from 0 to 1.
    pub fn get(self) -> f64 {
        self.0 as f64 / Share::ALL as f64
    }

    /// So many of so many, evenly spread.
    fn of(self, all: u64) -> u64 {
        ((u128::from(all) * u128::from(self.0)) / u128::from(Share::ALL)) as u64
    }
}

/// Which ids are sent.
#[derive(Copy, Clone, Debug)]
pub(super) struct Ids {
    /// The share of those that were sent before.
    pub(super) repeats: Share,
    /// Which of those.
    pub(super) age: Age,
    /// So many fresh ids are in the store already.
    pub(super) known: u64,
    /// Decides which are drawn.
    pub(super) seed: u64,
}

/// Hands out events. A position counts all of them, a number only the fresh ones.
#[derive(Debug)]
pub(super) struct Sequence {
    ids: Ids,
    next: u64,
    /// No event has this position; none if there is no end.
    end: Option<u64>,
    /// The positions that each connection has in flight.
    in_flight: Vec<Option<Range<u64>>>,
    /// The first position whose id is not known to be in the log.
    lost_from: Option<u64>,
    draws: u64,
}

impl Sequence {
    pub(super) fn new(ids: Ids, end: Option<u64>, connections: usize) -> Sequence {
        Sequence {
            ids,
            next: 0,
            end,
            in_flight: vec![None; connections],
            lost_from: None,
            draws: 0,
        }
    }

    /// Puts the next events in the place of these; they are then in flight on this connection.
    /// At the end there are none.
    pub(super) fn take(&mut self, connection: usize, count: usize, events: &mut Vec<Sent>) {
        events.clear();
        let first = self.next;
        let end = first.saturating_add(count as u64);
        let end = self.end.map_or(end, |last| end.min(last));
        if end <= first {
            return;
        }
        let may_repeat = self.acknowledged();
        for position in first..end {
            let repeats = self.ids.repeats;
            let is_repeat = may_repeat > 0 && repeats.of(position + 1) > repeats.of(position);
            let number = match is_repeat {
                true => self.draw(may_repeat),
                false => self.ids.known + self.fresh_before(position),
            };
            events.push(Sent { number, is_repeat });
        }
        self.next = end;
        self.in_flight[connection] = Some(first..end);
    }

    /// What was in flight on this connection is in the log; or it is not known whether it is,
    /// and what was sent from then on is not repeated.
    pub(super) fn settle(&mut self, connection: usize, is_in_log: bool) {
        let settled = self.in_flight[connection].take();
        if !is_in_log {
            let first = settled.map(|positions| positions.start);
            self.lost_from = first.into_iter().chain(self.lost_from).min();
        }
    }

    /// The fresh ids up to now have the numbers before this one.
    pub(super) fn ids(&self) -> u64 {
        self.ids.known + self.fresh_before(self.next)
    }

    /// Events that are in flight.
    pub(super) fn in_flight(&self) -> u64 {
        let positions = self.in_flight.iter().flatten();
        positions
            .map(|positions| positions.end - positions.start)
            .sum()
    }

    /// So many fresh ids, from number 0 on, are in the log.
    fn acknowledged(&self) -> u64 {
        if self.ids.repeats == Share::NONE {
            return 0;
        }
        let in_flight = self.in_flight.iter().flatten();
        let open = in_flight.map(|positions| positions.start);
        let first_open = open.chain(self.lost_from).min();
        self.ids.known + self.fresh_before(first_open.unwrap_or(self.next))
    }

    fn fresh_before(&self, position: u64) -> u64 {
        position - self.ids.repeats.of(position)
    }

    fn draw(&mut self, may_repeat: u64) -> u64 {
        self.draws += 1;
        let random = mix(mix(!self.ids.seed).wrapping_add(self.draws));
        let among = match self.ids.age {
            Age::Any => may_repeat,
            Age::Last(count) => may_repeat.min(count),
        };
        let back = ((u128::from(random) * u128::from(among)) >> 64) as u64;
        may_repeat - 1 - back
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn sequence(
        repeats: &str,
        age: Age,
        known: u64,
        end: Option<u64>,
        connections: usize,
    ) -> Sequence {
        let ids = Ids {
            repeats: Share::parse(repeats).expect("a share"),
            age,
            known,
            seed: 1,
        };
        Sequence::new(ids, end, connections)
    }

    /// Two connections that answer in turn, the second always one batch late.
    fn all(mut sequence: Sequence) -> Vec<Sent> {
        let (mut all, mut events) = (Vec::new(), Vec::new());
        for connection in [0, 1].into_iter().cycle() {
            sequence.settle(connection, true);
            sequence.take(connection, 7, &mut events);
            if events.is_empty() {
                return all;
            }
            all.extend_from_slice(&events);
        }
        all
    }

    #[test]
    fn the_share_of_repeats_is_exact_and_fresh_numbers_have_no_gaps() {
        for (text, repeats) in [("0", 0), ("0.2", 2000), ("0.333", 3330), ("1", 10_000)] {
            let sequence = sequence(text, Age::Any, 100, Some(10_000), 2);
            let events = all(sequence);
            assert_eq!(events.len(), 10_000);
            let repeated = events.iter().filter(|event| event.is_repeat).count();
            assert_eq!(repeated, repeats, "{text}");
            let fresh = events.iter().filter(|event| !event.is_repeat);
            assert!(
                fresh
                    .map(|event| event.number)
                    .eq(100..100 + (10_000 - repeated) as u64)
            );
        }
    }

    #[test]
    fn only_what_was_acknowledged_is_repeated() {
        let mut sequence = sequence("0.5", Age::Any, 10, None, 3);
        let (mut slow, mut events) = (Vec::new(), Vec::new());
        sequence.take(0, 8, &mut slow);
        for _ in 0..100 {
            sequence.take(1, 8, &mut events);
            assert!(events.iter().filter(|e| e.is_repeat).all(|e| e.number < 10));
            sequence.settle(1, true);
        }
        sequence.settle(0, true);
        let mut seen = HashSet::new();
        for _ in 0..100 {
            sequence.take(1, 8, &mut events);
            seen.extend(events.iter().filter(|e| e.is_repeat).map(|e| e.number));
            sequence.settle(1, true);
        }
        assert!(seen.iter().any(|&number| number > 300), "{seen:?}");
    }

    #[test]
    fn what_failed_is_not_repeated() {
        let mut sequence = sequence("0.5", Age::Any, 10, None, 2);
        let mut events = Vec::new();
        sequence.take(0, 8, &mut events);
        sequence.settle(0, false);
        for _ in 0..100 {
            sequence.take(1, 8, &mut events);
            assert!(events.iter().filter(|e| e.is_repeat).all(|e| e.number < 10));
            sequence.settle(1, true);
        }
    }

    #[test]
    fn the_age_of_repeats_is_bounded() {
        let mut sequence = sequence("1", Age::Last(50), 10_000, Some(5000), 1);
        let mut events = Vec::new();
        sequence.take(0, 5000, &mut events);
        let numbers: HashSet<u64> = events.iter().map(|event| event.number).collect();
        assert_eq!(numbers, (9950..10_000).collect());
    }
}
