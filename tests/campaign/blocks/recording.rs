//! A store under traffic on a disk that remembers, killed and started again now and then, so
//! that recoveries are in the recording too.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::syncfs;

use crate::history::Attempt;
use crate::process::Oncelog;
use crate::publisher::{Gate, PUBLISHERS, Shut, publish};
use crate::random::Random;

use super::crash::Op;
use super::device::{Mounted, make};
use super::disk::RecordedDisk;

/// Smaller than those of other engines, as a recording is short.
pub(crate) const OPTIONS: [&str; 6] = [
    "--segment-size",
    "64KiB",
    "--delta-events",
    "300",
    "--index-filter-memory",
    "4KiB",
];

const DISK_BYTES: u64 = 64 << 20;
const LIVES: u64 = 3;
/// A store that does not flush its log has its life ended all the same.
const LONGEST_LIFE: Duration = Duration::from_secs(2);

/// What was done to the disk, and what publishers know of it.
pub(crate) struct Recording {
    /// The disk before all of it.
    pub(crate) disk: Vec<u8>,
    pub(crate) ops: Vec<Op>,
    /// Their spans count operations.
    pub(crate) attempts: Vec<Attempt>,
    /// Segments of the log at its end.
    pub(crate) segments: usize,
    /// Runs of the index at its end.
    pub(crate) runs: usize,
}

/// Records in this empty directory; or says why that is not possible here.
pub(crate) fn record(dir: &Path, seed: u64) -> Result<Recording, String> {
    let (made, served, mounted_at) = (dir.join("made"), dir.join("disk"), dir.join("mounted"));
    let file = File::create(&made).expect("a file");
    file.set_len(DISK_BYTES).expect("a sparse file");
    make(&made)?;
    let bytes = std::fs::read(&made).expect("an image");
    std::fs::remove_file(&made).expect("it goes away");
    std::fs::create_dir(&served).expect("a directory");
    std::fs::create_dir(&mounted_at).expect("a directory");

    let disk = RecordedDisk::serve(bytes.clone(), &served)?;
    let mounted = Mounted::new(&disk.image(), &mounted_at)?;
    let data_dir = mounted_at.join("data");
    let attempts = live(&disk, &data_dir, seed);
    // Unmounting would flush what a crash does not.
    let ops = disk.take_ops();
    let count = |dir: &str, extension: &str| {
        let entries = std::fs::read_dir(data_dir.join(dir)).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .count()
    };
    let (segments, runs) = (count("log", "seg"), count("index", "run"));
    mounted.unmount();
    Ok(Recording {
        disk: bytes,
        ops,
        attempts,
        segments,
        runs,
    })
}

fn live(disk: &RecordedDisk, data_dir: &Path, seed: u64) -> Vec<Attempt> {
    let gate = Gate::with_clock(disk.clock());
    let history = Mutex::default();
    let mut random = Random::new(seed);
    let ended = Ended::default();
    std::thread::scope(|threads| {
        let _shut = Shut(&gate);
        let _end = End(&ended);
        if random.percent(60) {
            let random = Random::new(random.next());
            let (ended, mounted_at) = (&ended, data_dir.parent().expect("a file system"));
            threads.spawn(move || write_back(mounted_at, random, ended));
        }
        for number in 0..PUBLISHERS {
            let (gate, history) = (&gate, &history);
            threads.spawn(move || publish(number, seed, gate, history));
        }
        for life in 1..=LIVES {
            let server = Oncelog::start_with(data_dir, &OPTIONS);
            gate.open(server.address);
            wait_for_flushes(disk, random.between(30, 100));
            gate.bar();
            // The last of them may also end as it should: that is to be in it as well.
            if life == LIVES && random.percent(50) {
                assert_eq!(server.terminate().code, Some(0));
            } else {
                server.kill();
            }
            gate.close();
        }
    });
    history.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Tells a thread that goes on and on to end.
#[derive(Debug, Default)]
struct Ended(AtomicBool);

/// Does so also when the recording fails.
struct End<'e>(&'e Ended);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::SeqCst);
    }
}

/// Lets the kernel write back what nobody has synced, as it does now and then: by itself it would
/// wait for seconds. The disk is to lose parts of that too.
fn write_back(mounted_at: &Path, mut random: Random, ended: &Ended) {
    let file_system = File::open(mounted_at).expect("a directory");
    while !ended.0.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(random.between(1, 80)));
        syncfs(&file_system).expect("it is written back");
    }
}

fn wait_for_flushes(disk: &RecordedDisk, count: u64) {
    let (until, enough) = (Instant::now() + LONGEST_LIFE, disk.flushes() + count);
    while disk.flushes() < enough && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
}
