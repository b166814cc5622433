//! What repairs have kept beside the log.

use std::fs;
use std::path::Path;

use crate::log::mending::{SET_ASIDE_PREFIX, UNFINISHED_DIR};

/// A directory of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Its name in the data directory.
    pub name: String,
    /// The bytes of its files, old segments and reports.
    pub bytes: u64,
    /// The repair is at work, or was stopped.
    pub is_unfinished: bool,
}

/// Those of a data directory. What cannot be looked at is left out: nothing depends on it.
pub(super) fn look(data_dir: &Path) -> Vec<SetAside> {
    let entries = fs::read_dir(data_dir).into_iter().flatten().flatten();
    let mut found: Vec<SetAside> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_unfinished = name == UNFINISHED_DIR;
            let is_kept = is_unfinished || name.starts_with(SET_ASIDE_PREFIX);
            (is_kept && entry.path().is_dir()).then(|| SetAside {
                bytes: bytes(&entry.path()),
                name,
                is_unfinished,
            })
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok());
    files.map(|file| file.len()).sum()
}
