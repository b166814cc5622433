//! Why an offline tool could not go on. Damage is no such reason: it is met and told.

use std::path::{Path, PathBuf};

use crate::index::IndexError;
use crate::log::LogError;

/// Why a tool ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The fold failed.
    #[error("the verdicts cannot be worked out: {0}")]
    Fold(#[from] IndexError),
    /// No room for what the fold writes.
    #[error("no room to work out the verdicts in {}: {source}", dir.display())]
    NoRoom {
        /// The temporary directory.
        dir: PathBuf,
        /// What failed.
        source: IndexError,
    },
}

impl InspectError {
    /// An error of an index in this temporary directory.
    pub(super) fn of_fold(error: IndexError, dir: &Path) -> InspectError {
        match error {
            IndexError::Full(_) => InspectError::NoRoom {
                dir: dir.to_owned(),
                source: error,
            },
            other => other.into(),
        }
    }
}
