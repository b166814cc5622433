//! How an offline tool ends: its exit codes, its last words, and what it calls an index that is of
//! no use.

use std::io::{self, Write as _};

use crate::index::IndexError;
use crate::log::LogError;

/// All is well.
pub(super) const ALL_WELL: u8 = 0;
/// Damage was met, or a difference.
pub(super) const DAMAGE: u8 = 1;
/// It could not run, or not to its end.
pub(super) const COULD_NOT_RUN: u8 = 2;

/// The code for a log that a look could not get over.
pub(super) fn code_of(error: &LogError) -> u8 {
    match error {
        LogError::Corrupt(_) | LogError::Unreadable { .. } | LogError::Foreign { .. } => DAMAGE,
        _ => COULD_NOT_RUN,
    }
}

/// Prints all that a command has to say. A pipe that is closed is no failure: whoever reads has
/// seen enough.
///
/// # Errors
/// It could not be written.
pub(super) fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// What JSON calls an index that cannot be used, or read.
pub(super) fn state_of_useless(error: &IndexError) -> &'static str {
    match error {
        IndexError::Damaged { .. } => "damaged",
        IndexError::OtherVersion { .. } => "other_version",
        IndexError::OtherLog { .. } => "other_log",
        _ => "unreadable",
    }
}
