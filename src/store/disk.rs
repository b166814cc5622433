//! How full the file systems are that a store lies on.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file system, as this process may use it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Which one.
    device: u64,
    /// Bytes that may still be used.
    pub free_bytes: u64,
    /// Its size in bytes.
    pub total_bytes: u64,
}

impl Disk {
    /// The one on which this directory lies. Blocking.
    pub(super) fn of(dir: &Path) -> io::Result<Disk> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(Disk {
            device: std::fs::metadata(dir)?.dev(),
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }

    /// Whether it is the same file system.
    pub(super) fn is(&self, other: &Disk) -> bool {
        self.device == other.device
    }
}
