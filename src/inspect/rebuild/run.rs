//! The new index, made in a directory of its own and held against the old one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tempfile::TempDir;

use super::{OldIndex, Progress, RebuildError, RebuildOptions, Rebuilt};
use crate::event::Seq;
use crate::index::fold::FoldState;
use crate::index::{Beside, Index, IndexError, IndexOptions, StoredIndex};
use crate::inspect::StorePlace;
use crate::inspect::compare::{CompareError, Compared, compare};
use crate::log::{LogError, OfflineLog};
use crate::replayer::fold_log;

/// A rebuild under way.
pub(super) struct Rebuilding<'r> {
    pub(super) options: &'r RebuildOptions,
    pub(super) place: &'r StorePlace,
    pub(super) log: OfflineLog,
    pub(super) new_dir: PathBuf,
    pub(super) told: &'r mut dyn FnMut(Progress),
}

impl Rebuilding<'_> {
    pub(super) fn run(mut self) -> Result<Rebuilt, RebuildError> {
        let log_id = self.log.live.log_id();
        let old = self.look(self.place.index_dir());
        let old_flushed = match &old {
            Ok(Some(old)) => old.flushed(),
            _ => Seq::ZERO,
        };
        let log_end = self.log.last_seq();
        if old_flushed > log_end {
            return Err(RebuildError::Log(LogError::BehindIndex {
                log_end,
                index_flushed: old_flushed,
            }));
        }
        // What only the page cache may have is left to the next start, which syncs it first.
        let upto = self.log.proven().max(old_flushed);
        let begun = Instant::now();
        let state_there = self.fold(upto, old_flushed)?;
        let fold_took = begun.elapsed();
        let new = self
            .look(&self.new_dir)
            .map_err(RebuildError::New)?
            .ok_or_else(|| RebuildError::NewMissing(self.new_dir.clone()))?;
        let old = match old {
            Ok(None) => OldIndex::None,
            Ok(Some(_)) if !self.options.compares => OldIndex::NotCompared,
            Ok(Some(old)) => self.compare(&old, &new, state_there)?,
            Err(error) => OldIndex::Unusable(error),
        };
        let index = new
            .figures()
            .map_err(|error| RebuildError::New(error.into()))?;
        Ok(Rebuilt {
            log_id,
            index,
            old,
            fold_took,
            left_over: None,
        })
    }

    /// Looks at an index; a copy lies beside the new one, if it takes one.
    fn look(&self, dir: &Path) -> Result<Option<StoredIndex>, IndexError> {
        StoredIndex::open(dir, self.log.live.log_id().0, &|| Beside::Nobody, &|| {
            TempDir::new_in(&self.new_dir)
        })
    }

    /// Folds the log into a new index. Returns counters and hash as they were at this seq;
    /// `None` when no frame ends there.
    fn fold(&mut self, upto: Seq, there: Seq) -> Result<Option<FoldState>, RebuildError> {
        let options = IndexOptions {
            filter_memory_bytes: self.options.filter_memory_bytes,
            ..IndexOptions::default()
        };
        let log_id = self.log.live.log_id().0;
        let index = Index::open(&self.new_dir, log_id, options).map_err(RebuildError::New)?;
        let index = Arc::new(index);
        let mut state_there = (there == Seq::ZERO).then(FoldState::default);
        let told = &mut self.told;
        fold_log(&self.log.live, &index, upto, &mut |state| {
            let applied = state.applied();
            if applied == there {
                state_there = Some(*state);
            }
            told(Progress::Folding { applied, upto });
        })?;
        index.close().map_err(RebuildError::New)?;
        Ok(state_there)
    }

    fn compare(
        &mut self,
        old: &StoredIndex,
        new: &StoredIndex,
        expected_state: Option<FoldState>,
    ) -> Result<OldIndex, RebuildError> {
        // Each key is in a topic, too.
        let counters = old.state().counters;
        let of = counters.unique * 2 + counters.duplicates;
        let compared = Compared {
            found: old,
            upto: old.flushed(),
            expected: new,
            expected_state,
        };
        let told = &mut self.told;
        match compare(compared, &mut |rows| told(Progress::Comparing { rows, of })) {
            Ok(comparison) => Ok(OldIndex::Compared(comparison)),
            Err(CompareError::Found(error)) => Ok(OldIndex::Unusable(error)),
            Err(CompareError::Expected(error)) => Err(RebuildError::New(error)),
        }
    }
}
