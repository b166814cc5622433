//! Whether the simulated disk loses what it may lose and keeps what it must.

mod bytes;
mod failed_syncs;
mod faults;
mod names;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::{Options, SimulatedDisk, Survival};
use crate::log::storage::{Storage, StorageFile};

const SEEDS: u64 = 200;
const BLOCK: usize = 512;
const A: &str = "/log/a.seg";

/// A disk with a durable, empty directory.
fn disk() -> SimulatedDisk {
    disk_with(Options::default())
}

fn disk_with(options: Options) -> SimulatedDisk {
    let disk = SimulatedDisk::with_options(options);
    disk.create_dir(Path::new("/log")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

/// A disk with one durable file of these bytes, and a handle on it.
fn disk_and_file(bytes: &[u8]) -> (SimulatedDisk, Arc<dyn StorageFile>) {
    let disk = disk();
    disk.write_file_durable(A, bytes);
    let file = disk.open_rw(Path::new(A)).unwrap();
    (disk, file)
}

/// All that a power cut may leave, as one looks at it.
fn outcomes<T: Ord>(disk: &SimulatedDisk, look: impl Fn(&SimulatedDisk) -> T) -> BTreeSet<T> {
    let cuts = (0..SEEDS).map(Survival::Random);
    let cuts = cuts.chain([Survival::Nothing, Survival::Everything]);
    cuts.map(|survival| look(&disk.crash(survival))).collect()
}

fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    items.into_iter().collect()
}

fn bytes_of_a(disk: &SimulatedDisk) -> Vec<u8> {
    disk.read_file(A)
}
