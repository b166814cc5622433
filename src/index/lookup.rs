//! Looks keys up in the stored runs.

use super::digest::KeyDigest;
use super::error::IndexError;
use super::filter::{Line, line_may_contain};
use super::fold::First;
use super::key_block::number_of;
use super::run::Run;
use super::run_file::place_in;
use super::run_set::RunSet;
use super::sealed::Kind;
use crate::log::storage::side_by_side::{self, BLOCKS_EACH_MIN};

/// Of how many keys the filter's lines are asked for at once: more than a core can wait for.
const TOUCHED: usize = 64;

/// A key that may be in a run. In order, the blocks that are read lie one behind the other.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Suspicion {
    /// Position among the runs.
    run: usize,
    key: u128,
    /// Position among the keys.
    place: usize,
}

/// A key whose line of a filter must be read. In order likewise.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Unread {
    run: usize,
    chunk: u64,
    line: u64,
    place: usize,
}

/// What is known of each of these keys.
///
/// # Errors
/// [`IndexError`] when a block cannot be read or is not intact.
pub(super) fn find(runs: &RunSet, keys: &[KeyDigest]) -> Result<Vec<Option<First>>, IndexError> {
    let mut found = vec![None; keys.len()];
    for (place, first) in Suspicions::among(runs, keys)?.look()? {
        found[place] = Some(first);
    }
    Ok(found)
}

/// The keys that the filters of these runs suspect to be there. Of the others it is certain that
/// they are not.
pub(super) struct Suspicions<'k> {
    runs: &'k RunSet,
    keys: &'k [KeyDigest],
    list: Vec<Suspicion>,
}

impl<'k> Suspicions<'k> {
    /// Asks the filters.
    ///
    /// # Errors
    /// [`IndexError`] when a block of a filter cannot be read or is not intact.
    pub(super) fn among(
        runs: &'k RunSet,
        keys: &'k [KeyDigest],
    ) -> Result<Suspicions<'k>, IndexError> {
        let list = suspect(runs, keys)?;
        Ok(Suspicions { runs, keys, list })
    }

    /// How many there are; a key that several runs may have counts for each.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Keeps those whose position among the keys is wanted.
    pub(super) fn retain(&mut self, mut is_wanted: impl FnMut(usize) -> bool) {
        self.list.retain(|one| is_wanted(one.place));
    }

    /// Takes all of about this many keys out of it, those that come first.
    pub(super) fn take_first(&mut self, count: usize) -> Suspicions<'k> {
        let mut places: Vec<usize> = self.list.iter().map(|one| one.place).collect();
        let last = match places.len() {
            0 => 0,
            all => *places.select_nth_unstable(count.clamp(1, all) - 1).1,
        };
        let (first, rest) = self.list.iter().partition(|one| one.place <= last);
        self.list = rest;
        Suspicions {
            list: first,
            ..*self
        }
    }

    /// The keys that are there, by their position. Blocks are read in the order in which they
    /// lie, once each, or twice where two threads share one; a key that no filter suspects
    /// costs no read.
    ///
    /// # Errors
    /// [`IndexError`] when a block cannot be read or is not intact.
    pub(super) fn look(mut self) -> Result<Vec<(usize, First)>, IndexError> {
        self.list.sort_unstable();
        side_by_side::on_pieces(&self.list, BLOCKS_EACH_MIN, |piece| {
            let mut known = Vec::new();
            for of_run in piece.chunk_by(|one, next| one.run == next.run) {
                look_into(&self.runs[of_run[0].run], of_run, self.keys, &mut known)?;
            }
            Ok(known)
        })
    }
}

