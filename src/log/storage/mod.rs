//! The seam under the log: bytes, names, and what makes either last.
//!
//! Two implementations: [`FileSystem`], and for tests a simulated disk that knows
//! what is live and what is durable. Nothing above this seam opens a file of the log.
//!
//! What callers may count on, and no more (it is what Linux file systems give):
//! - bytes written last only after [`StorageFile::sync_data`] on that file returned `Ok`;
//! - a name made, renamed or removed lasts only after [`Storage::sync_dir`] on its directory;
//! - a rename is atomic: after a crash the name means the old file or the new one;
//! - after a failed sync nothing is known about what was written since the last good one.

#[cfg(test)]
mod contract_tests;
mod file_system;
pub(crate) mod side_by_side;
#[cfg(any(test, fuzzing))]
// A fuzzer has no use for the half of it.
#[cfg_attr(not(test), allow(dead_code, unused_imports))]
pub(crate) mod simulated;

pub use file_system::FileSystem;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Directories and names.
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// Makes a directory; it is fine if it is there already. Its parent must exist.
    /// True when it was made by this call: its name then still needs a sync of the parent.
    fn create_dir(&self, dir: &Path) -> io::Result<bool>;

    /// The names of the plain files in a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// The names of what else is in a directory: directories, symbolic links and the like.
    fn list_others(&self, _dir: &Path) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// A new, empty file under a temporary name that starts with [`TEMP_PREFIX`].
    fn create_temp(&self, dir: &Path) -> io::Result<(PathBuf, Arc<dyn StorageFile>)>;

    /// Has the system bring a file into its memory, where it can: it will be read before long.
    /// Returns when that is done or under way.
    fn read_ahead(&self, _path: &Path) {}

    /// Opens a file that exists, for reading only.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;

    /// Opens a file that exists, for reading and writing.
    fn open_rw(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;

    /// Gives a file another name in the same directory, in the place of what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name, in any directory of the same file system. An error of the kind
    /// `AlreadyExists` when something has that name.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory last.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that this process may still use on the disk of `dir`.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// A file's bytes.
// A length that can fail has no use for `is_empty`.
#[allow(clippy::len_without_is_empty)]
pub trait StorageFile: Send + Sync + std::fmt::Debug {
    /// Fills the buffer from this offset; the number of bytes read is smaller only
    /// where the file ends.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all the bytes at this offset; a file that is shorter grows.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes so many zeros at this offset. They will not be read soon: past the page cache,
    /// where that can be had. Nobody else may use the file meanwhile.
    fn write_zeros_at(&self, count: u64, offset: u64) -> io::Result<()> {
        self.write_at(&vec![0; count as usize], offset)
    }

    /// Makes the bytes last, and the length (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts or lengthens (with zeros) the file.
    fn set_len(&self, len_bytes: u64) -> io::Result<()>;

    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
}

/// How the name of every file starts that is not yet what it will be. Left-overs
/// are removed at start.
pub const TEMP_PREFIX: &str = ".tmp-";

/// Whether an error says that the disk, or the quota on it, is full.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
