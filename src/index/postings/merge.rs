//! A merge of generations that can stop after any block.

use super::super::error::IndexError;
use super::super::sealed::{self, Kind};
use super::block::{Block, Entry, Place};
use super::builder::{BlockBuilder, Row};
use super::generation::Generation;

/// Reads the block of a generation that begins to answer at this place: where blocks are kept
/// is not known here.
pub(in crate::index) type ReadBlock<'r> =
    dyn Fn(&Generation, Place) -> Result<Block, IndexError> + 'r;

/// A merge under way. No manifest has the generation that it writes until that is named in
/// place of its sources. A block of each source is in memory.
pub(in crate::index) struct Merge {
    /// In order of seq; each begins where the one before ends.
    sources: Vec<Generation>,
    number: u64,
    stage: Stage,
}

enum Stage {
    /// Postings are left.
    Postings {
        cursors: Vec<Cursor>,
        builder: BlockBuilder,
        /// The topic of the last entry, and how many seqs of it there are up to that.
        last: (u64, u64),
    },
    /// All blocks were given.
    Merged(Generation),
    /// Something failed: what is there is of no use.
    Failed,
}

impl Merge {
    /// Begins a merge into a generation with this number.
    ///
    /// # Errors
    /// When a source cannot be read or is damaged.
    pub(in crate::index) fn begin(
        number: u64,
        sources: &[Generation],
        block_bytes: usize,
        read: &ReadBlock<'_>,
    ) -> Result<Merge, IndexError> {
        let mut cursors = Vec::with_capacity(sources.len());
        for source in sources {
            cursors.extend(Cursor::begin(*source, read)?);
        }
        let after = sources[0].after;
        Ok(Merge {
            sources: sources.to_vec(),
            number,
            stage: Stage::Postings {
                cursors,
                builder: BlockBuilder::begin(number, after, block_bytes),
                last: (0, 0),
            },
        })
    }

    /// What it merges.
    pub(in crate::index) fn sources(&self) -> &[Generation] {
        &self.sources
    }

    /// The number of the generation that it writes.
    pub(in crate::index) fn number(&self) -> u64 {
        self.number
    }

    /// The next blocks, of about this many bytes in all; none when all were given.
    ///
    /// # Errors
    /// [`IndexError`] when a source cannot be read or is damaged. It cannot go on then,
    /// and must be dropped.
    pub(in crate::index) fn next_rows(
        &mut self,
        bytes: u64,
        read: &ReadBlock<'_>,
    ) -> Result<Vec<Row>, IndexError> {
        let mut rows = Vec::new();
        let (mut cursors, mut builder, mut last) =
            match std::mem::replace(&mut self.stage, Stage::Failed) {
                Stage::Postings {
                    cursors,
                    builder,
                    last,
                } => (cursors, builder, last),
                other => {
                    self.stage = other;
                    return Ok(rows);
                }
            };
        let begun_at = builder.bytes();
        let mut write = |row| {
            rows.push(row);
            Ok(())
        };
        while builder.bytes() - begun_at < bytes.max(1) {
            let Some(place) = (0..cursors.len()).min_by_key(|place| cursors[*place].topic()) else {
                builder.finish(&mut write)?;
                self.stage = Stage::Merged(self.generation(&builder)?);
                return Ok(rows);
            };
            let cursor = &mut cursors[place];
            if let Some(entry) = cursor.entry() {
                if last.0 == entry.topic && last.1 != entry.before {
                    return Err(cursor.broken());
                }
                last = (entry.topic, entry.end());
                builder.push(entry, &mut write)?;
            }
            if !cursor.step(read)? {
                // Keeps the others in order of seq.
                cursors.remove(place);
            }
        }
        self.stage = Stage::Postings {
            cursors,
            builder,
            last,
        };
        Ok(rows)
    }

    fn generation(&self, builder: &BlockBuilder) -> Result<Generation, IndexError> {
        let postings: u64 = self.sources.iter().map(|source| source.postings).sum();
        if builder.postings() != postings {
            return Err(sealed::malformed(Kind::Generation, [self.number]));
        }
        Ok(Generation {
            number: self.number,
            after: self.sources[0].after,
            upto: self.sources[self.sources.len() - 1].upto,
            postings,
            bytes: builder.bytes(),
        })
    }

    /// The merged generation, when all its blocks were given.
    pub(in crate::index) fn merged(&self) -> Option<&Generation> {
        match &self.stage {
            Stage::Merged(generation) => Some(generation),
            _ => None,
        }
    }
}

/// Reads a generation from front to back. There is always an entry at hand.
pub(in crate::index) struct Cursor {
    generation: Generation,
    block: Block,
    /// The number of the entry at hand.
    number: usize,
}

impl Cursor {
    /// At the first entry; `None` if there is none.
    fn begin(generation: Generation, read: &ReadBlock<'_>) -> Result<Option<Cursor>, IndexError> {
        let block = read(&generation, Place::FIRST)?;
        Cursor::at(generation, block, Place::FIRST, read)
    }

    /// At the first entry that has something at this place or after it, for which `block`
    /// answers; `None` if there is none.
    ///
    /// # Errors
    /// As [`Cursor::step`].
    pub(in crate::index) fn at(
        generation: Generation,
        block: Block,
        place: Place,
        read: &ReadBlock<'_>,
    ) -> Result<Option<Cursor>, IndexError> {
        let mut cursor = Cursor {
            generation,
            block,
            number: 0,
        };
        while cursor.find(read)? {
            let is_before = |entry: Entry<'_>| {
                let (topic, last) = (entry.topic, entry.seqs.last());
                last.is_none_or(|seq| Place { topic, seq: *seq } < place)
            };
            if !cursor.entry().is_some_and(is_before) {
                return Ok(Some(cursor));
            }
            cursor.number += 1;
        }
        Ok(None)
    }

    pub(in crate::index) fn entry(&self) -> Option<Entry<'_>> {
        self.block.entry(self.number)
    }

    /// The topic of the entry at hand.
    pub(in crate::index) fn topic(&self) -> Option<u64> {
        self.entry().map(|entry| entry.topic)
    }

    /// Goes to the next entry; false at the end.
    ///
    /// # Errors
    /// [`IndexError`] when a block cannot be read or is damaged.
    pub(in crate::index) fn step(&mut self, read: &ReadBlock<'_>) -> Result<bool, IndexError> {
        self.number += 1;
        self.find(read)
    }

    fn find(&mut self, read: &ReadBlock<'_>) -> Result<bool, IndexError> {
        while self.entry().is_none() {
            if self.block.to == Place::END {
                return Ok(false);
            }
            self.block = read(&self.generation, self.block.to)?;
            self.number = 0;
        }
        Ok(true)
    }

    /// The error for an entry that is not what must come here.
    pub(in crate::index) fn broken(&self) -> IndexError {
        let Place { topic, seq } = self.block.from;
        sealed::malformed(Kind::Postings, [self.generation.number, topic, seq.get()])
    }
}
