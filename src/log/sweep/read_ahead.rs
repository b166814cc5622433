//! The next segment is brought into the system's memory while this one is looked at: whoever works
//! on frames and waits for the disk in turn takes as long as both together.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::log::storage::Storage;

/// A thread that does so. It ends when this goes, once it has done what it was last told.
#[derive(Debug)]
pub(super) struct ReadAhead(SyncSender<PathBuf>);

impl ReadAhead {
    /// None where no thread can be had: it is only for speed.
    pub(super) fn start(storage: Arc<dyn Storage>) -> Option<ReadAhead> {
        let (to, paths) = sync_channel::<PathBuf>(1);
        let ahead = move || {
            for path in paths {
                storage.read_ahead(&path);
            }
        };
        let started = thread::Builder::new()
            .name("read-ahead".into())
            .spawn(ahead);
        started.ok().map(|_| ReadAhead(to))
    }

    /// This file will be read before long.
    pub(super) fn will_need(&self, path: PathBuf) {
        // A thread that is not done with the one before has been overtaken.
        let _ = self.0.try_send(path);
    }
}
