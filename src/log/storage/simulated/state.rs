//! Everything a simulated disk knows, behind its one lock.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use super::Options;
use super::directory::{DirId, Directory, FileId, Names, Node};
use super::faults::{Fate, Faults, OpKind, Operation, SimulatedError};
use super::inode::Inode;
use super::rng::Rng;

/// The directory that is always there.
pub(super) const ROOT: DirId = DirId(0);

/// Syncs that lie, for proving that tests notice.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Sabotage {
    pub(super) file_syncs: bool,
    pub(super) dir_syncs: bool,
}

/// What cut an operation short.
pub(super) enum Interruption {
    /// An error: any part of it may have been done.
    Failed,
    /// The end of the process: a first part of it has been done.
    Crashed,
}

/// The disk's contents and settings.
pub(super) struct State {
    pub(super) files: BTreeMap<FileId, Inode>,
    pub(super) dirs: BTreeMap<DirId, Directory>,
    pub(super) options: Options,
    pub(super) sabotage: Sabotage,
    pub(super) faults: Faults,
    pub(super) operations: Vec<Operation>,
    pub(super) dead: bool,
    pub(super) next_id: u64,
    pub(super) next_temp: u64,
}

impl State {
    pub(super) fn new(options: Options) -> State {
        State {
            files: BTreeMap::new(),
            dirs: BTreeMap::from([(ROOT, Directory::default())]),
            options,
            sabotage: Sabotage::default(),
            faults: Faults::default(),
            operations: Vec::new(),
            dead: false,
            next_id: 1,
            next_temp: 0,
        }
    }

    /// A disk of the same kind with these contents, nothing planned and nothing done.
    pub(super) fn successor(
        &self,
        files: BTreeMap<FileId, Inode>,
        dirs: BTreeMap<DirId, Directory>,
    ) -> State {
        State {
            files,
            dirs,
            options: self.options,
            sabotage: self.sabotage,
            next_id: self.next_id,
            next_temp: self.next_temp,
            ..State::new(self.options)
        }
    }

    pub(super) fn check_alive(&self) -> io::Result<()> {
        if self.dead {
            return Err(SimulatedError::Dead.into());
        }
        Ok(())
    }

    /// Counts an operation, performs it or lets it fail as planned, and records it.
    /// `partly` does what is done by an operation that is cut short.
    pub(super) fn perform<T>(
        &mut self,
        mut operation: Operation,
        wholly: impl FnOnce(&mut State) -> io::Result<T>,
        partly: impl FnOnce(&mut State, Interruption),
    ) -> io::Result<T> {
        self.check_alive()?;
        operation.number = self.operations.len() as u64 + 1;
        let result = match self.faults.fate_of(&operation) {
            Fate::Perform => wholly(self),
            Fate::Fail(kind) => {
                partly(self, Interruption::Failed);
                Err(kind.into())
            }
            Fate::Crash { halfway } => {
                if halfway && operation.kind == OpKind::WriteAt {
                    partly(self, Interruption::Crashed);
                }
                self.dead = true;
                Err(SimulatedError::Crashed.into())
            }
        };
        operation.failure = result.as_ref().err().map(ToString::to_string);
        self.operations.push(operation);
        result
    }

    /// Chance for the operation that is being performed.
    pub(super) fn chance(&self) -> Rng {
        Rng::stream(self.options.seed, self.operations.len() as u64)
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn inode(&self, file: FileId) -> &Inode {
        self.files
            .get(&file)
            .expect("files are never dropped while the disk lives")
    }

    pub(super) fn inode_mut(&mut self, file: FileId) -> &mut Inode {
        self.files
            .get_mut(&file)
            .expect("files are never dropped while the disk lives")
    }

    pub(super) fn names(&self, dir: DirId) -> &Names {
        self.dirs
            .get(&dir)
            .expect("directories are never dropped")
            .live()
    }

    pub(super) fn dir_mut(&mut self, dir: DirId) -> &mut Directory {
        self.dirs
            .get_mut(&dir)
            .expect("directories are never dropped")
    }

    /// The directory of this path.
    pub(super) fn dir(&self, path: &Path) -> io::Result<DirId> {
        let mut dir = ROOT;
        for name in components(path)? {
            dir = match self.names(dir).get(&name) {
                Some(Node::Dir(below)) => *below,
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            };
        }
        Ok(dir)
    }

    /// The directory that a path's last name stands in, and that name.
    pub(super) fn place(&self, path: &Path) -> io::Result<(DirId, String)> {
        let mut names = components(path)?;
        let name = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let dir = self.dir(&names.iter().collect::<PathBuf>())?;
        Ok((dir, name))
    }

    /// The file of this path.
    pub(super) fn file(&self, path: &Path) -> io::Result<FileId> {
        let (dir, name) = self.place(path)?;
        match self.names(dir).get(&name) {
            Some(Node::File(file)) => Ok(*file),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Bytes that files may still grow by; without a capacity, more than any test uses.
    pub(super) fn free_bytes(&self) -> u64 {
        const PLENTY_BYTES: u64 = 1 << 50;
        let Some(capacity_bytes) = self.options.capacity_bytes else {
            return PLENTY_BYTES;
        };
        let held = self
            .files
            .values()
            .filter(|file| file.linked || file.open_handles > 0);
        let held_bytes: u64 = held.map(|file| file.live.len() as u64).sum();
        capacity_bytes.saturating_sub(held_bytes)
    }

    /// Writes those pieces of `bytes`, each within one block, that are wanted and fit.
    pub(super) fn write_pieces(
        &mut self,
        file: FileId,
        bytes: &[u8],
        offset: usize,
        mut wanted: impl FnMut(usize) -> bool,
    ) {
        let block_size_bytes = self.options.block_size_bytes;
        let longest = self.longest(file);
        let inode = self.inode_mut(file);
        for (number, piece) in pieces(offset, bytes.len(), block_size_bytes).enumerate() {
            if piece.end as u64 <= longest && wanted(number) {
                let part = &bytes[piece.start - offset..piece.end - offset];
                inode.write_piece(part, piece.start, block_size_bytes);
            }
        }
    }

    /// The length in bytes to which this file can grow.
    pub(super) fn longest(&self, file: FileId) -> u64 {
        self.free_bytes() + self.inode(file).live.len() as u64
    }
}

/// The ranges of a file that a write touches, block by block.
pub(super) fn pieces(
    offset: usize,
    len: usize,
    block_size_bytes: usize,
) -> impl Iterator<Item = Range<usize>> {
    let end = offset + len;
    let mut start = offset;
    std::iter::from_fn(move || {
        let piece_end = end.min(start - start % block_size_bytes + block_size_bytes);
        let piece = start..piece_end;
        start = piece_end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The names on a path from the root; a relative path begins there too.
fn components(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                let name = name.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
                names.push(name.to_owned());
            }
            Component::ParentDir => drop(names.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(names)
}
