//! A test's own hands on the disk: looking, planting, damaging. Nothing here counts as
//! an operation, and a dead disk can still be looked at.
//!
//! Everything here panics on a path that is not there: that is a mistake in the test.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::SimulatedDisk;
use super::directory::{DirId, FileId, Node};
use super::inode::Inode;
use super::state::{ROOT, State};

impl SimulatedDisk {
    /// A file's bytes as processes see them.
    #[track_caller]
    pub(crate) fn read_file(&self, path: impl AsRef<Path>) -> Vec<u8> {
        let (state, file) = self.find(path.as_ref());
        state.inode(file).live.clone()
    }

    /// A file's bytes as a power cut leaves them at least.
    #[track_caller]
    pub(crate) fn read_file_durable(&self, path: impl AsRef<Path>) -> Vec<u8> {
        let (state, file) = self.find(path.as_ref());
        state.inode(file).durable.clone()
    }

    /// Plants a file, or other bytes in a file; these, all names beside it and the names
    /// of its directories are on the disk then.
    #[track_caller]
    pub(crate) fn write_file_durable(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = path.as_ref();
        let mut state = self.lock();
        let file = match state.file(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => state
                .add_file(path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let inode = state.inode_mut(file);
        inode.live = bytes.to_vec();
        inode.settle();
        for dir in path.ancestors().skip(1) {
            if let Ok(dir) = state.dir(dir) {
                state.dir_mut(dir).sync();
            }
        }
    }

    /// Turns over one bit (0 is the lowest) of a file; the file as it is then is on the disk.
    #[track_caller]
    pub(crate) fn flip_bit(&self, path: impl AsRef<Path>, byte: usize, bit: u8) {
        let (mut state, file) = self.find(path.as_ref());
        let inode = state.inode_mut(file);
        inode.live[byte] ^= 1 << bit;
        inode.settle();
    }

    /// Cuts a file, or lengthens it with zeros; as it is then it is on the disk.
    #[track_caller]
    pub(crate) fn truncate_durable(&self, path: impl AsRef<Path>, len_bytes: usize) {
        let (mut state, file) = self.find(path.as_ref());
        let inode = state.inode_mut(file);
        inode.live.resize(len_bytes, 0);
        inode.settle();
    }

    /// Gives a file bad sectors: every read that touches these bytes is EIO.
    #[track_caller]
    pub(crate) fn make_unreadable(&self, path: impl AsRef<Path>, bytes: Range<u64>) {
        let (mut state, file) = self.find(path.as_ref());
        state.inode_mut(file).unreadable.push(bytes);
    }

    /// Takes a file's bad sectors back.
    #[track_caller]
    pub(crate) fn make_readable(&self, path: impl AsRef<Path>) {
        let (mut state, file) = self.find(path.as_ref());
        state.inode_mut(file).unreadable.clear();
    }

    /// Every name that processes see, sorted: `/log/` for a directory, `/log/a.seg 512`
    /// for a file of 512 bytes.
    pub(crate) fn tree(&self) -> Vec<String> {
        let state = self.lock();
        let mut lines: Vec<String> = state
            .walk()
            .into_iter()
            .map(|(path, node)| match node {
                Node::Dir(_) => format!("{}/", path.display()),
                Node::File(file) => format!("{} {}", path.display(), state.inode(file).live.len()),
            })
            .collect();
        lines.sort();
        lines
    }

    #[track_caller]
    fn find(&self, path: &Path) -> (std::sync::MutexGuard<'_, State>, FileId) {
        let state = self.lock();
        match state.file(path) {
            Ok(file) => (state, file),
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
}

impl State {
    /// A new, empty file under this name, which must be free.
    pub(super) fn add_file(&mut self, path: &Path) -> io::Result<FileId> {
        let (dir, name) = self.place(path)?;
        let file = FileId(self.new_id());
        let mut inode = Inode::default();
        inode.path = path.to_path_buf();
        inode.linked = true;
        self.files.insert(file, inode);
        self.dir_mut(dir).add(name, Node::File(file));
        Ok(file)
    }

    /// A live name of this file is gone; it may have others.
    pub(super) fn unlinked(&mut self, file: FileId) {
        let has_name = |(_, node): &(PathBuf, Node)| *node == Node::File(file);
        let linked = self.walk().iter().any(has_name);
        self.inode_mut(file).linked = linked;
    }

    /// All live names but the root's.
    pub(super) fn walk(&self) -> Vec<(PathBuf, Node)> {
        let mut found = Vec::new();
        let mut to_visit: Vec<(PathBuf, DirId)> = vec![(PathBuf::from("/"), ROOT)];
        while let Some((dir_path, dir)) = to_visit.pop() {
            for (name, node) in self.names(dir) {
                let path = dir_path.join(name);
                if let Node::Dir(below) = node {
                    to_visit.push((path.clone(), *below));
                }
                found.push((path, *node));
            }
        }
        found
    }
}
