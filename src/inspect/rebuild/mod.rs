//! Makes the index of a stopped store anew from the log, compares it with the old one, and puts
//! it in its place. A stop at any moment leaves the old one or the new one.

mod error;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use error::RebuildError;

use super::compare::{CompareError, Compared, Comparison, compare};
use crate::event::Seq;
use crate::index::fold::FoldState;
use crate::index::succession::{INDEX_DIR, Succession};
use crate::index::{Index, IndexError, IndexOptions, StoredFigures, StoredIndex};
use crate::log::inventory::Inventory;
use crate::log::storage::FileSystem;
use crate::log::{DataLock, LogError, LogId, OfflineLog};
use crate::replayer::fold_log;

/// How a rebuild goes about it.
#[derive(Clone, Debug)]
pub struct RebuildOptions {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Whether the old index is compared with the new one.
    pub compares: bool,
    /// As a server has it.
    pub filter_memory_bytes: u64,
}

/// How far it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// What a rebuild that was stopped had left is removed.
    LeftOversRemoved,
    /// There is a directory for the new index.
    Begun,
    /// The log is folded.
    Folding {
        /// Up to here.
        applied: Seq,
        /// Of so much.
        upto: Seq,
    },
    /// The indexes are compared.
    Comparing {
        /// As many rows were.
        rows: u64,
        /// Of so many.
        of: u64,
    },
}

/// What came of it. The new index is in its place.
#[derive(Debug)]
pub struct Rebuilt {
    /// Which log.
    pub log_id: LogId,
    /// The new index.
    pub index: StoredFigures,
    /// What was there before.
    pub old: OldIndex,
    /// How long the log was folded.
    pub fold_took: Duration,
}

/// The index that was there before.
#[derive(Debug)]
pub enum OldIndex {
    /// There was none.
    None,
    /// It was not compared.
    NotCompared,
    /// It could not be opened or read to its end.
    Unusable(IndexError),
    /// It was compared.
    Compared(Comparison),
}

impl OldIndex {
    /// Whether it was not what it had to be. One of another version is no difference.
    pub fn differed(&self) -> bool {
        match self {
            OldIndex::None | OldIndex::NotCompared => false,
            OldIndex::Unusable(error) => !matches!(error, IndexError::OtherVersion { .. }),
            OldIndex::Compared(comparison) => !comparison.is_equal(),
        }
    }
}

/// Rebuilds it. `told` is told how far it is.
///
/// # Errors
/// [`RebuildError`]: the old index is as it was, and nothing is left of the new one.
pub fn rebuild(
    options: &RebuildOptions,
    told: &mut dyn FnMut(Progress),
) -> Result<Rebuilt, RebuildError> {
    let data_dir = &options.data_dir;
    let log_dir = data_dir.join("log");
    must_be_log(&log_dir)?;
    let _lock = DataLock::take(data_dir)?;
    let succession = Succession::of(data_dir);
    let in_dir = |source| RebuildError::Directory {
        path: data_dir.clone(),
        source,
    };
    succession.put_in_place().map_err(in_dir)?;
    if succession.remove_left_overs().map_err(in_dir)? {
        told(Progress::LeftOversRemoved);
    }
    if !succession.is_possible().map_err(in_dir)? {
        return Err(RebuildError::Elsewhere(data_dir.join(INDEX_DIR)));
    }
    let log = OfflineLog::open(Arc::new(FileSystem), &log_dir)?;
    let new_dir = succession.begin().map_err(in_dir)?;
    told(Progress::Begun);
    let rebuilt = Rebuilding {
        options,
        log,
        new_dir,
        told,
    }
    .run();
    match rebuilt {
        Ok(rebuilt) => {
            succession.finish().map_err(|source| {
                // If that fails too, the next start does it.
                drop(succession.put_in_place());
                drop(succession.remove_left_overs());
                in_dir(source)
            })?;
            Ok(rebuilt)
        }
        Err(error) => {
            // If that fails too, the next start removes it.
            drop(succession.abandon());
            Err(error)
        }
    }
}

/// Before anything is made in a directory that may be somebody else's.
fn must_be_log(log_dir: &Path) -> Result<(), LogError> {
    match Inventory::read(&FileSystem, log_dir) {
        Ok(inventory) => match inventory.log_id(&FileSystem)? {
            Some(_) => Ok(()),
            None => Err(LogError::Missing(log_dir.to_owned())),
        },
        Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Err(LogError::Missing(log_dir.to_owned()))
        }
        Err(error) => Err(error),
    }
}

struct Rebuilding<'r> {
    options: &'r RebuildOptions,
    log: OfflineLog,
    new_dir: PathBuf,
    told: &'r mut dyn FnMut(Progress),
}

impl Rebuilding<'_> {
    fn run(&mut self) -> Result<Rebuilt, RebuildError> {
        let log_id = self.log.live.log_id();
        let old = self.look(&self.options.data_dir.join(INDEX_DIR));
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
        })
    }

    /// Looks at an index; a copy lies beside the new one, if it takes one.
    fn look(&self, dir: &Path) -> Result<Option<StoredIndex>, IndexError> {
        StoredIndex::open(dir, self.log.live.log_id().0, &|| {
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
