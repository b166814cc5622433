//! The writer's merging of generations: slices of blocks under a number that no manifest
//! has, then the row that names them in place of their sources, then the deletion of what
//! the sources had. Each is a transaction of its own, short, so that a flush that is due
//! never waits long; a stop between two of them leaves blocks that nobody reads.

use rusqlite::Connection;

use super::error::IndexError;
use super::postings::generation::{Generation, choose};
use super::postings::merge::Merge;
use super::schema::generations;
use super::steps::Step;
use super::writer::{Writer, begin_same};

/// The generations as the one who writes them knows them.
pub(super) struct Generations {
    /// In order of seq, as last committed.
    pub(super) named: Vec<Generation>,
    next_number: u64,
    merge: Option<Merge>,
    /// The numbers of those that have blocks and no row in the manifest.
    unnamed: Vec<u64>,
}

impl Generations {
    /// Reads what there is, named or left over.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when the manifest is.
    pub(super) fn load(
        connection: &Connection,
        named: Vec<Generation>,
    ) -> Result<Generations, IndexError> {
        let written = generations::written(connection)?;
        let numbers = named.iter().map(|generation| generation.number);
        let last = numbers.chain(written.iter().copied()).max();
        let is_named = |number: &u64| named.iter().any(|one| one.number == *number);
        let unnamed = written.into_iter().filter(|number| !is_named(number));
        Ok(Generations {
            unnamed: unnamed.collect(),
            named,
            next_number: last.unwrap_or(0) + 1,
            merge: None,
        })
    }

    /// A number is used up by whoever may write a block with it.
    pub(super) fn next_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Gives up the merge, of which some blocks may be written.
    fn give_up(&mut self) {
        let given_up = self.merge.take();
        self.unnamed.extend(given_up.map(|merge| merge.number()));
    }
}

impl Writer {
    /// Does a slice of what is to be done with generations. Returns how many bytes it wrote
    /// or deleted; `None` when there is nothing to do.
    ///
    /// # Errors
    /// When something cannot be read or written, or is damaged. What the merge had written
    /// is given up, but for one that could only not be named yet.
    pub(super) fn generation_slice(&mut self) -> Result<Option<u64>, IndexError> {
        if let Some(bytes) = self.delete_unnamed()? {
            return Ok(Some(bytes));
        }
        self.begin_generation_merge()?;
        match &self.generations.merge {
            None => Ok(None),
            Some(merge) if merge.merged().is_some() => self.name_generation().map(|()| Some(0)),
            Some(_) => {
                let written = self.write_slice();
                if written.is_err() {
                    self.generations.give_up();
                }
                written.map(Some)
            }
        }
    }

    /// Writes the next blocks of the merge.
    fn write_slice(&mut self) -> Result<u64, IndexError> {
        let Some(merge) = &mut self.generations.merge else {
            return Ok(0);
        };
        let number = merge.number();
        // What is read never changes, so it need not be read in the transaction.
        let slice_bytes = self.maker.shape.postings_slice_bytes;
        let read =
            |source: &Generation, from| generations::block_from(&self.connection, source, from);
        let rows = merge.next_rows(slice_bytes, &read)?;
        let bytes = rows.iter().map(|row| row.block.len() as u64).sum();
        self.maker.shape.steps.before(Step::MergePostings)?;
        let transaction = begin_same(&mut self.connection, &self.head)?;
        for row in &rows {
            generations::insert(&transaction, number, row)?;
        }
        transaction.commit()?;
        self.written_behind(bytes);
        Ok(bytes)
    }

    fn begin_generation_merge(&mut self) -> Result<(), IndexError> {
        if self.generations.merge.is_some() {
            return Ok(());
        }
        let shape = &self.maker.shape;
        let Some(sources) = choose(&self.generations.named, shape).map(<[_]>::to_vec) else {
            return Ok(());
        };
        // The same once more in the WAL, at worst.
        let bytes: u64 = sources.iter().map(|source| source.bytes).sum();
        if !self.maker.files.has_room_for(2 * bytes + bytes / 4)? {
            return Ok(());
        }
        let block_bytes = shape.postings_bytes;
        let number = self.generations.next_number();
        let read =
            |source: &Generation, from| generations::block_from(&self.connection, source, from);
        let merge = Merge::begin(number, &sources, block_bytes, &read)?;
        self.generations.merge = Some(merge);
        Ok(())
    }

    /// Names the merged generation in place of its sources. May be repeated.
    fn name_generation(&mut self) -> Result<(), IndexError> {
        let merge = self.generations.merge.as_ref();
        let Some((merge, merged)) = merge.and_then(|merge| Some((merge, *merge.merged()?))) else {
            return Ok(());
        };
        self.maker.shape.steps.before(Step::NamePostings)?;
        let transaction = begin_same(&mut self.connection, &self.head)?;
        for source in merge.sources() {
            generations::unname(&transaction, source.number)?;
        }
        generations::name(&transaction, &merged)?;
        transaction.commit()?;
        let named = generations::load(&self.connection, &self.head)?;
        let numbers = merge.sources().iter().map(|source| source.number);
        self.generations.unnamed.extend(numbers);
        self.generations.named = named;
        self.generations.merge = None;
        Ok(())
    }

    /// Deletes a slice of the blocks that no manifest has.
    fn delete_unnamed(&mut self) -> Result<Option<u64>, IndexError> {
        let Some(number) = self.generations.unnamed.last().copied() else {
            return Ok(None);
        };
        let shape = &self.maker.shape;
        let block_bytes = shape.postings_bytes.max(1) as u64;
        let blocks = (shape.postings_slice_bytes / block_bytes).max(1);
        shape.steps.before(Step::DeletePostings)?;
        let transaction = begin_same(&mut self.connection, &self.head)?;
        let deleted = generations::delete_some(&transaction, number, blocks)?;
        transaction.commit()?;
        if deleted < blocks {
            self.generations.unnamed.pop();
        }
        // Freed pages are not written, but for what lists them.
        self.written_behind(deleted * block_bytes / 4);
        Ok(Some(deleted * block_bytes))
    }

    /// After a flush that failed for lack of room: gives back what a merge has written.
    pub(super) fn give_room_of_generations(&mut self) {
        // One that is complete may have been named by a commit that reported an error.
        let merge = self.generations.merge.as_ref();
        if merge.is_some_and(|merge| merge.merged().is_none()) {
            self.generations.give_up();
        }
        // If that fails too, it is tried again with the flush.
        drop(self.delete_unnamed());
    }
}
