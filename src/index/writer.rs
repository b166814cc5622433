//! The one connection that writes, and what belongs to it: flushes, checkpoints, and the
//! manifests of runs and generations.
//!
//! Whatever fails has changed nothing and can be tried again. A commit that reports an
//! error may still have happened, so each try first compares the head with the one
//! before and the one intended.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::closing::Closer;
use super::delta::Delta;
use super::error::IndexError;
use super::files::Identity;
use super::flush;
use super::generation_merging::Generations;
use super::merge::{self, Merge};
use super::merging::Handover;
use super::options::IndexOptions;
use super::resident::{self, Reading};
use super::run::Run;
use super::run_builder::{RunBuilder, RunMaker};
use super::run_file::RunFile;
use super::schema::head::{self, Head};
use super::schema::{connection, generations, runs};
use super::steps::Step;

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) identity: Identity,
    /// As it was last committed.
    pub(super) head: Head,
    pub(super) maker: RunMaker,
    filter_memory_bytes: u64,
    /// All runs, as look-ups are to see them.
    pub(super) runs: Vec<Arc<Run>>,
    pub(super) merges: BTreeMap<u32, Merge>,
    pub(super) handover: Option<Handover>,
    /// No longer named, by a commit that may not have lasted yet.
    pub(super) retired: Vec<Arc<RunFile>>,
    /// From the first one on that is removed.
    closer: Option<Closer>,
    pub(super) generations: Generations,
    /// Whether generations come before runs in the next slice of what is done behind.
    pub(super) generations_next: bool,
    prepared: Option<Prepared>,
    pub(super) checkpoint_due: bool,
    /// About how many bytes were written to the WAL since it was copied, by other than flushes.
    behind_bytes: u64,
}

