//! The steps of a plan, in the order in which a stop at any of them loses nothing.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::aside::set_aside;
use super::plan::Plan;
use super::write::Writing;
use crate::log::error::LogError;
use crate::log::inventory::{Inventory, RESERVE_NAME};
use crate::log::segment::SegmentId;
use crate::log::storage::Storage;

/// For directories and reports.
const BESIDE_BYTES: u64 = 1 << 20;

/// How far it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which segment is being written anew.
    pub segment: SegmentId,
    /// So many were before it.
    pub done: usize,
    /// Of so many.
    pub of: usize,
}

/// Carries out a plan. The caller has the lock.
pub struct Mender<'m> {
    /// Where the log is.
    pub storage: &'m dyn Storage,
    /// Its directory.
    pub dir: &'m Path,
    /// Where the old files are kept: a directory beside it, which is made if it is not there.
    pub set_aside: &'m Path,
    /// So much is about to be taken on its disk, for the index too.
    pub needed_bytes: u64,
    /// The time, µs UTC.
    pub now: i64,
    /// Gives a file that was made to whoever the log is of.
    pub give: &'m dyn Fn(&Path) -> io::Result<()>,
}

impl Mender<'_> {
    /// Makes room for it, before anything else: what never became segments goes, and the reserve
    /// where there is too little without it. A server makes both anew as soon as there is room.
    ///
    /// # Errors
    /// I/O errors. Nothing of the log was changed.
    pub fn make_room(&self) -> Result<(), LogError> {
        let Mender { storage, dir, .. } = *self;
        for name in Inventory::read(storage, dir)?.left_overs {
            self.remove(&dir.join(name))?;
        }
        let free_bytes = storage.free_bytes(dir);
        if free_bytes.is_ok_and(|free| free < self.needed_bytes + BESIDE_BYTES) {
            // It may not be there.
            drop(storage.remove(&dir.join(RESERVE_NAME)));
        }
        Ok(())
    }

    /// Does what is planned.
    ///
    /// # Errors
    /// I/O errors; damage when the log is not as it was when that was planned. Nothing intact is
    /// lost, and a new plan goes on from there.
    pub fn act(&self, plan: &Plan, told: &mut dyn FnMut(Step)) -> Result<(), LogError> {
        let Mender {
            storage,
            dir,
            set_aside: aside,
            ..
        } = *self;
        let parent = dir.parent().unwrap_or(dir);
        storage
            .create_dir(aside)
            .map_err(LogError::io("create", aside))?;
        self.sync(parent)?;
        let mut seconds = HashMap::new();
        for id in &plan.set_aside {
            let path = dir.join(id.file_name());
            let second = set_aside(storage, &path, aside)?;
            (self.give)(&second).map_err(LogError::io("give away", &second))?;
            seconds.insert(path, second);
        }
        self.sync(aside)?;
        let writing = Writing {
            storage,
            dir,
            log_id: plan.log_id,
            now: self.now,
        };
        let of = plan.new_segments.len();
        for (done, new) in plan.new_segments.iter().rev().enumerate() {
            let segment = new.id;
            told(Step { segment, done, of });
            // From under its second name: another new segment may have taken the first by now.
            let mut new = new.clone();
            if let Some(source) = &mut new.source
                && let Some(second) = seconds.get(&source.path)
            {
                source.path.clone_from(second);
            }
            let temp = writing.write(&new)?;
            (self.give)(&temp).map_err(LogError::io("give away", &temp))?;
            storage
                .rename(&temp, &dir.join(segment.file_name()))
                .map_err(LogError::io("rename", &temp))?;
            // What stands in two old ones is to be in this one before the other is replaced.
            self.sync(dir)?;
        }
        for id in &plan.set_aside {
            if plan.is_dropped(*id) {
                self.remove(&dir.join(id.file_name()))?;
            }
        }
        self.sync(dir)
    }

    fn remove(&self, path: &Path) -> Result<(), LogError> {
        self.storage
            .remove(path)
            .map_err(LogError::io("remove", path))
    }

    fn sync(&self, dir: &Path) -> Result<(), LogError> {
        self.storage
            .sync_dir(dir)
            .map_err(LogError::io("sync", dir))
    }
}
