//! The real file system.

use std::fs::{File, FileType, OpenOptions, Permissions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Storage, StorageFile, TEMP_PREFIX};

/// Linux takes no more of one advice than it reads ahead by itself, which is this by default.
const READ_AHEAD_BYTES: usize = 128 * 1024;

/// Files and directories as the operating system gives them.
#[derive(Copy, Clone, Debug, Default)]
pub struct FileSystem;

impl Storage for FileSystem {
    fn create_dir(&self, dir: &Path) -> io::Result<bool> {
        match std::fs::create_dir(dir) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        names(dir, |kind| kind.is_file())
    }

    fn list_others(&self, dir: &Path) -> io::Result<Vec<String>> {
        names(dir, |kind| !kind.is_file())
    }

    fn create_temp(&self, dir: &Path) -> io::Result<(PathBuf, Arc<dyn StorageFile>)> {
        // tempfile's own default of 0600 would outlive the rename and lock out
        // operators who read the log under another user.
        let (file, path) = tempfile::Builder::new()
            .prefix(TEMP_PREFIX)
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(dir)?
            .keep()
            .map_err(|kept| kept.error)?;
        Ok((path, Arc::new(FileOnDisk(file))))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(FileOnDisk(File::open(path)?)))
    }

    fn read_ahead(&self, path: &Path) {
        // Whoever reads it will meet what is wrong with it.
        #[cfg(target_os = "linux")]
        if let Ok(file) = File::open(path)
            && let Ok(metadata) = file.metadata()
        {
            for offset in (0..metadata.len()).step_by(READ_AHEAD_BYTES) {
                let len = NonZeroU64::new(READ_AHEAD_BYTES as u64);
                if rustix::fs::fadvise(&file, offset, len, rustix::fs::Advice::WillNeed).is_err() {
                    return;
                }
            }
        }
    }

    fn open_rw(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(FileOnDisk(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn names(dir: &Path, is_wanted: impl Fn(FileType) -> bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // A name that is not UTF-8 was not given by us.
        if let (true, Ok(name)) = (
            is_wanted(entry.file_type()?),
            entry.file_name().into_string(),
        ) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Memory, offset and length must be multiples of it to go past the page cache: no device asks
/// for more.
const ALIGNED_BYTES: u64 = 4096;

#[repr(align(4096))]
struct Aligned<T>(T);

static ZEROS: Aligned<[u8; 256 * 1024]> = Aligned([0; 256 * 1024]);

#[derive(Debug)]
struct FileOnDisk(File);

impl FileOnDisk {
    /// Zeros past the page cache; false where that cannot be had.
    #[cfg(target_os = "linux")]
    fn write_past_cache(&self, zeros: &[u8], offset: u64) -> io::Result<bool> {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        use rustix::io::Errno;
        if !offset.is_multiple_of(ALIGNED_BYTES)
            || !(zeros.len() as u64).is_multiple_of(ALIGNED_BYTES)
        {
            return Ok(false);
        }
        let flags = fcntl_getfl(&self.0)?;
        if fcntl_setfl(&self.0, flags | OFlags::DIRECT).is_err() {
            return Ok(false);
        }
        let written = self.0.write_all_at(zeros, offset);
        fcntl_setfl(&self.0, flags)?;
        match written {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(false),
            written => written.map(|()| true),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn write_past_cache(&self, _zeros: &[u8], _offset: u64) -> io::Result<bool> {
        Ok(false)
    }
}

impl StorageFile for FileOnDisk {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self
                .0
                .read_at(&mut buffer[filled..], offset + filled as u64)
            {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn write_zeros_at(&self, count: u64, offset: u64) -> io::Result<()> {
        let end = offset + count;
        let mut at = offset;
        while at < end {
            let zeros = &ZEROS.0[..(end - at).min(ZEROS.0.len() as u64) as usize];
            if !self.write_past_cache(zeros, at)? {
                self.0.write_all_at(zeros, at)?;
            }
            at += zeros.len() as u64;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.0.set_len(len_bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
