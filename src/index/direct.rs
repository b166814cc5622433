//! Handles that read and write past the page cache. A merge goes over more than memory holds,
//! and once: through the cache it would push out what others need, and cost twice the CPU.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Offsets, lengths and memory must be multiples of it: no device asks for more.
const ALIGNED_BYTES: usize = 4096;

/// Another handle on a file that is there, for pieces of whole blocks of this size in memory of
/// [`super::pages::Pages::mapped`]. None where it cannot be had: the ordinary one does.
pub(super) fn open(path: &Path, writes: bool, block_bytes: usize) -> Option<File> {
    if !block_bytes.is_multiple_of(ALIGNED_BYTES) {
        return None;
    }
    open_past_cache(path, writes).ok()
}

#[cfg(target_os = "linux")]
fn open_past_cache(path: &Path, writes: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .read(!writes)
        .write(writes)
        .custom_flags(rustix::fs::OFlags::DIRECT.bits().cast_signed())
        .open(path)
}

#[cfg(not(target_os = "linux"))]
fn open_past_cache(_path: &Path, _writes: bool) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
