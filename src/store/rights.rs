//! May this process do what it must with the data directory? Asked before anything is done,
//! so that whoever started it is told by whom and how it can be put right, and so that no
//! file half of which can be written is met later.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, access, accessat};
use rustix::io::Errno;

use super::open_error::OpenError;
use crate::index::succession::INDEX_DIR;
use crate::log::LOG_DIR;
use crate::log::inventory::META_NAME;
use crate::log::segment::SegmentId;

/// A directory in which names are made and removed.
const CHANGE: Access = Access::READ_OK
    .union(Access::WRITE_OK)
    .union(Access::EXEC_OK);
const WRITE: Access = Access::READ_OK.union(Access::WRITE_OK);
const READ: Access = Access::READ_OK;

/// The rights do not suffice, and how they would.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// By owner and mode.
    #[error(
        "cannot {action} {}: this process is uid {uid}, the {what} belongs to uid {owner} \
         with mode {mode:o}; {fix}", path.display()
    )]
    Mode {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// As whom.
        uid: u32,
        /// What it is.
        what: &'static str,
        /// Whose it is.
        owner: u32,
        /// Who may do what with it.
        mode: u32,
        /// What to do.
        fix: String,
    },
    /// By the mount.
    #[error(
        "cannot write to {}: it is on a read-only file system; mount it for writing \
         (with Docker: a volume without :ro)", .0.display()
    )]
    ReadOnly(PathBuf),
}

/// Checks what is there of a data directory: that names can be made in its directories, and
/// that the files that will be written can be. Sealed segments need only be readable.
///
/// # Errors
/// [`OpenError::Denied`] for the first that is not as it must be;
/// [`OpenError::NotADirectory`].
pub(super) fn check(data_dir: &Path) -> Result<(), OpenError> {
    if !data_dir.exists() {
        return check_above(data_dir);
    }
    let may = |path: &Path, wanted| may(path, wanted, data_dir);
    let (log, index) = (data_dir.join(LOG_DIR), data_dir.join(INDEX_DIR));
    for dir in [data_dir, &log, &index] {
        if dir.exists() && !dir.is_dir() {
            return Err(OpenError::NotADirectory(dir.to_owned()));
        }
        may(dir, CHANGE)?;
    }
    may(&data_dir.join("lock"), WRITE)?;
    may(&log.join(META_NAME), READ)?;
    let mut segments: Vec<SegmentId> = names_in(&log)
        .iter()
        .filter_map(|name| SegmentId::from_file_name(name))
        .collect();
    segments.sort_unstable();
    // The last one is what recovery may have to mend.
    if let Some(last) = segments.pop() {
        may(&log.join(last.file_name()), WRITE)?;
    }
    for sealed in segments {
        may(&log.join(sealed.file_name()), READ)?;
    }
    for name in names_in(&index) {
        may(&index.join(name), WRITE)?;
    }
    Ok(())
}

/// The directory is still to be made, in the nearest one above that can be seen.
fn check_above(data_dir: &Path) -> Result<(), OpenError> {
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let Some(above) = absolute.ancestors().skip(1).find(|above| above.exists()) else {
        return Ok(());
    };
    if !above.is_dir() {
        return Err(OpenError::NotADirectory(above.to_owned()));
    }
    let shown = absolute.display();
    match permitted(above, Access::WRITE_OK | Access::EXEC_OK) {
        Err(Errno::ROFS) => Err(Denied::ReadOnly(above.to_owned()).into()),
        Err(Errno::ACCESS | Errno::PERM) if permitted(above, Access::EXEC_OK).is_err() => {
            let fix = format!("it cannot see {shown}; give another directory with --data-dir");
            Err(denied("look into", above, |_| fix))
        }
        Err(Errno::ACCESS | Errno::PERM) => {
            let fix = format!(
                "as root, run: mkdir -p {shown} && chown {} {shown}",
                own_uid()
            );
            Err(denied("make a directory in", above, |_| fix))
        }
        // Whatever else it is, making it will tell.
        _ => Ok(()),
    }
}

/// Whether the process may, with its effective ids and its capabilities.
fn permitted(path: &Path, wanted: Access) -> rustix::io::Result<()> {
    match accessat(CWD, path, wanted, AtFlags::EACCESS) {
        // Some sandboxes refuse the call itself; the older one asks for the real ids.
        Err(Errno::ACCESS | Errno::PERM) => access(path, wanted),
        answer => answer,
    }
}

fn may(path: &Path, wanted: Access, data_dir: &Path) -> Result<(), OpenError> {
    match permitted(path, wanted) {
        Err(Errno::ROFS) => Err(Denied::ReadOnly(path.to_owned()).into()),
        Err(Errno::ACCESS | Errno::PERM) => {
            let action = if wanted == READ { "read" } else { "write to" };
            let (uid, shown) = (own_uid(), data_dir.display());
            Err(denied(action, path, |owner| {
                if uid == owner {
                    format!("run: chmod -R u+rwX {shown}")
                } else {
                    format!(
                        "run: chown -R {uid} {shown} \
                         (or start the container with --user {owner})"
                    )
                }
            }))
        }
        // What is not there yet is made; whatever else it is, using it will tell.
        _ => Ok(()),
    }
}

/// The refusal, with what the owner's uid makes of the fix.
fn denied(action: &'static str, path: &Path, fix: impl FnOnce(u32) -> String) -> OpenError {
    match fs::metadata(path) {
        Ok(found) => Denied::Mode {
            action,
            path: path.to_owned(),
            uid: own_uid(),
            what: if found.is_dir() { "directory" } else { "file" },
            owner: found.uid(),
            mode: found.mode() & 0o7777,
            fix: fix(found.uid()),
        }
        .into(),
        Err(source) => OpenError::Directory {
            path: path.to_owned(),
            source,
        },
    }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The names in a directory; none if it cannot be listed, which using it will tell.
fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
