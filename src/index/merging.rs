//! The writer's merging: beginning, going on slice by slice, naming the merged run in place
//! of its sources, and letting look-ups pass over to it.

use std::sync::Arc;

use super::error::IndexError;
use super::merge::{self, Merge};
use super::run::Run;
use super::run_file::RunFile;
use super::schema::{head, runs};
use super::steps::Step;
use super::writer::{Writer, begin_same};

/// A merged run that takes over from its sources. It does so from the lowest keys on, as
/// much at a time as may be read into memory in one go, and the sources' filters go as far
/// as its own comes: so both are never in memory together.
pub(super) struct Handover {
    merged: Arc<RunFile>,
    sources: Vec<Arc<RunFile>>,
    /// The chunk of the merged run's filter that comes next.
    next_chunk: u64,
}

impl Handover {
    /// Whether this run is about to go.
    pub(super) fn is_source(&self, file: &Arc<RunFile>) -> bool {
        self.sources.iter().any(|source| Arc::ptr_eq(source, file))
    }
}

/// What a slice of merging did.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    /// How many blocks it wrote, or read to hand over.
    pub(super) blocks: u64,
    /// Whether the runs have changed.
    pub(super) runs_changed: bool,
}

impl Writer {
    /// Does a slice of what is to be done, of runs and of generations in turn. `None` when
    /// there is nothing to do.
    ///
    /// # Errors
    /// When something cannot be read or written, or is damaged.
    pub(super) fn merge_slice(&mut self) -> Result<Option<Merged>, IndexError> {
        self.generations_next = !self.generations_next;
        let of_runs = match self.generations_next {
            true => None,
            false => self.run_slice()?,
        };
        if of_runs.is_some() {
            return Ok(of_runs);
        }
        if let Some(bytes) = self.generation_slice()? {
            return Ok(Some(Merged {
                blocks: bytes.div_ceil(self.maker.shape.block_bytes as u64).max(1),
                runs_changed: false,
            }));
        }
        match self.generations_next {
            true => self.run_slice(),
            false => Ok(None),
        }
    }

    /// Does a slice of what is to be done with runs: of a handover, or of a merge, that of
    /// the smallest first. `None` when there is nothing to do.
    ///
    /// # Errors
    /// As [`Writer::merge_slice`]. What the merge had written is given up, but for a merged
    /// run that could only not be named yet.
    fn run_slice(&mut self) -> Result<Option<Merged>, IndexError> {
        self.remove_retired()?;
        if self.handover.is_some() {
            return Ok(Some(Merged {
                blocks: self.hand_over()?,
                runs_changed: true,
            }));
        }
        self.begin_merge()?;
        let Some(mut entry) = self.merges.first_entry() else {
            return Ok(None);
        };
        let blocks = match entry
            .get_mut()
            .advance(self.maker.shape.slice_blocks.max(1))
        {
            Ok(blocks) => blocks,
            Err(error) => {
                drop(entry.remove());
                return Err(error);
            }
        };
        if entry.get().merged().is_some() {
            self.name_merged()?;
        }
        Ok(Some(Merged {
            blocks,
            runs_changed: false,
        }))
    }

    fn begin_merge(&mut self) -> Result<(), IndexError> {
        let merges = &self.merges;
        let shape = &self.maker.shape;
        let Some((class, sources)) =
            merge::choose(&self.runs, shape, |class| merges.contains_key(&class))
        else {
            return Ok(());
        };
        let bytes: u64 = sources.iter().map(|source| source.row.bytes()).sum();
        if !self.maker.files.has_room_for(bytes + bytes / 4)? {
            // Flushes need what there is. Smaller merges, if there are any, do not wait.
            return Ok(());
        }
        let id = self.next_run_id();
        let merge = Merge::begin(&self.maker, id, sources, &self.runs)?;
        self.merges.insert(class, merge);
        Ok(())
    }

    /// Names the merged run of the first merge in place of its sources.
    fn name_merged(&mut self) -> Result<(), IndexError> {
        let Some(entry) = self.merges.first_entry() else {
            return Ok(());
        };
        let Some(merged) = entry.get().merged() else {
            return Ok(());
        };
        self.maker.shape.steps.before(Step::Commit)?;
        let transaction = begin_same(&mut self.connection, &self.head)?;
        head::write(&transaction, &self.head)?;
        runs::name(&transaction, &merged.row)?;
        for source in entry.get().sources() {
            runs::unname(&transaction, source.row.id)?;
        }
        transaction.commit()?;
        self.checkpoint_due = true;
        let sources = entry.get().sources().to_vec();
        self.retired.extend(sources.iter().cloned());
        self.handover = Some(Handover {
            merged: Arc::clone(merged),
            sources,
            next_chunk: 0,
        });
        entry.remove();
        Ok(())
    }

    /// Lets the merged run answer for some more keys, its filter for them being in memory
    /// if there is room. Returns about how many blocks were read for it.
    fn hand_over(&mut self) -> Result<u64, IndexError> {
        let Some(handover) = &self.handover else {
            return Ok(0);
        };
        let row = handover.merged.row;
        let filter = row.filter;
        let chunks = (self.maker.shape.load_bytes / filter.chunk_bytes()).max(1);
        let next_chunk = handover.next_chunk + chunks;
        let before = self.runs.clone();
        let of_merged = before
            .iter()
            .find(|run| Arc::ptr_eq(&run.file, &handover.merged))
            .map_or_else(
                || Run::new(Arc::clone(&handover.merged)),
                |run| Run::clone(run),
            );
        self.runs
            .retain(|run| !Arc::ptr_eq(&run.file, &handover.merged));
        match filter.begin_of(next_chunk) {
            Some(begin) if begin > 0 => {
                for run in &mut self.runs {
                    if handover.is_source(&run.file) {
                        *run = Arc::new(run.answering(begin, u64::MAX));
                    }
                }
                self.runs.push(Arc::new(of_merged.answering(0, begin - 1)));
            }
            _ => {
                self.runs.retain(|run| !handover.is_source(&run.file));
                self.runs.push(Arc::new(of_merged.answering(0, u64::MAX)));
            }
        }
        if let Err(error) = self.load_slice() {
            self.runs = before;
            return Err(error);
        }
        let done = filter.begin_of(next_chunk).is_none();
        if let Some(handover) = &mut self.handover {
            handover.next_chunk = next_chunk;
        }
        if done {
            self.handover = None;
        }
        Ok(chunks * row.chunk_blocks())
    }
}
