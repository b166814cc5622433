//! `lock` in the data directory: one process at a time. The file is never deleted, since
//! whoever waits on a deleted file locks nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::LOG_DIR;
use super::owner::give_to_owner_of;

/// The name of the file.
pub(super) const LOCK_NAME: &str = "lock";

/// Held as long as it lives, by `flock`; the operating system lets it go with the process.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// Why the data directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has it.
    #[error("{} is in use by another process ({holder})", dir.display())]
    Held {
        /// The data directory.
        dir: PathBuf,
        /// What that process wrote of itself.
        holder: String,
    },
    /// The operating system said no.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl DataLock {
    /// Takes the lock at once, or says who has it.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(data_dir: &Path) -> Result<DataLock, LockError> {
        let path = data_dir.join(LOCK_NAME);
        let io = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is is a courtesy; that it is held is what matters.
                let _ = file.read_to_string(&mut holder);
                return Err(LockError::Held {
                    dir: data_dir.to_owned(),
                    holder: holder.trim().replace('\n', ", "),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        // On a full disk the old text may stay; the lock holds all the same.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(description().as_bytes()));
        // A server that runs as another user could not take it else. Where that fails, it says so.
        let _ = give_to_owner_of(&data_dir.join(LOG_DIR), &path);
        Ok(DataLock { _file: file })
    }
}

fn description() -> String {
    let host = rustix::system::uname();
    format!(
        "pid {}\nhost {}\nsince {:.0}\n",
        std::process::id(),
        host.nodename().to_string_lossy(),
        jiff::Timestamp::now(),
    )
}
