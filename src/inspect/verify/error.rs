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
    /// The receipts cannot be read.
    #[error("cannot read the receipts in {name}: {source}")]
    Receipts {
        /// What they come from.
        name: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A line that is no receipt.
    #[error("{name}: line {line} is no receipt: {why}")]
    Malformed {
        /// What they come from.
        name: String,
        /// Which line; the first is 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

impl From<LogError> for VerifyError {
    fn from(error: LogError) -> VerifyError {
        VerifyError::Inspect(error.into())
    }
}
