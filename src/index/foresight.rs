//! What the runs say of a frame's keys, looked up before the frame's turn, by another thread than
//! the one that applies.
//!
//! A run's file never changes, so what was looked up in it stays true, and a run that has come
//! since has a number of its own: only there, and in the deltas, is left to look. A merged run
//! that was there had nothing that its sources, where they still answered, had not.

use std::sync::{Arc, Weak};

use super::fold::{Arrivals, First};
use super::handle::Index;
use super::lookup;
use super::run::Run;
use super::run_set::RunSet;
use super::shared::{Runs, Shared};
use crate::event::Seq;

/// With fewer runs a look-up costs less than to pass its outcome on.
const RUNS_MIN: usize = if cfg!(test) { 1 } else { 3 };

/// What the runs of an index said of the keys of one frame.
#[derive(Debug)]
pub struct Foresight {
    /// Which index.
    of: Weak<Shared>,
    /// Which frame: its first seq, and how many events it has.
    first_seq: Seq,
    count: u64,
    /// The numbers of the runs that were asked.
    asked: Vec<u64>,
    /// The keys that one of them has, by their position in the frame.
    found: Vec<(usize, First)>,
}

impl Index {
    /// Looks the keys of the frame with this first seq up in the runs that there are, for
    /// [`Index::apply_foreseen`]. None where it is not worth while, or failed: then the frame's
    /// own look-up says why.
    pub fn foresee(&self, first_seq: Seq, arrivals: &Arrivals) -> Option<Foresight> {
        let runs = Runs::clone(&self.shared.read().runs);
        if runs.len() < RUNS_MIN {
            return None;
        }
        let keys: Vec<_> = arrivals.list.iter().map(|arrival| arrival.key).collect();
        let firsts = lookup::find(&runs, &keys).ok()?;
        let found = firsts.into_iter().enumerate();
        Some(Foresight {
            of: Arc::downgrade(&self.shared),
            first_seq,
            count: arrivals.list.len() as u64,
            asked: runs.iter().map(|run| run.file.row.id).collect(),
            found: found
                .filter_map(|(place, first)| Some((place, first?)))
                .collect(),
        })
    }
}

impl Foresight {
    /// What it takes in memory, about.
    pub fn memory_bytes(&self) -> usize {
        self.asked.len() * size_of::<u64>() + self.found.len() * size_of::<(usize, First)>()
    }

    /// Whether it is of this frame, in this index. What is found is told by position: of any
    /// other frame it would be wrong verdicts.
    pub(super) fn is_of(&self, shared: &Shared, first_seq: Seq, count: u64) -> bool {
        std::ptr::eq(self.of.as_ptr(), shared) && (self.first_seq, self.count) == (first_seq, count)
    }

    /// The keys that the runs asked have, by their position in the frame.
    pub(super) fn found(&self) -> &[(usize, First)] {
        &self.found
    }

    /// Those of the runs that were not asked.
    pub(super) fn not_asked(&self, runs: &Runs) -> Runs {
        let is_new = |run: &&Arc<Run>| !self.asked.contains(&run.file.row.id);
        Arc::new(RunSet::of(runs.iter().filter(is_new).cloned().collect()))
    }
}
