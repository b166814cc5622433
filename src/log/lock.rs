//! `lock` in the data directory: one process at a time. The file is never deleted, since
//! whoever waits on a deleted file locks nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::LOG_DIR;
use super::owner::give_to_owner_of;

/// The name of the file.
pub(super) const LOCK_NAME: &str = "lock";

const HOLDER_LOOKS_MAX: u32 = 50;
const HOLDER_LOOK_EVERY: Duration = Duration::from_millis(2);

/// Before the last of what a holder writes.
const SINCE: &str = "\nsince ";

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
                return Err(LockError::Held {
                    dir: data_dir.to_owned(),
                    holder: holder_in(&mut file).trim().replace('\n', ", "),
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

/// What the holder wrote of itself. One that has taken the lock in this moment has not written it
/// yet, and is given some time. Who it is is a courtesy; that it is held is what matters.
fn holder_in(file: &mut File) -> String {
    let mut holder = String::new();
    for _ in 0..HOLDER_LOOKS_MAX {
        holder.clear();
        let read = file
            .rewind()
            .and_then(|()| file.read_to_string(&mut holder));
        if read.is_err() || is_whole(&holder) {
            break;
        }
        std::thread::sleep(HOLDER_LOOK_EVERY);
    }
    holder
}

fn is_whole(holder: &str) -> bool {
    holder.contains(SINCE) && holder.ends_with('\n')
}

fn description() -> String {
    let host = rustix::system::uname();
    format!(
        "pid {}\nhost {}{SINCE}{:.0}\n",
        std::process::id(),
        host.nodename().to_string_lossy(),
        jiff::Timestamp::now(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two that start at the same moment: one has the lock, and has not yet said who it is.
    #[test]
    fn a_holder_that_has_just_come_is_given_time_to_say_who_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut holder = File::create(dir.path().join(LOCK_NAME)).unwrap();
        holder.lock().unwrap();
        let refused = std::thread::scope(|threads| {
            let taking = threads.spawn(|| DataLock::take(dir.path()));
            let text = description();
            for part in text.split_inclusive('\n') {
                std::thread::sleep(Duration::from_millis(10));
                holder.write_all(part.as_bytes()).unwrap();
            }
            taking.join().unwrap().unwrap_err().to_string()
        });
        let pid = std::process::id();
        assert!(refused.contains(&format!("(pid {pid}, host ")), "{refused}");
        assert!(refused.contains(", since 2"), "{refused}");
    }

    #[test]
    fn a_holder_that_never_says_who_it_is_has_the_lock_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let holder = File::create(dir.path().join(LOCK_NAME)).unwrap();
        holder.lock().unwrap();
        let refused = DataLock::take(dir.path()).unwrap_err().to_string();
        assert!(
            refused.ends_with("is in use by another process ()"),
            "{refused}"
        );
    }
}
