//! Why there is no room for more, said so that an operator can do something about it.

use std::io;
use std::path::Path;

use super::storage::{Storage, is_disk_full};

/// Why there is no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// Whether it is because the disk, or a quota on it, is full.
    pub disk_full: bool,
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
        let disk_full = is_disk_full(error);
        let shown = dir.display();
        let why = match storage.free_bytes(dir) {
            Ok(free) if disk_full => {
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
        NoRoom { disk_full, why }
    }

    /// Less is free than must stay free, though room that was made may be left.
    pub(super) fn low(free_bytes: u64, dir: &Path, floor_bytes: u64) -> NoRoom {
        let dir = dir.display();
        NoRoom {
            disk_full: true,
            why: format!(
                "the disk of {dir} has {free_bytes} bytes free, and {floor_bytes} must stay free"
            ),
        }
    }

    /// Nothing more is taken.
    pub(super) fn stopping() -> NoRoom {
        NoRoom {
            disk_full: false,
            why: "the store is stopping".into(),
        }
    }
}
