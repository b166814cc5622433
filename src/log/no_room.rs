//! Why there is no room for more, said so that an operator can do something about it.

use std::io;
use std::path::Path;

use super::storage::{Storage, is_disk_full};

/// What stands in the way of making room.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The disk, or a quota on it, is full.
    DiskFull,
    /// The disk fails.
    DiskFails,
    /// Nothing more is taken.
    Stopping,
}

/// Why there is no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// Which kind of reason it is.
    pub lack: Lack,
    /// One sentence.
    pub why: String,
}

impl NoRoom {
    /// Room of `bytes` could not be made in this directory, on whose disk `floor_bytes` must
    /// stay free.
    pub(super) fn of(
        error: &io::Error,
        bytes: u64,
        storage: &dyn Storage,
        dir: &Path,
        floor_bytes: u64,
    ) -> NoRoom {
        let lack = if is_disk_full(error) {
            Lack::DiskFull
        } else {
            Lack::DiskFails
        };
        let shown = dir.display();
        let why = match storage.free_bytes(dir) {
            Ok(free) if lack == Lack::DiskFull => {
                let floor = match floor_bytes {
                    0 => String::new(),
                    floor => format!(" and {floor} must stay free"),
                };
                format!(
                    "the disk of {shown} has {free} bytes free, and {bytes} are needed{floor}: {error}"
                )
            }
            _ => format!("cannot make room of {bytes} bytes in {shown}: {error}"),
        };
        NoRoom { lack, why }
    }

    /// Less is free than must stay free, though room that was made may be left.
    pub(super) fn low(free_bytes: u64, dir: &Path, floor_bytes: u64) -> NoRoom {
        let dir = dir.display();
        NoRoom {
            lack: Lack::DiskFull,
            why: format!(
                "the disk of {dir} has {free_bytes} bytes free, and {floor_bytes} must stay free"
            ),
        }
    }

    /// Nothing more is taken.
    pub(super) fn stopping() -> NoRoom {
        NoRoom {
            lack: Lack::Stopping,
            why: "the store is stopping".into(),
        }
    }
}
