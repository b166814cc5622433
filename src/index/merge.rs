//! Which runs are merged, and how: a sorted merge that can stop after any block.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::IndexError;
use super::key_block::{Entry, KeyBlock, number_of};
use super::options::Shape;
use super::run::Run;
use super::run_builder::{self, RunBuilder, SlotBlock};
use super::schema::runs::SlotReader;
use super::sealed::{self, Kind};
use super::slots::FreeSlots;

/// The size class of a run: runs of one class are merged into one of the next.
pub(super) fn class_of(entries: u64, shape: &Shape) -> u32 {
    let ratio = shape.merge_ratio.max(2) as u64;
    match (entries / shape.small_run_entries.max(1)).checked_ilog(ratio) {
        None => 0,
        Some(power) => power + 1,
    }
}

/// The oldest runs of the smallest class that has enough of them, classes in `busy` apart.
pub(super) fn choose(
    runs: &[Arc<Run>],
    shape: &Shape,
    busy: impl Fn(u32) -> bool,
) -> Option<(u32, Vec<Arc<Run>>)> {
    let ratio = shape.merge_ratio.max(2);
    let mut classes = BTreeMap::<u32, Vec<&Arc<Run>>>::new();
    for run in runs {
        classes
            .entry(class_of(run.row.entries, shape))
            .or_default()
            .push(run);
    }
    let (class, runs) = classes
        .into_iter()
        .find(|(class, runs)| runs.len() >= ratio && !busy(*class))?;
    Some((class, runs.into_iter().take(ratio).cloned().collect()))
}

/// A merge under way. Its blocks are in slots that no run claims until the merged run is
/// named in place of its sources.
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    stage: Stage,
    /// Blocks not yet written.
    pub(super) ready: Vec<SlotBlock>,
    block_bytes: usize,
    entries: u64,
}

enum Stage {
    Keys(RunBuilder),
    Parts(Run),
    /// For the moment of passing from one to the other.
    Between,
}

impl Merge {
    /// Begins a merge into a run with this id.
    pub(super) fn begin(id: u64, sources: Vec<Arc<Run>>, shape: &Shape) -> Merge {
        let entries = sources.iter().map(|run| run.row.entries).sum();
        Merge {
            cursors: sources.into_iter().map(Cursor::new).collect(),
            stage: Stage::Keys(RunBuilder::new(id, entries, shape.block_bytes)),
            ready: Vec::new(),
            block_bytes: shape.block_bytes,
            entries,
        }
    }

    /// The runs that it merges.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.cursors.iter().map(|cursor| &cursor.run)
    }

    /// Goes on until `blocks` are ready or all are. After an error it can be called again.
    ///
    /// # Errors
    /// [`IndexError`] when a source cannot be read or is damaged.
    pub(super) fn advance(
        &mut self,
        blocks: usize,
        reader: &mut SlotReader<'_>,
        free: &mut FreeSlots,
    ) -> Result<(), IndexError> {
        while self.ready.len() < blocks {
            match &mut self.stage {
                Stage::Keys(builder) => match smallest(&mut self.cursors, reader)? {
                    Some(entry) => builder.push(entry, free, &mut self.ready)?,
                    None => self.finish_keys(free)?,
                },
                Stage::Parts(run) => {
                    if !run_builder::next_part(run, self.block_bytes, free, &mut self.ready) {
                        break;
                    }
                }
                Stage::Between => break,
            }
        }
        Ok(())
    }

    fn finish_keys(&mut self, free: &mut FreeSlots) -> Result<(), IndexError> {
        if let Stage::Keys(builder) = std::mem::replace(&mut self.stage, Stage::Between) {
            if builder.entries() != self.entries {
                return Err(IndexError::damaged(
                    "runs do not have the keys that they should",
                ));
            }
            self.stage = Stage::Parts(builder.finish(free, &mut self.ready));
        }
        Ok(())
    }

    /// The merged run, when all of its blocks are written or ready.
    pub(super) fn merged(&self) -> Option<&Run> {
        match &self.stage {
            Stage::Parts(run) => {
                let (fences, lines) = run.parts(self.block_bytes);
                (run.row.slots.len() == run.row.key_blocks + fences + lines).then_some(run)
            }
            _ => None,
        }
    }

    /// The merged run, when [`Merge::merged`] says that there is one.
    pub(super) fn into_merged(self) -> Option<Run> {
        match self.stage {
            Stage::Parts(run) => Some(run),
            _ => None,
        }
    }
}

/// The entry with the smallest key of all cursors.
fn smallest(
    cursors: &mut [Cursor],
    reader: &mut SlotReader<'_>,
) -> Result<Option<Entry>, IndexError> {
    let mut smallest: Option<(u128, usize)> = None;
    for (place, cursor) in cursors.iter_mut().enumerate() {
        if let Some(key) = cursor.key(reader)?
            && smallest.is_none_or(|(least, _)| key < least)
        {
            smallest = Some((key, place));
        }
    }
    Ok(smallest.map(|(_, place)| cursors[place].take()))
}

/// Reads a run from front to back.
struct Cursor {
    run: Arc<Run>,
    next_block: u64,
    /// The key at which the next block must begin to answer.
    next_from: u128,
    entries: Vec<Entry>,
    place: usize,
}

impl Cursor {
    fn new(run: Arc<Run>) -> Cursor {
        Cursor {
            run,
            next_block: 0,
            next_from: 0,
            entries: Vec::new(),
            place: 0,
        }
    }

    /// The key of the next entry; `None` at the end.
    fn key(&mut self, reader: &mut SlotReader<'_>) -> Result<Option<u128>, IndexError> {
        while self.place == self.entries.len() {
            if self.next_block == self.run.row.key_blocks {
                return Ok(None);
            }
            self.read_block(reader)?;
        }
        Ok(Some(number_of(self.entries[self.place].key)))
    }

    /// The next entry, after `key` has found that there is one.
    fn take(&mut self) -> Entry {
        self.place += 1;
        self.entries[self.place - 1]
    }

    fn read_block(&mut self, reader: &mut SlotReader<'_>) -> Result<(), IndexError> {
        let (id, number) = (self.run.row.id, self.next_block);
        let Cursor {
            entries, next_from, ..
        } = self;
        let to = reader.read(self.run.slot(number)?, |bytes| {
            let block = KeyBlock::open(id, number, bytes)?;
            if block.covers().start() != next_from {
                return Err(sealed::malformed(Kind::Keys, [id, number]));
            }
            entries.clear();
            entries.extend((0..block.len()).map(|place| block.entry(place)));
            Ok(*block.covers().end())
        })?;
        self.place = 0;
        self.next_block += 1;
        self.next_from = to.wrapping_add(1);
        if self.next_block == self.run.row.key_blocks && to != u128::MAX {
            return Err(sealed::malformed(Kind::Keys, [id, number]));
        }
        Ok(())
    }
}
