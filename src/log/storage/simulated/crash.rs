//! What is left after a crash.

use std::collections::BTreeMap;

use super::directory::{DirId, Directory, FileId, Node};
use super::inode::Inode;
use super::rng::Rng;
use super::state::{ROOT, State};

/// How much of what was not synced outlives a crash.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Survival {
    /// Power cut: only what is durable.
    Nothing,
    /// Power cut, but all had been written by then.
    Everything,
    /// Power cut: any blocks, lengths and names that file systems may have written;
    /// the seed chooses.
    Random(u64),
    /// Only the process died (kill -9). The page cache lives: all can still be read,
    /// but nothing became durable by it, and a power cut may still take it.
    PageCache,
}

impl State {
    /// A new disk with what survives.
    pub(super) fn surviving(&self, survival: Survival) -> State {
        if survival == Survival::PageCache {
            return self.copy();
        }
        let mut files = BTreeMap::new();
        let mut dirs = BTreeMap::new();
        let mut to_visit = vec![ROOT];
        while let Some(dir) = to_visit.pop() {
            let names = self.surviving_names(dir, survival);
            for node in names.values() {
                match node {
                    Node::Dir(below) => to_visit.push(*below),
                    Node::File(file) => {
                        files.insert(*file, self.surviving_file(*file, survival));
                    }
                }
            }
            dirs.insert(dir, names);
        }
        let dirs = dirs
            .into_iter()
            .map(|(dir, names)| (dir, Directory::settled(names)));
        let mut state = self.successor(files, dirs.collect());
        state.name_files();
        state
    }

    /// The same disk again, with what is not durable still pending, and nothing open.
    pub(super) fn copy(&self) -> State {
        let mut files = self.files.clone();
        for inode in files.values_mut() {
            inode.open_handles = 0;
        }
        self.successor(files, self.dirs.clone())
    }

    fn surviving_names(&self, dir: DirId, survival: Survival) -> BTreeMap<String, Node> {
        let directory = &self.dirs[&dir];
        match survival {
            Survival::Nothing => directory.durable().clone(),
            Survival::Everything | Survival::PageCache => directory.live().clone(),
            Survival::Random(seed) => directory.after_power_cut(&mut Rng::stream(seed, dir.0)),
        }
    }

    fn surviving_file(&self, file: FileId, survival: Survival) -> Inode {
        let inode = self.inode(file);
        let bytes = match survival {
            Survival::Nothing => inode.durable.clone(),
            Survival::Everything | Survival::PageCache => inode.live.clone(),
            Survival::Random(seed) => inode.after_power_cut(&mut Rng::stream(seed, file.0)),
        };
        let mut survivor = Inode::settled(bytes);
        survivor.unreadable.clone_from(&inode.unreadable);
        survivor
    }

    /// Tells each file the name that it has now.
    fn name_files(&mut self) {
        for (path, node) in self.walk() {
            if let Node::File(file) = node {
                let inode = self.inode_mut(file);
                inode.path = path;
                inode.linked = true;
            }
        }
    }
}
