//! An overview of a store, at once: what its files say at their ends, and no more. Of one that
//! runs, too, without its noticing.

mod index;
mod log;
mod set_aside;

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub use index::{IndexInfo, IndexState};
pub use log::LogInfo;
pub use set_aside::SetAside;

use crate::index::Beside;
use crate::index::succession::Succession;
use crate::inspect::StorePlace;
use crate::log::{Holder, LogError};

/// What is to be told, and how.
pub struct InfoOptions<'o> {
    /// The data directory.
    pub data_dir: &'o Path,
    /// How many topics, those with the most events first.
    pub topics_max: usize,
    /// Makes a directory for a copy of the index's database, if one must be made.
    pub copy_to: &'o dyn Fn() -> io::Result<TempDir>,
}

/// The overview.
#[derive(Debug)]
pub struct StoreInfo {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Who has its lock.
    pub holder: Holder,
    /// The log.
    pub log: LogInfo,
    /// The index.
    pub index: IndexInfo,
    /// What a rebuild that was stopped, or is under way, has beside the index.
    pub rebuild_dirs: Vec<&'static str>,
    /// What repairs have kept, in order of their names.
    pub set_aside: Vec<SetAside>,
    /// Bytes that may still be used on the log's disk.
    pub disk_free_bytes: Option<u64>,
}

impl StoreInfo {
    /// Whether a repair was stopped, so that no server starts.
    pub fn has_stopped_repair(&self) -> bool {
        let is_at_work = matches!(self.holder, Holder::Process { .. });
        !is_at_work && self.set_aside.iter().any(|kept| kept.is_unfinished)
    }
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum InfoError {
    /// There is no log, or it cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Who has the lock cannot be told.
    #[error("cannot read the lock in {}: {source}", dir.display())]
    Lock {
        /// The data directory.
        dir: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// Looks at a store.
///
/// # Errors
/// [`InfoError`]. Damage, and an index that is of no use, are told and no error.
pub fn info(options: &InfoOptions<'_>) -> Result<StoreInfo, InfoError> {
    let data_dir = options.data_dir;
    let place = StorePlace::new(data_dir);
    let log_id = place.log_id()?;
    let holder = Holder::of(data_dir).map_err(|source| InfoError::Lock {
        dir: data_dir.to_owned(),
        source,
    })?;
    let beside = Beside::from(&holder);
    // Before the log: an index that is written meanwhile would else be ahead of it.
    let index = index::look(place.index_dir(), log_id, beside, options);
    let log = log::look(&place)?;
    Ok(StoreInfo {
        data_dir: data_dir.to_owned(),
        holder,
        index: index.beside(log.last_seq, log.damage.is_some()),
        log,
        rebuild_dirs: Succession::of(data_dir).left_overs(),
        set_aside: set_aside::look(data_dir),
        disk_free_bytes: place.free_bytes().ok(),
    })
}
