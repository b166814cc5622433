//! A disk in memory that knows what is live and what is durable, for tests.
//!
//! The rules, each at least as harsh as Linux file systems are:
//! - Bytes: a write changes blocks (512 bytes by default), each of which may reach the
//!   disk or not, whatever the others do. After a power cut a block is its durable
//!   version or any one written since. A good `sync_data` makes the bytes and the length
//!   of the file durable, not its name.
//! - Lengths are journalled: a first part of the changes lasts. Where the length lasts
//!   and the block does not, zeros are read. Bytes beyond the lasting length are gone.
//! - A failed write may have changed any of its blocks. A failed `sync_data` gives the
//!   file's unsynced blocks up: they can still be read, they may be on the disk or not,
//!   and no later sync changes that, unless they are written again.
//! - Names: changes that share a name or a file last in order, others independently; so
//!   a rename is atomic, and what it replaced comes back if it does not last. A directory
//!   that does not last takes its files along, but for those that have a second name elsewhere.
//!   A failed `sync_dir` leaves all pending.
//! - A failed operation of any other kind has changed nothing.
//!
//! After a crash the old disk and all its files are dead: they fail whatever is asked.

mod crash;
mod directory;
mod disk;
mod faults;
mod file;
mod inode;
mod plant;
mod rng;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use crash::Survival;
pub(crate) use faults::{FailKind, OpKind, Operation};
pub(crate) use rng::Rng;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use state::State;

/// How a simulated disk is made.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Options {
    /// What reaches the disk at once or not at all, in bytes.
    pub(crate) block_size_bytes: usize,
    /// The sum of the lengths of all files that have a name or are open, in bytes.
    pub(crate) capacity_bytes: Option<u64>,
    /// Chooses what failed and torn writes leave.
    pub(crate) seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            block_size_bytes: 512,
            capacity_bytes: None,
            seed: 0,
        }
    }
}

/// A disk in memory; clones are handles on the same disk.
#[derive(Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

impl SimulatedDisk {
    /// An empty disk with the root directory and no limit.
    pub(crate) fn new() -> SimulatedDisk {
        SimulatedDisk::with_options(Options::default())
    }

    /// An empty disk with the root directory.
    pub(crate) fn with_options(options: Options) -> SimulatedDisk {
        assert!(options.block_size_bytes > 0, "a block has bytes");
        SimulatedDisk::of(State::new(options))
    }

    fn of(state: State) -> SimulatedDisk {
        SimulatedDisk(Arc::new(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test's panic elsewhere must not hide what the disk knows.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the machine (or the process, with [`Survival::PageCache`]) and gives the disk
    /// that the next start finds. May be asked again for other outcomes of the same crash.
    pub(crate) fn crash(&self, survival: Survival) -> SimulatedDisk {
        let mut state = self.lock();
        state.dead = true;
        SimulatedDisk::of(state.surviving(survival))
    }

    /// An independent copy of the whole disk, pending changes included, with nothing
    /// planned, nothing counted and nothing open.
    pub(crate) fn snapshot(&self) -> SimulatedDisk {
        SimulatedDisk::of(self.lock().copy())
    }

    /// Whether the machine of this handle has crashed.
    pub(crate) fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Operation `number` (1 is the first) and all that follows, reads included, fails
    /// as the machine crashes; then ask [`crash`](Self::crash) for what is left.
    pub(crate) fn crash_at(&self, number: u64) {
        self.lock().faults.plan_crash(number, false);
    }

    /// Like [`crash_at`](Self::crash_at), but if that operation is a write, a first part
    /// of its blocks, chosen by the seed, has been written (not synced) by then.
    pub(crate) fn crash_halfway_at(&self, number: u64) {
        self.lock().faults.plan_crash(number, true);
    }

    /// Operation `number` (1 is the first) fails, once.
    pub(crate) fn fail_at(&self, number: u64, kind: FailKind) {
        self.lock().faults.plan_failure(number, kind);
    }

    /// The next `times` operations of which `applies` is true fail (`u64::MAX`: all).
    /// `applies` is called under the disk's lock and must not use the disk.
    pub(crate) fn fail_when(
        &self,
        applies: impl Fn(&Operation) -> bool + Send + 'static,
        times: u64,
        kind: FailKind,
    ) {
        self.lock().faults.plan_rule(Box::new(applies), times, kind);
    }

    /// Forgets all that was planned to go wrong.
    pub(crate) fn heal(&self) {
        self.lock().faults = faults::Faults::default();
    }

    /// Makes the disk larger or smaller; what is there stays.
    pub(crate) fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.lock().options.capacity_bytes = capacity_bytes;
    }

    /// Sabotage: `sync_data` says `Ok` and does nothing. Kept across crashes.
    pub(crate) fn ignore_file_syncs(&self, ignore: bool) {
        self.lock().sabotage.file_syncs = ignore;
    }

    /// Sabotage: `sync_dir` says `Ok` and does nothing. Kept across crashes.
    pub(crate) fn ignore_dir_syncs(&self, ignore: bool) {
        self.lock().sabotage.dir_syncs = ignore;
    }

    /// How many operations that change or sync something were asked for, failed ones and
    /// the one that crashed included, those asked of a dead disk not.
    pub(crate) fn operations(&self) -> u64 {
        self.lock().operations.len() as u64
    }

    /// Those operations, in order.
    pub(crate) fn operation_list(&self) -> Vec<Operation> {
        self.lock().operations.clone()
    }

    /// Those operations as text, one a line, for a failing test's message.
    pub(crate) fn operation_log(&self) -> String {
        let state = self.lock();
        let lines = state
            .operations
            .iter()
            .map(|operation| format!("{operation}\n"));
        lines.collect()
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the lock, which the caller may hold.
        f.debug_struct("SimulatedDisk").finish_non_exhaustive()
    }
}
