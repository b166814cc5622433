//! Where the parts of a store are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::log::LogError;
use crate::log::storage::{FileSystem, Storage};
use crate::log::sweep::{FrameFinder, Sweep, SweepOptions};

/// A data directory, as one who only looks sees it.
#[derive(Clone, Debug)]
pub struct StorePlace {
    storage: Arc<dyn Storage>,
    log_dir: PathBuf,
    index_dir: PathBuf,
}

impl StorePlace {
    /// The parts of this data directory.
    pub fn new(data_dir: &Path) -> StorePlace {
        StorePlace {
            storage: Arc::new(FileSystem),
            log_dir: data_dir.join("log"),
            index_dir: data_dir.join("index"),
        }
    }

    /// Its log.
    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    /// Its index.
    pub fn index_dir(&self) -> &Path {
        &self.index_dir
    }

    /// Whether there is a log.
    ///
    /// # Errors
    /// As [`Sweep::check`].
    pub fn check(&self) -> Result<(), LogError> {
        Sweep::check(self.storage.as_ref(), &self.log_dir)
    }

    /// Sweeps its log.
    ///
    /// # Errors
    /// As [`Sweep::open`].
    pub fn sweep(&self, options: SweepOptions) -> Result<Sweep, LogError> {
        Sweep::open(Arc::clone(&self.storage), &self.log_dir, options)
    }

    /// Finds frames in its log.
    pub fn finder(&self) -> FrameFinder {
        FrameFinder::new(Arc::clone(&self.storage), &self.log_dir)
    }
}
