//! Makes the index of a stopped store anew from the log, compares it with the old one, and puts
//! it in its place. A stop at any moment leaves the old one or the new one.

mod error;
mod run;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use error::RebuildError;

use run::Rebuilding;

use super::compare::Comparison;
use crate::event::Seq;
use crate::index::succession::Succession;
use crate::index::{IndexError, StoredFigures};
use crate::inspect::StorePlace;
use crate::log::{DataLock, LogId};

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
    /// The new index is complete, and takes its place: its directory is not to be touched.
    Finishing,
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
    /// Why the old one could not be removed, which the next start tries again.
    pub left_over: Option<io::Error>,
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
    let place = StorePlace::new(data_dir);
    // Before anything is made in a directory that may be somebody else's.
    place.log_id()?;
    let lock = DataLock::take(data_dir)?;
    rebuild_locked(options, &lock, told)
}

/// The same for one who has the lock.
///
/// # Errors
/// As [`rebuild`].
pub fn rebuild_locked(
    options: &RebuildOptions,
    _lock: &DataLock,
    told: &mut dyn FnMut(Progress),
) -> Result<Rebuilt, RebuildError> {
    let data_dir = &options.data_dir;
    let succession = Succession::of(data_dir);
    let in_dir = |source| RebuildError::Directory {
        path: data_dir.clone(),
        source,
    };
    succession.put_in_place().map_err(in_dir)?;
    let place = StorePlace::new(data_dir);
    if succession.remove_left_overs().map_err(in_dir)? {
        told(Progress::LeftOversRemoved);
    }
    if !succession.is_possible().map_err(in_dir)? {
        return Err(RebuildError::Elsewhere(place.index_dir().to_owned()));
    }
    let log = place.log()?;
    let new_dir = succession.begin().map_err(in_dir)?;
    told(Progress::Begun);
    let rebuilt = Rebuilding {
        options,
        place: &place,
        log,
        new_dir,
        told: &mut *told,
    }
    .run();
    match rebuilt {
        Ok(rebuilt) => {
            told(Progress::Finishing);
            succession.finish().map_err(|source| {
                // If that fails too, the next start does it.
                drop(succession.put_in_place());
                drop(succession.remove_left_overs());
                in_dir(source)
            })?;
            Ok(Rebuilt {
                left_over: succession.remove_left_overs().err(),
                ..rebuilt
            })
        }
        Err(error) => {
            // If that fails too, the next start removes it.
            drop(succession.abandon());
            Err(error)
        }
    }
}
