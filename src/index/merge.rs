//! Which runs are merged, and how: a sorted merge that can stop after any block.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use super::error::IndexError;
use super::key_block::{Entry, number_of};
use super::options::Shape;
use super::pages::Pages;
use super::run::Run;
use super::run_builder::{RunBuilder, RunMaker};
use super::run_file::RunFile;
use super::sealed::Kind;

/// The size class of a run: runs of one class are merged into one of the next.
pub(super) fn class_of(entries: u64, shape: &Shape) -> u32 {
    let ratio = shape.merge_ratio.max(2) as u64;
    match (entries / shape.small_run_entries.max(1)).checked_ilog(ratio) {
        None => 0,
        Some(power) => power + 1,
    }
}

/// How often a run of so many entries is merged where there are so many in all; at least once.
pub(super) fn levels(entries: u64, all: u64, shape: &Shape) -> u64 {
    let smallest = entries.max(shape.small_run_entries).max(1);
    let ratio = shape.merge_ratio.max(2) as u64;
    let levels = (all / smallest).checked_ilog(ratio).unwrap_or(0);
    u64::from(levels).max(1)
}

/// The oldest runs of the smallest class that has enough of them, classes in `busy` apart.
pub(super) fn choose(
    runs: &[Arc<Run>],
    shape: &Shape,
    busy: impl Fn(u32) -> bool,
) -> Option<(u32, Vec<Arc<RunFile>>)> {
    let ratio = shape.merge_ratio.max(2);
    let mut classes = BTreeMap::<u32, Vec<&Arc<RunFile>>>::new();
    for run in runs {
        classes
            .entry(class_of(run.file.row.entries, shape))
            .or_default()
            .push(&run.file);
    }
    let (class, mut files) = classes
        .into_iter()
        .find(|(class, files)| files.len() >= ratio && !busy(*class))?;
    files.sort_by_key(|file| file.row.id);
    Some((class, files.into_iter().take(ratio).cloned().collect()))
}

/// A merge under way. No run has what it writes until it is named in place of its sources.
pub(super) struct Merge {
    sources: Vec<Arc<RunFile>>,
    stage: Stage,
}

enum Stage {
    /// Entries are left.
    Entries {
        cursors: Vec<Cursor>,
        builder: Box<RunBuilder>,
    },
    /// The file is complete and lasts.
    Merged(Arc<RunFile>),
    /// Something failed: what is there is of no use.
    Failed,
}

impl Merge {
    /// Begins a merge into a run with this id, beside those that there are.
    ///
    /// # Errors
    /// When the file cannot be made or a source not be read.
    pub(super) fn begin(
        maker: &RunMaker,
        id: u64,
        sources: Vec<Arc<RunFile>>,
        beside: &[Arc<Run>],
    ) -> Result<Merge, IndexError> {
        let entries = sources.iter().map(|file| file.row.entries).sum();
        let builder = Box::new(RunBuilder::begin(maker, id, entries, beside, true)?);
        let mut cursors = Vec::with_capacity(sources.len());
        for source in &sources {
            cursors.extend(Cursor::begin(source, maker.shape.read_blocks)?);
        }
        Ok(Merge {
            sources,
            stage: Stage::Entries { cursors, builder },
        })
    }

    /// The runs that it merges.
    pub(super) fn sources(&self) -> &[Arc<RunFile>] {
        &self.sources
    }

    /// Goes on until about so many blocks are written or all are. Returns how many were.
    ///
    /// # Errors
    /// [`IndexError`] when a source cannot be read or is damaged, or the file not be
    /// written. It cannot go on then, and must be dropped.
    pub(super) fn advance(&mut self, blocks: u64) -> Result<u64, IndexError> {
        let (mut cursors, mut builder) = match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Entries { cursors, builder } => (cursors, builder),
            other => {
                self.stage = other;
                return Ok(0);
            }
        };
        let before = builder.blocks();
        while builder.blocks() - before < blocks {
            let Some(place) = smallest(&cursors) else {
                let written = builder.blocks() - before;
                self.stage = Stage::Merged(Arc::new(builder.finish()?));
                return Ok(written);
            };
            builder.push(cursors[place].entry)?;
            if !cursors[place].step()? {
                cursors.swap_remove(place);
            }
        }
        let written = builder.blocks() - before;
        self.stage = Stage::Entries { cursors, builder };
        Ok(written)
    }

    /// The merged run, when its file is complete.
    pub(super) fn merged(&self) -> Option<&Arc<RunFile>> {
        match &self.stage {
            Stage::Merged(file) => Some(file),
            _ => None,
        }
    }
}

