//! Why an index could not be rebuilt.

use std::io;
use std::path::PathBuf;

use crate::index::IndexError;
use crate::log::{LockError, LogError};
use crate::replayer::FoldLogError;

/// Why an index could not be rebuilt. What was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is no log, it cannot be read, or it is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A server, or another tool, has the store.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A directory could not be made, renamed or removed.
    #[error("cannot change {}: {source}", path.display())]
    Directory {
        /// In which directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The index is mounted, or only a link: a rename cannot replace it.
    #[error(
        "{} is a mount or a link, and cannot be replaced by a rename; \
         remove what is in it while the store is stopped, and the next start makes it anew",
        .0.display()
    )]
    Elsewhere(PathBuf),
    /// The new index could not be made or read.
    #[error("the new index cannot be made, and the old one stays: {0}")]
    New(#[source] IndexError),
    /// The new index is not there any more.
    #[error("{} was removed by somebody else", .0.display())]
    NewMissing(PathBuf),
}

impl From<FoldLogError> for RebuildError {
    fn from(error: FoldLogError) -> RebuildError {
        match error {
            FoldLogError::Log(error) => RebuildError::Log(error),
            FoldLogError::Index(error) => RebuildError::New(error),
        }
    }
}
