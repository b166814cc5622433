//! The old files under second names, in a directory beside the log.

use std::io;
use std::path::{Path, PathBuf};

use crate::log::error::LogError;
use crate::log::recovery::put_file;
use crate::log::storage::{Storage, StorageFile as _, is_disk_full};
use crate::log::sweep::PatientFile;

const COPY_BYTES: usize = if cfg!(test) { 256 } else { 1 << 20 };
const SUFFIX: &str = ".seg";

/// Gives a file a second name in this directory, or a copy where that cannot be had; nothing if a
/// file there has its bytes already. It lasts when the directory was synced. Gives its path.
///
/// # Errors
/// I/O errors: then the file may not be touched.
pub(super) fn set_aside(
    storage: &dyn Storage,
    path: &Path,
    dir: &Path,
) -> Result<PathBuf, LogError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(SUFFIX).unwrap_or(&name);
    let mut second = dir.join(name.as_ref());
    let mut number = 1;
    loop {
        match storage.link(path, &second) {
            Ok(()) => return Ok(second),
            // A stop may have left it there. One that cannot be opened is another one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if is_same(storage, path, &second).unwrap_or(false) {
                    return Ok(second);
                }
            }
            Err(error)
                if is_disk_full(&error)
                    || matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::ReadOnlyFilesystem
                    ) =>
            {
                return Err(LogError::io("set aside", path)(error));
            }
            // Another file system, or one without links.
            Err(_) => match storage.open(&second) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    copy(storage, path, dir, &second)?;
                    return Ok(second);
                }
                Err(error) => return Err(LogError::io("open", &second)(error)),
                Ok(_) if is_same(storage, path, &second).unwrap_or(false) => return Ok(second),
                Ok(_) => {}
            },
        }
        number += 1;
        second = dir.join(format!("{stem}-{number}{SUFFIX}"));
    }
}

/// Copies all that can be read; zeros stand for what cannot.
fn copy(storage: &dyn Storage, path: &Path, dir: &Path, to: &Path) -> Result<(), LogError> {
    let from = storage.open(path).map_err(LogError::io("open", path))?;
    let from = PatientFile::new(from);
    let bytes = from.len().map_err(LogError::io("measure", path))?;
    put_file(storage, dir, to, |file| {
        let mut offset = 0;
        while offset < bytes {
            let mut piece = vec![0; (bytes - offset).min(COPY_BYTES as u64) as usize];
            let count = from.read_at(&mut piece, offset)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.write_at(&piece[..count], offset)?;
            offset += count as u64;
        }
        Ok(())
    })
}

/// Whether one is a second name of the other, or its copy.
fn is_same(storage: &dyn Storage, one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (storage.open(one)?, storage.open(other)?);
    let (one, other) = (PatientFile::new(one), PatientFile::new(other));
    let bytes = one.len()?;
    if other.len()? != bytes {
        return Ok(false);
    }
    let mut offset = 0;
    while offset < bytes {
        let wanted = (bytes - offset).min(COPY_BYTES as u64) as usize;
        let (mut of_one, mut of_other) = (vec![0; wanted], vec![0; wanted]);
        let counts = (
            one.read_at(&mut of_one, offset)?,
            other.read_at(&mut of_other, offset)?,
        );
        if counts != (wanted, wanted) || of_one != of_other {
            return Ok(false);
        }
        offset += wanted as u64;
    }
    Ok(true)
}
