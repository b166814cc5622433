//! What root makes in somebody else's store, and whoever runs the server must be able to use.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

/// Gives something to whoever owns the log of this directory, where that is another and root asks.
/// Of a link it gives the link, and not what that leads to.
///
/// # Errors
/// When one of both cannot be looked at, or the system refuses.
pub fn give_to_owner_of(log_dir: &Path, path: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(log_dir)?;
    let found = fs::symlink_metadata(path)?;
    if (owner.uid(), owner.gid()) == (found.uid(), found.gid()) {
        return Ok(());
    }
    lchown(path, Some(owner.uid()), Some(owner.gid()))
}
