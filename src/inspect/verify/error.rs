//! Why a store could not be verified to the end.

use std::io;
use std::path::PathBuf;

use crate::inspect::InspectError;
use crate::log::LogError;

/// Why a store could not be verified to the end. Damage is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The log cannot be read, or the fold cannot go on.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// Who has the lock cannot be told.
    #[error("cannot read the lock in {}: {source}", dir.display())]
    Lock {
        /// The data directory.
        dir: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// What is needed meanwhile cannot be made.
    #[error("cannot use the temporary directory {}: {source}", dir.display())]
    Scratch {
        /// The temporary directory.
        dir: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl From<LogError> for VerifyError {
    fn from(error: LogError) -> VerifyError {
        VerifyError::Inspect(error.into())
    }
}