/// A delta made ready for its transaction, kept through all tries.
struct Prepared {
    run: Option<Arc<RunFile>>,
    generation: u64,
    head: Head,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        identity: Identity,
        head: Head,
        maker: RunMaker,
        options: &IndexOptions,
        runs: Vec<Arc<Run>>,
        generations: Generations,
    ) -> Writer {
        Writer {
            connection,
            identity,
            head,
            maker,
            filter_memory_bytes: options.filter_memory_bytes,
            runs,
            merges: BTreeMap::new(),
            handover: None,
            retired: Vec::new(),
            closer: None,
            generations,
            generations_next: false,
            prepared: None,
            checkpoint_due: true,
            behind_bytes: 0,
        }
    }

    /// Writes a frozen delta, the same one until it succeeds. `topics` is their number at
    /// its end. Returns how many blocks were written for its keys and postings.
    pub(super) fn flush(&mut self, delta: &Delta, topics: u64) -> Result<u64, IndexError> {
        self.check_files()?;
        self.checkpoint_if_due()?;
        let prepared = match self.prepared.take() {
            Some(prepared) => prepared,
            None => self.prepare(delta, topics)?,
        };
        let written = self
            .write(delta, &prepared)
            .and_then(|()| generations::load(&self.connection, &prepared.head));
        self.generations.named = match written {
            Ok(named) => named,
            Err(error) => {
                self.prepared = Some(prepared);
                return Err(error);
            }
        };
        let postings_bytes = self.generations.named.last().map_or(0, |last| last.bytes);
        let blocks = prepared.run.as_ref().map_or(0, |run| run.row.blocks())
            + postings_bytes / self.maker.shape.block_bytes as u64;
        self.head = prepared.head;
        self.runs
            .extend(prepared.run.map(|file| Arc::new(Run::new(file))));
        self.checkpoint_due = true;
        Ok(blocks)
    }

    fn prepare(&mut self, delta: &Delta, topics: u64) -> Result<Prepared, IndexError> {
        let mut run = None;
        if !delta.keys.is_empty() {
            let id = self.next_run_id();
            let count = delta.keys.len() as u64;
            let mut builder = RunBuilder::begin(&self.maker, id, count, &self.runs, false)?;
            delta.in_order(&self.maker.pace, |entry| builder.push(entry))?;
            run = Some(Arc::new(builder.finish()?));
        }
        let head = Head {
            state: delta.state,
            topics,
            ..self.head.clone()
        };
        let generation = self.generations.next_number();
        Ok(Prepared {
            run,
            generation,
            head,
        })
    }

    /// How often a run with so many keys is merged until it is part of the largest there are; at
    /// least once.
    pub(super) fn merges_until_largest(&self, keys: u64) -> u64 {
        let all = self.runs.iter().map(|run| run.file.row.entries).sum();
        merge::levels(keys, all, &self.maker.shape)
    }

    /// An id is used up by whoever tries to make a file of that name.
    pub(super) fn next_run_id(&mut self) -> u64 {
        let id = self.head.next_run;
        self.head.next_run += 1;
        id
    }

    fn write(&mut self, delta: &Delta, prepared: &Prepared) -> Result<(), IndexError> {
        let row = prepared.run.as_ref().map(|run| &run.row);
        self.maker.shape.steps.before(Step::Commit)?;
        match begin(&mut self.connection, &self.head, &prepared.head)? {
            Some(transaction) => {
                let heads = [&self.head, &prepared.head];
                flush::write(
                    &transaction,
                    delta,
                    row,
                    prepared.generation,
                    heads,
                    &self.maker,
                )?;
                Ok(transaction.commit()?)
            }
            None => Ok(()),
        }
    }

    /// Reads filters and fences that have room in memory, a slice of them. Returns whether
    /// the runs have changed.
    ///
    /// # Errors
    /// When they cannot be read or are damaged.
    pub(super) fn load_slice(&mut self) -> Result<bool, IndexError> {
        self.load(Reading::Slice(self.maker.shape.load_bytes))
    }

    /// The same at the start, where a replay may wait for all of them.
    ///
    /// # Errors
    /// As [`Writer::load_slice`].
    pub(super) fn load_in_haste(&mut self) -> Result<bool, IndexError> {
        self.load(Reading::InHaste(self.maker.shape.load_bytes * 8))
    }

    fn load(&mut self, reading: Reading) -> Result<bool, IndexError> {
        resident::settle(&mut self.runs, self.filter_memory_bytes, reading)
    }

    /// # Errors
    /// [`IndexError::Damaged`] when a file of the index is no longer the one that was
    /// opened.
    fn check_files(&self) -> Result<(), IndexError> {
        self.identity.check()?;
        let unnamed = |run: &Run| {
            let handover = self.handover.as_ref();
            handover.is_some_and(|handover| handover.is_source(&run.file))
        };
        self.runs
            .iter()
            .filter(|run| !unnamed(run))
            .try_for_each(|run| run.file.check())
    }

    /// Copies the WAL into the database, after a commit.
    pub(super) fn checkpoint_if_due(&mut self) -> Result<(), IndexError> {
        if self.checkpoint_due {
            self.maker.shape.steps.before(Step::Checkpoint)?;
            if let Some(bytes) = connection::checkpoint(&self.connection)? {
                self.identity.has_bytes(bytes);
            }
            self.checkpoint_due = false;
            self.behind_bytes = 0;
        }
        Ok(())
    }

    /// Counts what was written to the WAL and can wait for a flush's checkpoint, unless it
    /// becomes much.
    pub(super) fn written_behind(&mut self, bytes: u64) {
        self.behind_bytes += bytes;
        if self.behind_bytes >= self.maker.shape.checkpoint_bytes {
            self.checkpoint_due = true;
        }
    }

    /// Removes the files of runs that are no longer named, once that is certain to last.
    /// Whoever reads one of them goes on.
    ///
    /// # Errors
    /// When the WAL cannot be synced or a file not be removed; they are kept for the next
    /// try.
    pub(super) fn remove_retired(&mut self) -> Result<(), IndexError> {
        if self.retired.is_empty() {
            return Ok(());
        }
        let RunMaker { files, shape, .. } = &self.maker;
        shape.steps.before(Step::SyncWal)?;
        files.sync_wal(self.maker.durability)?;
        while let Some(run) = self.retired.last() {
            shape.steps.before(Step::Unlink)?;
            files.remove_run(run.row.id)?;
            run.is_removed(self.closer.get_or_insert_with(Closer::start));
            self.retired.pop();
        }
        Ok(())
    }

    /// After a flush that failed: gives back what room can be given, since nothing is done
    /// behind until one succeeds.
    pub(super) fn give_room(&mut self, error: &IndexError) {
        if matches!(error, IndexError::Full(_)) {
            // One that is complete may have been named by a commit that reported an error.
            self.merges.retain(|_, merge| merge.merged().is_some());
            self.give_room_of_generations();
        }
        // If that fails too, it is tried again with the flush.
        drop(self.remove_retired());
    }

    /// Closes the connection so that only the database and the runs that it names are left.
    ///
    /// # Errors
    /// As [`connection::close`]; when a file that is of no use any more cannot be removed,
    /// which the next start tries again.
    pub(super) fn close(mut self) -> Result<(), IndexError> {
        // Removes what they have begun.
        self.merges.clear();
        let rows = runs::rows(&self.connection)?;
        connection::close(self.connection)?;
        self.maker.files.remove_left_overs(&rows)?;
        Ok(())
    }
}

/// Begins a transaction that leaves the head as it is.
///
/// # Errors
/// [`IndexError::Damaged`] when it is not this one; those of SQLite.
pub(super) fn begin_same<'c>(
    connection: &'c mut Connection,
    head: &Head,
) -> Result<Transaction<'c>, IndexError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if head::read(&transaction)?.state != head.state {
        return Err(IndexError::damaged("somebody else has written to it"));
    }
    Ok(transaction)
}

/// Begins the transaction that leads from one head to the other; `None` when it has
/// already been committed.
fn begin<'c>(
    connection: &'c mut Connection,
    before: &Head,
    intended: &Head,
) -> Result<Option<Transaction<'c>>, IndexError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = head::read(&transaction)?;
    if found.state == intended.state {
        return Ok(None);
    }
    if found.state != before.state {
        return Err(IndexError::damaged("somebody else has written to it"));
    }
    Ok(Some(transaction))
}
