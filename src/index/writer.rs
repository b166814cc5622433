//! The one connection that writes, and what belongs to it: flushes, merges, checkpoints.
//!
//! Whatever fails has changed nothing and can be tried again. A commit that reports an
//! error may still have happened, so each try first compares the head with the one
//! before and the one intended.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::delta::Delta;
use super::error::IndexError;
use super::files::Identity;
use super::flush;
use super::key_block::{Entry, number_of};
use super::merge::{self, Merge};
use super::options::Shape;
use super::run::Run;
use super::run_builder::{self, RunBuilder, SlotBlock};
use super::schema::connection;
use super::schema::head::{self, Head};
use super::schema::runs::{self, SlotReader};
use super::slots::FreeSlots;

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) identity: Identity,
    /// As it was last committed.
    pub(super) head: Head,
    pub(super) shape: Shape,
    /// All runs that are named.
    pub(super) runs: Vec<Arc<Run>>,
    pub(super) free: FreeSlots,
    /// No longer named; their slots are free when no reader holds them any more.
    retired: Vec<Arc<Run>>,
    merges: BTreeMap<u32, Merge>,
    prepared: Option<Prepared>,
    checkpoint_due: bool,
}

/// A delta made ready for its transaction, kept through all tries.
struct Prepared {
    run: Option<Run>,
    blocks: Vec<SlotBlock>,
    head: Head,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        identity: Identity,
        head: Head,
        shape: Shape,
        runs: Vec<Arc<Run>>,
        free: FreeSlots,
    ) -> Writer {
        Writer {
            connection,
            identity,
            head,
            shape,
            runs,
            free,
            retired: Vec::new(),
            merges: BTreeMap::new(),
            prepared: None,
            checkpoint_due: true,
        }
    }

    /// Writes a frozen delta, the same one until it succeeds. `topics` is their number at
    /// its end.
    pub(super) fn flush(&mut self, delta: &Delta, topics: u64) -> Result<(), IndexError> {
        self.identity.check()?;
        self.checkpoint_if_due()?;
        self.reclaim();
        let prepared = match self.prepared.take() {
            Some(prepared) => prepared,
            None => self.prepare(delta, topics)?,
        };
        let written = self.write(delta, &prepared);
        if let Err(error) = written {
            self.prepared = Some(prepared);
            return Err(error);
        }
        self.head = prepared.head;
        self.runs.extend(prepared.run.map(Arc::new));
        self.checkpoint_due = true;
        Ok(())
    }

    fn prepare(&mut self, delta: &Delta, topics: u64) -> Result<Prepared, IndexError> {
        let mut head = Head {
            state: delta.state,
            topics,
            ..self.head.clone()
        };
        let mut blocks = Vec::new();
        let mut run = None;
        if !delta.keys.is_empty() {
            let mut entries: Vec<Entry> = delta
                .keys
                .iter()
                .map(|(key, first)| Entry {
                    key: *key,
                    first: *first,
                })
                .collect();
            entries.sort_unstable_by_key(|entry| number_of(entry.key));
            let mut builder =
                RunBuilder::new(head.next_run, entries.len() as u64, self.shape.block_bytes);
            head.next_run += 1;
            for entry in entries {
                builder.push(entry, &mut self.free, &mut blocks)?;
            }
            let mut built = builder.finish(&mut self.free, &mut blocks);
            while run_builder::next_part(
                &mut built,
                self.shape.block_bytes,
                &mut self.free,
                &mut blocks,
            ) {}
            run = Some(built);
        }
        Ok(Prepared { run, blocks, head })
    }

    fn write(&mut self, delta: &Delta, prepared: &Prepared) -> Result<(), IndexError> {
        let row = prepared.run.as_ref().map(|run| &run.row);
        match begin(&mut self.connection, &self.head, &prepared.head)? {
            Some(transaction) => {
                flush::write(
                    &transaction,
                    delta,
                    row,
                    &prepared.blocks,
                    &prepared.head,
                    &self.shape,
                )?;
                Ok(transaction.commit()?)
            }
            None => Ok(()),
        }
    }

    /// Does one slice of a merge, of the smallest runs first. Returns how many blocks
    /// were written, and whether the runs have changed; `None` when there is nothing to do.
    pub(super) fn merge_slice(&mut self) -> Result<Option<(usize, bool)>, IndexError> {
        self.reclaim();
        self.checkpoint_if_due()?;
        self.begin_merge();
        let Some(mut entry) = self.merges.first_entry() else {
            return Ok(None);
        };
        let merge = entry.get_mut();
        {
            let snapshot = self.connection.unchecked_transaction()?;
            merge.advance(
                self.shape.slice_blocks.max(1),
                &mut SlotReader::on(&snapshot)?,
                &mut self.free,
            )?;
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if head::read(&transaction)?.state != self.head.state {
            return Err(IndexError::damaged("somebody else has written to it"));
        }
        // The id is used up with the first block that bears it.
        head::write(&transaction, &self.head)?;
        runs::write_slots(&transaction, &merge.ready)?;
        let merged = merge.merged();
        if let Some(run) = merged {
            runs::name(&transaction, &run.row)?;
            merge
                .sources()
                .try_for_each(|source| runs::unname(&transaction, source.row.id))?;
        }
        let done = merged.is_some();
        transaction.commit()?;
        self.checkpoint_due = true;
        let written = merge.ready.len();
        merge.ready.clear();
        if done {
            self.finish_merge();
        }
        Ok(Some((written, done)))
    }

    fn begin_merge(&mut self) {
        let merges = &self.merges;
        if let Some((class, sources)) =
            merge::choose(&self.runs, &self.shape, |class| merges.contains_key(&class))
        {
            let id = self.head.next_run;
            self.head.next_run += 1;
            self.merges
                .insert(class, Merge::begin(id, sources, &self.shape));
        }
    }

    fn finish_merge(&mut self) {
        let Some((_, merge)) = self.merges.pop_first() else {
            return;
        };
        let sources: Vec<Arc<Run>> = merge.sources().cloned().collect();
        self.runs
            .retain(|run| !sources.iter().any(|source| Arc::ptr_eq(source, run)));
        self.runs.extend(merge.into_merged().map(Arc::new));
        self.runs.sort_by_key(|run| run.row.id);
        self.retired.extend(sources);
    }

    /// Frees the slots of runs that nobody reads any more.
    fn reclaim(&mut self) {
        for run in std::mem::take(&mut self.retired) {
            match Arc::try_unwrap(run) {
                Ok(run) => self.free.give_back(&run.row.slots),
                Err(held) => self.retired.push(held),
            }
        }
    }

    /// Copies the WAL into the database, after a commit.
    pub(super) fn checkpoint_if_due(&mut self) -> Result<(), IndexError> {
        if self.checkpoint_due {
            if let Some(bytes) = connection::checkpoint(&self.connection)? {
                self.identity.has_bytes(bytes);
            }
            self.checkpoint_due = false;
        }
        Ok(())
    }
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
