//! An open file of a simulated disk.

use std::fmt;
use std::io;

use rustix::io::Errno;

use super::SimulatedDisk;
use super::directory::FileId;
use super::faults::{FailKind, OpKind, Operation};
use super::state::{Interruption, State, pieces};
use crate::log::storage::StorageFile;

/// Longer files are refused, so that a damaged length cannot eat the machine's memory.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// A handle; it reads and writes the file whatever name that has by now.
pub(super) struct SimulatedFile {
    disk: SimulatedDisk,
    file: FileId,
    writable: bool,
}

impl SimulatedFile {
    pub(super) fn open(
        disk: &SimulatedDisk,
        state: &mut State,
        file: FileId,
        writable: bool,
    ) -> SimulatedFile {
        state.inode_mut(file).open_handles += 1;
        SimulatedFile {
            disk: disk.clone(),
            file,
            writable,
        }
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(Errno::BADF.into())
    }

    fn operation(&self, state: &State, kind: OpKind, end: u64) -> Operation {
        let inode = state.inode(self.file);
        Operation {
            grows_bytes: end.saturating_sub(inode.live.len() as u64),
            ..Operation::new(kind, inode.path.clone())
        }
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        self.disk.lock().inode_mut(self.file).open_handles -= 1;
    }
}

impl fmt::Debug for SimulatedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the lock, which the caller may hold.
        f.debug_tuple("SimulatedFile").field(&self.file).finish()
    }
}

impl StorageFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.lock();
        state.check_alive()?;
        if i64::try_from(offset).is_err() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let inode = state.inode(self.file);
        let len = inode.live.len() as u64;
        let start = offset.min(len);
        let end = offset
            .saturating_add(buffer.len() as u64)
            .min(len)
            .max(start);
        if inode
            .unreadable
            .iter()
            .any(|bad| bad.start < end && start < bad.end)
        {
            return Err(FailKind::Io.into());
        }
        let found = &inode.live[start as usize..end as usize];
        buffer[..found.len()].copy_from_slice(found);
        Ok(found.len())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        self.check_writable()?;
        let end = match offset.checked_add(bytes.len() as u64) {
            Some(end) if end <= MAX_FILE_BYTES => end,
            _ => return Err(io::ErrorKind::FileTooLarge.into()),
        };
        let start = offset as usize;
        // Writing nothing far beyond the end does not lengthen a file.
        let grown_to = if bytes.is_empty() { 0 } else { end };
        let operation = Operation {
            offset,
            len: bytes.len() as u64,
            ..self.operation(&state, OpKind::WriteAt, grown_to)
        };
        state.perform(
            operation,
            |state| {
                let fits = grown_to <= state.longest(self.file);
                state.write_pieces(self.file, bytes, start, |_| true);
                if fits {
                    Ok(())
                } else {
                    Err(FailKind::NoSpace.into())
                }
            },
            |state, interruption| {
                let mut chance = state.chance();
                let count = pieces(start, bytes.len(), state.options.block_size_bytes).count();
                let first_ones = chance.below(count as u64 + 1) as usize;
                state.write_pieces(self.file, bytes, start, |piece| match interruption {
                    Interruption::Failed => chance.chance(4),
                    Interruption::Crashed => piece < first_ones,
                });
            },
        )
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let operation = self.operation(&state, OpKind::SyncData, 0);
        state.perform(
            operation,
            |state| {
                if !state.sabotage.file_syncs {
                    state.inode_mut(self.file).sync();
                }
                Ok(())
            },
            |state, _| state.inode_mut(self.file).fail_sync(),
        )
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        self.check_writable()?;
        if len_bytes > MAX_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let operation = Operation {
            len: len_bytes,
            ..self.operation(&state, OpKind::SetLen, len_bytes)
        };
        state.perform(
            operation,
            |state| {
                if len_bytes > state.longest(self.file) {
                    return Err(FailKind::NoSpace.into());
                }
                state.inode_mut(self.file).set_len(len_bytes as usize);
                Ok(())
            },
            |_, _| {},
        )
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        state.check_alive()?;
        Ok(state.inode(self.file).live.len() as u64)
    }
}
