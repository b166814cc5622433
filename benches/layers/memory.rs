//! A disk in memory, on which a sync costs nothing: what the log itself costs is left.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oncelog::log::storage::{Storage, StorageFile, TEMP_PREFIX};

#[derive(Debug, Default)]
pub(crate) struct MemoryDisk {
    files: Mutex<HashMap<PathBuf, Arc<MemoryFile>>>,
    temporary: AtomicU64,
}

#[derive(Debug, Default)]
struct MemoryFile(Mutex<Vec<u8>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Storage for MemoryDisk {
    fn create_dir(&self, _dir: &Path) -> Result<bool> {
        Ok(true)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let names = lock(&self.files)
            .keys()
            .filter(|path| path.parent() == Some(dir))
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect();
        Ok(names)
    }

    fn create_temp(&self, dir: &Path) -> Result<(PathBuf, Arc<dyn StorageFile>)> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("{TEMP_PREFIX}{number}"));
        let file = Arc::<MemoryFile>::default();
        lock(&self.files).insert(path.clone(), Arc::clone(&file));
        Ok((path, file))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn StorageFile>> {
        match lock(&self.files).get(path) {
            Some(file) => Ok(Arc::clone(file) as Arc<dyn StorageFile>),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn open_rw(&self, path: &Path) -> Result<Arc<dyn StorageFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut files = lock(&self.files);
        let file = files.remove(from).ok_or(Error::from(ErrorKind::NotFound))?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let mut files = lock(&self.files);
        let file = files.get(from).cloned();
        files.insert(to.to_owned(), file.ok_or(Error::from(ErrorKind::NotFound))?);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        lock(&self.files).remove(path);
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> Result<()> {
        Ok(())
    }

    fn free_bytes(&self, _dir: &Path) -> Result<u64> {
        Ok(u64::MAX)
    }
}

impl StorageFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let bytes = lock(&self.0);
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let mut all = lock(&self.0);
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        if all.len() < end {
            all.resize(end, 0);
        }
        all[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        Ok(())
    }

    fn set_len(&self, len_bytes: u64) -> Result<()> {
        lock(&self.0).resize(len_bytes as usize, 0);
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        Ok(lock(&self.0).len() as u64)
    }
}
