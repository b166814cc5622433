//! Where the parts of a store are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::event::Seq;
use crate::index::succession::Succession;
use crate::log::inventory::Inventory;
use crate::log::segment::SegmentId;
use crate::log::storage::{FileSystem, Storage};
use crate::log::sweep::{FrameFinder, Sweep, SweepOptions};
use crate::log::{LOG_DIR, LogError, LogId, OfflineLog, log_id_in};

/// A data directory, as one who only looks sees it.
#[derive(Clone, Debug)]
pub struct StorePlace {
    storage: Arc<dyn Storage>,
    data_dir: PathBuf,
    log_dir: PathBuf,
    index_dir: PathBuf,
}

impl StorePlace {
    /// The parts of this data directory.
    pub fn new(data_dir: &Path) -> StorePlace {
        StorePlace {
            storage: Arc::new(FileSystem),
            data_dir: data_dir.to_owned(),
            log_dir: data_dir.join(LOG_DIR),
            index_dir: Succession::of(data_dir).current(),
        }
    }

    /// The directory itself.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Its log.
    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    /// Its index, wherever a rebuild that was stopped has left it.
    pub fn index_dir(&self) -> &Path {
        &self.index_dir
    }

    /// Which log there is that a sweep could be over, however damaged.
    ///
    /// # Errors
    /// As [`Sweep::check`].
    pub fn check(&self) -> Result<LogId, LogError> {
        Sweep::check(self.storage.as_ref(), &self.log_dir)
    }

    /// Which log it is.
    ///
    /// # Errors
    /// As [`log_id_in`].
    pub fn log_id(&self) -> Result<LogId, LogError> {
        log_id_in(self.storage.as_ref(), &self.log_dir)
    }

    /// Looks at its log as a start does, which goes no further than damage.
    ///
    /// # Errors
    /// As [`OfflineLog::open`].
    pub fn log(&self) -> Result<OfflineLog, LogError> {
        OfflineLog::open(Arc::clone(&self.storage), &self.log_dir)
    }

    /// The same up to this damage.
    ///
    /// # Errors
    /// As [`OfflineLog::before`].
    pub fn log_before(&self, damage: (SegmentId, u64, Seq)) -> Result<OfflineLog, LogError> {
        OfflineLog::before(Arc::clone(&self.storage), &self.log_dir, damage)
    }

    /// What lies in its log's directory.
    ///
    /// # Errors
    /// As [`Inventory::read`].
    pub fn inventory(&self) -> Result<Inventory, LogError> {
        Inventory::read(self.storage.as_ref(), &self.log_dir)
    }

    /// Bytes that may still be used on the log's disk.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn free_bytes(&self) -> io::Result<u64> {
        self.storage.free_bytes(&self.log_dir)
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