/// The place of the cursor with the smallest key.
pub(super) fn smallest(cursors: &[Cursor]) -> Option<usize> {
    (0..cursors.len()).min_by_key(|place| cursors[*place].key)
}

/// Reads a run from front to back. There is always an entry at hand.
pub(super) struct Cursor {
    file: Arc<RunFile>,
    key: u128,
    entry: Entry,
    next_block: u64,
    /// The key at which the next block must begin to answer.
    next_from: u128,
    entries: Vec<Entry>,
    place: usize,
    /// Consecutive blocks of the file: the number of the first, and how many.
    read: Pages,
    read_from: u64,
    read_count: u64,
    read_blocks_max: u64,
    /// Past the page cache, where that can be had.
    direct: Option<File>,
}

impl Cursor {
    /// At the first entry; `None` if there is none.
    ///
    /// # Errors
    /// As [`Cursor::step`].
    pub(super) fn begin(
        file: &Arc<RunFile>,
        read_blocks: u64,
    ) -> Result<Option<Cursor>, IndexError> {
        let nothing = Entry::nothing();
        let read_blocks_max = read_blocks.max(1);
        let mut cursor = Cursor {
            file: Arc::clone(file),
            key: 0,
            entry: nothing,
            next_block: 0,
            next_from: 0,
            entries: Vec::new(),
            place: 0,
            read: Pages::mapped((read_blocks_max * file.row.block_bytes) as usize)?,
            read_from: 0,
            read_count: 0,
            read_blocks_max,
            direct: file.open_direct(),
        };
        Ok(cursor.step()?.then_some(cursor))
    }

    /// The entry at hand.
    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Goes to the next entry; false at the end.
    ///
    /// # Errors
    /// [`IndexError`] when a block cannot be read or is damaged.
    pub(super) fn step(&mut self) -> Result<bool, IndexError> {
        while self.place == self.entries.len() {
            if self.next_block == self.file.row.key_blocks {
                return Ok(false);
            }
            self.open_block()?;
        }
        self.entry = self.entries[self.place];
        self.key = number_of(self.entry.key);
        self.place += 1;
        Ok(true)
    }

    fn open_block(&mut self) -> Result<(), IndexError> {
        let row = self.file.row;
        let number = row.key_block(self.next_block);
        let bytes = row.block_bytes as usize;
        if !(self.read_from..self.read_from + self.read_count).contains(&number) {
            let end = row.key_block(row.key_blocks - 1) + 1;
            let count = self.read_blocks_max.min(end - number);
            let buffer = &mut self.read.bytes_mut()[..count as usize * bytes];
            (self.read_from, self.read_count) = (number, 0);
            self.file
                .read_through(self.direct.as_ref(), number, buffer)?;
            self.read_count = count;
        }
        let at = (number - self.read_from) as usize * bytes;
        let block = self
            .file
            .key_block(number, &self.read.bytes()[at..at + bytes])?;
        let last = self.next_block + 1 == row.key_blocks;
        let covers = block.covers();
        if *covers.start() != self.next_from || last != (*covers.end() == u128::MAX) {
            return Err(row.broken(Kind::Keys, number));
        }
        self.entries.clear();
        self.entries
            .extend((0..block.len()).map(|place| block.entry(place)));
        self.place = 0;
        self.next_block += 1;
        self.next_from = covers.end().wrapping_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is merged for a flush follows from it: too few, and runs pile up.
    #[test]
    fn a_run_is_merged_as_often_as_there_are_larger_classes() {
        let shape = Shape {
            merge_ratio: 8,
            small_run_entries: 100,
            ..Shape::default()
        };
        for (entries, all, expected) in [
            (1000, 1000, 1),
            (1000, 8 * 1000 - 1, 1),
            (1000, 64 * 1000 - 1, 1),
            (1000, 64 * 1000, 2),
            (1000, 512 * 1000, 3),
            (1000, 4096 * 1000, 4),
            // Runs that are as good as of one size.
            (7, 6400, 2),
            (0, 0, 1),
        ] {
            assert_eq!(levels(entries, all, &shape), expected, "{entries} of {all}");
        }
    }
}