fn suspect(runs: &RunSet, keys: &[KeyDigest]) -> Result<Vec<Suspicion>, IndexError> {
    let mut suspicions = Vec::new();
    let mut unread = Vec::new();
    let mut probes = Vec::with_capacity(TOUCHED);
    let mut looked_at = Vec::new();
    for group in runs.groups() {
        for (number, some) in keys.chunks(TOUCHED).enumerate() {
            probes.clear();
            probes.extend(some.iter().map(|key| group.probe(*key)));
            looked_at.clear();
            for (key, probe) in some.iter().zip(&probes) {
                probe.looked_at(*key, &mut looked_at);
            }
            // Nothing but these loads, so that as many cache misses overlap as the core can have.
            std::hint::black_box(looked_at.iter().fold(0, |all, byte| all ^ **byte));
            for (place, (key, probe)) in (number * TOUCHED..).zip(some.iter().zip(&probes)) {
                probe.suspects(*key, |run| {
                    if runs[run].answers(*key) {
                        suspicions.push(Suspicion {
                            run,
                            key: number_of(*key),
                            place,
                        });
                    }
                });
                let unread_of_key = probe
                    .unread()
                    .iter()
                    .filter(|run| runs[**run].answers(*key));
                unread.extend(unread_of_key.map(|run| Unread {
                    run: *run,
                    chunk: probe.chunk as u64,
                    line: probe.line as u64,
                    place,
                }));
            }
        }
    }
    if !unread.is_empty() {
        unread.sort_unstable();
        suspicions.extend(side_by_side::on_pieces(
            &unread,
            BLOCKS_EACH_MIN,
            |piece| {
                let mut suspicions = Vec::new();
                for of_run in piece.chunk_by(|one, next| one.run == next.run) {
                    probe_file(&runs[of_run[0].run], of_run, keys, &mut suspicions)?;
                }
                Ok::<_, IndexError>(suspicions)
            },
        )?);
    }
    Ok(suspicions)
}

/// Asks the filter in a run's file.
fn probe_file(
    run: &Run,
    unread: &[Unread],
    keys: &[KeyDigest],
    suspicions: &mut Vec<Suspicion>,
) -> Result<(), IndexError> {
    let row = &run.file.row;
    let mut bytes = vec![0; row.block_bytes as usize];
    let block_of = |one: &Unread| row.filter_block(one.chunk, one.line);
    for of_block in unread.chunk_by(|one, next| block_of(one) == block_of(next)) {
        let block = block_of(&of_block[0]);
        run.file.read(block, &mut bytes)?;
        let (lines, _): (&[Line], _) = run.file.filter_lines(block, &bytes)?.as_chunks();
        for one in of_block {
            let line = &lines[(one.line % row.lines_each()) as usize];
            if line_may_contain(line, keys[one.place]) {
                suspicions.push(Suspicion {
                    run: one.run,
                    key: number_of(keys[one.place]),
                    place: one.place,
                });
            }
        }
    }
    Ok(())
}

/// Looks into a run's blocks of keys. `known` gets the places of those that are there.
fn look_into(
    run: &Run,
    suspicions: &[Suspicion],
    keys: &[KeyDigest],
    known: &mut Vec<(usize, First)>,
) -> Result<(), IndexError> {
    let row = &run.file.row;
    let mut fences = Fences {
        run,
        group: None,
        read: Vec::new(),
    };
    let mut bytes = vec![0; row.block_bytes as usize];
    let mut left = suspicions;
    while let Some(first) = left.first() {
        let number = row.key_block(fences.block_of(first.key)?);
        run.file.read(number, &mut bytes)?;
        let block = run.file.key_block(number, &bytes)?;
        // The block must answer for the first, and may for those behind it.
        let covered = left.partition_point(|one| one.key <= *block.covers().end());
        if covered == 0 || !block.covers().contains(&first.key) {
            return Err(row.broken(Kind::Keys, number));
        }
        let (inside, rest) = left.split_at(covered);
        for one in inside {
            known.extend(block.find(keys[one.place]).map(|first| (one.place, first)));
        }
        left = rest;
    }
    Ok(())
}

/// A run's fences, from memory or else from the file, group by group.
struct Fences<'r> {
    run: &'r Run,
    group: Option<u64>,
    read: Vec<u128>,
}

impl Fences<'_> {
    /// The number of the block of keys that answers for a key.
    fn block_of(&mut self, key: u128) -> Result<u64, IndexError> {
        if let Some(fences) = self.run.fences() {
            return Ok(place_in(fences, key));
        }
        let file = &self.run.file;
        let group = file.group_of(key);
        if self.group != Some(group) {
            self.read.clear();
            file.load_group(group, &mut self.read)?;
            self.group = Some(group);
        }
        Ok(group * file.row.fences_each() + place_in(&self.read, key))
    }
}
