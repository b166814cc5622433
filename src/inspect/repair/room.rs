//! How much room a repair takes, and how much there is.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::OldIndex;
use crate::inspect::StorePlace;
use crate::inspect::verdicts::INDEX_BYTES_EACH;
use crate::log::LogError;
use crate::log::inventory::RESERVE_NAME;
use crate::log::mending::Plan;
use crate::log::storage::{FileSystem, Storage as _};

/// What an event takes in an index at least, about. Measured: 30 where each id comes once, and less
/// for one that comes again.
const INDEX_BYTES_EACH_MIN: u64 = 20;

/// What is taken on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// A directory on that disk.
    pub dir: PathBuf,
    /// So much is taken, at least.
    pub needed_bytes: u64,
    /// So much may be used, with what the log keeps there for such a day.
    pub free_bytes: u64,
}

impl Room {
    /// Whether there is as much as is taken.
    pub fn suffices(&self) -> bool {
        self.free_bytes >= self.needed_bytes
    }
}

/// What is taken where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rooms {
    /// For new segments, and for the new index beside the old one: on the log's disk, and on that
    /// of the data directory where it is another one.
    pub of_store: Vec<Room>,
    /// For what is folded to verify it all, and is thrown away.
    pub of_verifying: Room,
}

impl Rooms {
    /// Where there is too little for new segments and index.
    pub fn too_little(&self) -> Option<&Room> {
        self.of_store.iter().find(|room| !room.suffices())
    }

    /// What is taken on the log's disk.
    pub(super) fn on_log_disk(&self) -> u64 {
        self.of_store.first().map_or(0, |room| room.needed_bytes)
    }

    /// For what is planned; `scratch` is where it is verified.
    pub(super) fn of(
        place: &StorePlace,
        plan: &Plan,
        old_index: &OldIndex,
        scratch: &Path,
    ) -> Result<Rooms, LogError> {
        let (log_dir, data_dir) = (place.log_dir(), place.data_dir());
        let mut of_log = Room {
            dir: data_dir.to_owned(),
            needed_bytes: plan.new_bytes(),
            free_bytes: place.free_bytes().map_err(unmeasured(log_dir))? + given_up_bytes(place)?,
        };
        let index_bytes = index_bytes(place, plan, old_index);
        let mut of_store = Vec::new();
        if is_same_disk(log_dir, data_dir).unwrap_or(true) {
            of_log.needed_bytes += index_bytes;
        } else {
            // No link leads from one disk to another.
            let copies = plan.set_aside.iter();
            let copies = copies.map(|id| file_bytes(&log_dir.join(id.file_name())));
            of_log.dir = log_dir.to_owned();
            of_store.push(Room {
                dir: data_dir.to_owned(),
                needed_bytes: copies.sum::<u64>() + index_bytes,
                free_bytes: free_bytes(data_dir)?,
            });
        }
        of_store.insert(0, of_log);
        let events = plan.next_seq.previous().get();
        Ok(Rooms {
            of_store,
            of_verifying: Room {
                dir: scratch.parent().unwrap_or(scratch).to_owned(),
                needed_bytes: events.saturating_mul(INDEX_BYTES_EACH),
                free_bytes: free_bytes(scratch)?,
            },
        })
    }
}

/// What the log's directory has that is given up where it must be: files that never became
/// segments, and the reserve.
fn given_up_bytes(place: &StorePlace) -> Result<u64, LogError> {
    let names = place.inventory()?.left_overs;
    let names = names.iter().map(String::as_str).chain([RESERVE_NAME]);
    let bytes = names.map(|name| allocated_bytes(&place.log_dir().join(name)));
    Ok(bytes.sum())
}

/// What the new index takes at least. The old one, if it is good, is about as large; its WAL apart,
/// which may be any length.
fn index_bytes(place: &StorePlace, plan: &Plan, old_index: &OldIndex) -> u64 {
    let old_bytes = match old_index {
        OldIndex::Flushed(_) => files_bytes(place.index_dir()),
        OldIndex::None | OldIndex::Unusable(_) => 0,
    };
    let events = plan.next_seq.previous().get();
    let lost: u64 = plan.holes().map(|(first, next)| next.since(first)).sum();
    let left = events.saturating_sub(lost);
    old_bytes
        .min(left.saturating_mul(INDEX_BYTES_EACH))
        .max(left.saturating_mul(INDEX_BYTES_EACH_MIN))
}

fn files_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_wal = |path: &Path| {
        path.extension()
            .is_some_and(|ending| ending == "sqlite3-wal")
    };
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| !is_wal(path))
        .map(|path| file_bytes(&path))
        .sum()
}

fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

fn allocated_bytes(path: &Path) -> u64 {
    /// In which the system counts them.
    const UNIT_BYTES: u64 = 512;
    fs::metadata(path).map_or(0, |found| found.blocks() * UNIT_BYTES)
}

fn free_bytes(dir: &Path) -> Result<u64, LogError> {
    FileSystem.free_bytes(dir).map_err(unmeasured(dir))
}

fn is_same_disk(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::metadata(one)?.dev() == fs::metadata(other)?.dev())
}

fn unmeasured(dir: &Path) -> impl FnOnce(io::Error) -> LogError {
    move |source| LogError::Io {
        action: "measure",
        path: dir.to_owned(),
        source,
    }
}
