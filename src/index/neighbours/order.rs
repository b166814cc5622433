//! Whether hits come in the order of the log.

use std::collections::VecDeque;

use super::reach::Reach;
use crate::event::Seq;

/// So many publishers may send at a time, each in an order of its own.
const TRACKS_MAX: usize = 16;

/// What hits have followed each other lately. The one that was used last comes last.
#[derive(Debug, Default)]
pub(super) struct Order {
    tracks: VecDeque<Track>,
}

#[derive(Debug)]
struct Track {
    last: Seq,
    /// How often a neighbour followed.
    steps: u32,
}

impl Order {
    /// Takes a hit; says whether it follows neighbours. It may be before them by a little: what is sent
    /// over several connections is mixed.
    pub(super) fn step(&mut self, seq: Seq, reach: &Reach) -> bool {
        let is_near = |track: &Track| track.last.get().abs_diff(seq.get()) <= reach.near;
        let track = self.tracks.iter().position(is_near);
        let mut track = match track.and_then(|place| self.tracks.remove(place)) {
            Some(track) => track,
            None => Track {
                last: seq,
                steps: 0,
            },
        };
        // An id that is sent over and over again has no order.
        track.steps = track.steps.saturating_add(u32::from(track.last != seq));
        track.last = seq;
        let is_order = track.steps >= reach.steps;
        if self.tracks.len() == TRACKS_MAX {
            self.tracks.pop_front();
        }
        self.tracks.push_back(track);
        is_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of these hits follow others.
    fn following(seqs: impl IntoIterator<Item = u64>) -> usize {
        let (mut order, reach) = (Order::default(), Reach::default());
        let seqs = seqs.into_iter().map(Seq::new);
        seqs.filter(|seq| order.step(*seq, &reach)).count()
    }

    /// So many numbers below this one, without order.
    fn random(below: u64, count: u64) -> impl Iterator<Item = u64> {
        let mut state = 1u64;
        (0..count).map(move |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            1 + (state >> 33) % below
        })
    }

    #[test]
    fn many_publishers_that_take_turns_are_each_in_order() {
        let turns = (0..100).flat_map(|turn| (1..=12).map(move |one| one * 1_000_000 + turn));
        assert_eq!(following(turns), 12 * 97);
    }

    #[test]
    fn neighbours_that_overtake_each_other_are_in_order() {
        let mixed = (1..100).map(|number| 1000 + (number ^ 7));
        assert_eq!(following(mixed), 96);
    }

    #[test]
    fn random_ids_and_one_that_comes_over_and_over_are_not() {
        assert_eq!(following(random(1_000_000, 100_000)), 0);
        assert_eq!(following([77; 1000]), 0);
        assert_eq!(following((1..1000).map(|number| number * 1000)), 0);
    }
}
