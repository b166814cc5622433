//! Names and directories of a simulated disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SimulatedDisk;
use super::directory::{DirId, Directory, Node};
use super::faults::{OpKind, Operation};
use super::file::SimulatedFile;
use crate::log::storage::{Storage, StorageFile, TEMP_PREFIX};

impl SimulatedDisk {
    fn open_file(&self, path: &Path, writable: bool) -> io::Result<Arc<dyn StorageFile>> {
        let mut state = self.lock();
        state.check_alive()?;
        let file = state.file(path)?;
        Ok(Arc::new(SimulatedFile::open(
            self, &mut state, file, writable,
        )))
    }
}

impl Storage for SimulatedDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<bool> {
        self.lock().perform(
            Operation::new(OpKind::CreateDir, dir.to_path_buf()),
            |state| {
                if state.dir(dir).is_ok() {
                    return Ok(false);
                }
                let (parent, name) = state.place(dir)?;
                if state.names(parent).contains_key(&name) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                let made = DirId(state.new_id());
                state.dirs.insert(made, Directory::default());
                state.dir_mut(parent).add(name, Node::Dir(made));
                Ok(true)
            },
            |_, _| {},
        )
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        state.check_alive()?;
        let names = state.names(state.dir(dir)?).iter();
        let files = names.filter(|(_, node)| matches!(node, Node::File(_)));
        Ok(files.map(|(name, _)| name.clone()).collect())
    }

    fn create_temp(&self, dir: &Path) -> io::Result<(PathBuf, Arc<dyn StorageFile>)> {
        let mut state = self.lock();
        let mut path = dir.join(format!("{TEMP_PREFIX}{}", state.next_temp));
        // A left-over of an earlier life may have the name.
        while state.file(&path).is_ok() {
            state.next_temp += 1;
            path = dir.join(format!("{TEMP_PREFIX}{}", state.next_temp));
        }
        let file = state.perform(
            Operation::new(OpKind::CreateTemp, path.clone()),
            |state| {
                state.next_temp += 1;
                state.add_file(&path)
            },
            |_, _| {},
        )?;
        let file = SimulatedFile::open(self, &mut state, file, true);
        Ok((path, Arc::new(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.open_file(path, false)
    }

    fn open_rw(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.open_file(path, true)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let operation = Operation {
            to: Some(to.to_path_buf()),
            ..Operation::new(OpKind::Rename, from.to_path_buf())
        };
        self.lock().perform(
            operation,
            |state| {
                let file = state.file(from)?;
                let (dir, old_name) = state.place(from)?;
                let (new_dir, new_name) = state.place(to)?;
                if dir != new_dir {
                    // The log never does it, and what lasts of it would need more rules.
                    return Err(io::ErrorKind::CrossesDevices.into());
                }
                match state.names(dir).get(&new_name).copied() {
                    Some(Node::Dir(_)) => return Err(io::ErrorKind::IsADirectory.into()),
                    Some(Node::File(same)) if same == file => return Ok(()),
                    Some(Node::File(_)) | None => {}
                }
                let replaced = state.names(dir).get(&new_name).copied();
                state
                    .dir_mut(dir)
                    .rename(old_name, new_name, Node::File(file));
                if let Some(Node::File(replaced)) = replaced {
                    state.unlinked(replaced);
                }
                state.inode_mut(file).path = to.to_path_buf();
                Ok(())
            },
            |_, _| {},
        )
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let operation = Operation {
            to: Some(to.to_path_buf()),
            ..Operation::new(OpKind::Link, from.to_path_buf())
        };
        self.lock().perform(
            operation,
            |state| {
                let file = state.file(from)?;
                let (dir, name) = state.place(to)?;
                if state.names(dir).contains_key(&name) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                state.dir_mut(dir).add(name, Node::File(file));
                Ok(())
            },
            |_, _| {},
        )
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.lock().perform(
            Operation::new(OpKind::Remove, path.to_path_buf()),
            |state| {
                let file = state.file(path)?;
                let (dir, name) = state.place(path)?;
                state.dir_mut(dir).remove(name);
                state.unlinked(file);
                Ok(())
            },
            |_, _| {},
        )
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.lock().perform(
            Operation::new(OpKind::SyncDir, dir.to_path_buf()),
            |state| {
                let dir = state.dir(dir)?;
                if !state.sabotage.dir_syncs {
                    state.dir_mut(dir).sync();
                }
                Ok(())
            },
            |_, _| {},
        )
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let state = self.lock();
        state.check_alive()?;
        state.dir(dir)?;
        Ok(state.free_bytes())
    }
}
