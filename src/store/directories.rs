//! The data directory and those in it: are they ours, and are they there for good?

use std::fs;
use std::io;
use std::path::Path;

use super::open_error::OpenError;
use crate::index::succession::{INDEX_DIR, SUCCESSION_DIRS, Succession, Successor};
use crate::log::LOG_DIR;
use crate::log::inventory::{META_NAME, RESERVE_NAME, TORN_PREFIX};
use crate::log::mending::{SET_ASIDE_PREFIX, UNFINISHED_DIR};
use crate::log::segment::SegmentId;
use crate::log::storage::{Storage, TEMP_PREFIX};

/// What is in a data directory by us, or by the repository it lies in.
const OURS: [&str; 4] = [LOG_DIR, INDEX_DIR, "lock", "README.md"];

/// A directory that holds other things and no log is not ours: a mistyped `--data-dir` must
/// not leave its files among somebody's own. Names that begin with a dot, and what a file
/// system itself keeps in its root, are nobody's.
///
/// # Errors
/// [`OpenError::NotOurs`]; when it cannot be listed.
pub(super) fn refuse_foreign(data_dir: &Path) -> Result<(), OpenError> {
    let in_log = names(&data_dir.join(LOG_DIR))?;
    let is_log = |name: &String| name == META_NAME || SegmentId::from_file_name(name).is_some();
    if in_log.iter().any(is_log) {
        return Ok(());
    }
    // A first start that was killed leaves such.
    let begun = |name: &str| {
        name == RESERVE_NAME || name.starts_with(TORN_PREFIX) || name.starts_with(TEMP_PREFIX)
    };
    let nobodys = |name: &str| name.starts_with('.') || name == "lost+found";
    let mut strange: Vec<String> = names(data_dir)?
        .into_iter()
        .filter(|name| {
            let name = name.as_str();
            let is_ours = OURS.contains(&name)
                || SUCCESSION_DIRS.contains(&name)
                || name == UNFINISHED_DIR
                || name.starts_with(SET_ASIDE_PREFIX);
            !is_ours && !nobodys(name)
        })
        .collect();
    let in_log = in_log
        .into_iter()
        .filter(|name| !begun(name) && !nobodys(name));
    strange.extend(in_log.map(|name| format!("{LOG_DIR}/{name}")));
    strange.sort();
    let found = match strange.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first} and {} more", others.len()),
    };
    Err(OpenError::NotOurs {
        dir: data_dir.to_owned(),
        found,
    })
}

/// In the middle of a repair the index may know what the log does not have any more.
///
/// # Errors
/// [`OpenError::RepairStopped`]; when it cannot be told.
pub(super) fn refuse_repair_stopped(data_dir: &Path) -> Result<(), OpenError> {
    let dir = data_dir.join(UNFINISHED_DIR);
    match dir.try_exists().map_err(failed(&dir))? {
        true => Err(OpenError::RepairStopped(data_dir.to_owned())),
        false => Ok(()),
    }
}

/// All names in a directory; none if it is not there.
fn names(dir: &Path) -> Result<Vec<String>, OpenError> {
    let listed = fs::read_dir(dir).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    });
    match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(OpenError::NotADirectory(dir.to_owned()))
        }
        other => other.map_err(failed(dir)),
    }
}

/// Makes a directory and those above it, each of which lasts before the next is made.
pub(super) fn make_dir_all(storage: &dyn Storage, dir: &Path) -> Result<(), OpenError> {
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty())
        && !parent.exists()
    {
        make_dir_all(storage, parent)?;
    }
    make_dir(storage, dir)
}

/// Makes a directory that lasts.
pub(super) fn make_dir(storage: &dyn Storage, dir: &Path) -> Result<(), OpenError> {
    storage.create_dir(dir).map_err(failed(dir))?;
    // Also when it was there: whoever made it may have died before this sync.
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match storage.sync_dir(parent) {
        // A parent that may not be read, as a mount point's, cannot be synced by us.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other.map_err(failed(dir)),
    }
}

/// Puts in order what a rebuild that was stopped has left. What cannot be removed only takes room.
pub(super) fn settle_index(data_dir: &Path) -> Result<(), OpenError> {
    let succession = Succession::of(data_dir);
    match succession.put_in_place().map_err(failed(data_dir))? {
        None => {}
        Some(Successor::New) => {
            tracing::info!("a rebuild was stopped at its end: the new index takes its place");
        }
        Some(Successor::Old) => {
            tracing::info!("a rebuild was stopped: the old index is put back in its place");
        }
    }
    match succession.remove_left_overs() {
        Ok(false) => {}
        Ok(true) => tracing::info!("what a rebuild had left was removed"),
        Err(error) => tracing::warn!(
            "what a rebuild has left in {} cannot be removed: {error}",
            data_dir.display()
        ),
    }
    Ok(())
}

fn failed(dir: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Directory {
        path: dir.to_owned(),
        source,
    }
}
