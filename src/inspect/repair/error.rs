//! Why a store could not be repaired.

use std::io;
use std::path::PathBuf;

use super::Room;
use crate::index::IndexError;
use crate::inspect::rebuild::RebuildError;
use crate::log::{LockError, LogError};

/// Why a store could not be repaired. Nothing intact is lost, and it can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// There is no log, or it cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A server, or another tool, has the store.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The index cannot be read now, and it may know of events that the log has lost.
    #[error("how far the index had come cannot be read: {0}")]
    OldIndex(#[source] IndexError),
    /// The log is repaired, and the index is not made yet.
    #[error("the log is repaired, and its index cannot be made anew: {0}")]
    Index(#[source] RebuildError),
    /// Something is no file, and has a name that a segment must have.
    #[error(
        "{} is no plain file, and a segment must have that name: put the segment itself there, \
         or take it away", .0.display()
    )]
    InTheWay(PathBuf),
    /// There is too little room, and nothing was changed.
    #[error(
        "the repair takes {} bytes in {}, and {} are free there",
        .0.needed_bytes, .0.dir.display(), .0.free_bytes
    )]
    NoRoom(Room),
    /// A directory or file beside the log cannot be made, renamed or removed.
    #[error("cannot change {}: {source}", path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}
