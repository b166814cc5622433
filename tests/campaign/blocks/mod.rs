//! Block replay: what a store had written below its file system is recorded, with every flush,
//! and put together again as crashes at any moment may have left it.

mod crash;
mod device;
mod disk;
mod look;
mod recording;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use crate::Rounds;
use crate::history::Attempt;
use crate::keeping::{keep_history, say, seed_or_clock};
use crate::random::Random;
use crate::skipped::say_skipped;

use crash::{Durable, Op, draw, flush_points};
use device::Mounted;
use look::{Seen, known_at, look};
use recording::{Recording, record};

/// What was tried.
#[derive(Copy, Clone, Debug, Default)]
#[allow(dead_code, reason = "for who reads them as text")]
struct Tried {
    recordings: u64,
    /// Crashes right after a flush.
    at_flushes: u64,
    /// Crashes amid the writes after one, which lose some of them.
    amid_writes: u64,
    /// Batches that had to be there, and those that could.
    acknowledged: u64,
    unknown: u64,
    events: u64,
}

impl Tried {
    fn states(&self) -> u64 {
        self.at_flushes + self.amid_writes
    }
}

/// Runs it, and says what came of it. Gives the exit code.
pub(crate) fn run(wanted: &Rounds) -> u8 {
    let seed = seed_or_clock(wanted.seed);
    say(&format!("blocks: seed {seed}, {} states", wanted.rounds));
    let begun = Instant::now();
    let (mut random, mut tried) = (Random::new(seed), Tried::default());
    while tried.states() < wanted.rounds {
        // A recording alone is repeated by its own seed, as far as chance is not the machine's.
        let seed = if tried.recordings == 0 {
            seed
        } else {
            random.next()
        };
        let dir = tempfile::tempdir().expect("a directory");
        let recording = catch_unwind(AssertUnwindSafe(|| record(dir.path(), seed)));
        let recording = match recording {
            Ok(Ok(recording)) => recording,
            Ok(Err(why)) => {
                say_skipped(&why);
                return 2;
            }
            Err(_) => {
                say(&format!("blocks: FAILED while it recorded seed {seed}"));
                return 1;
            }
        };
        tried.recordings += 1;
        say(&described(seed, &recording));
        // After every flush one crash, and one amid what followed.
        let all = 2 * flush_points(&recording.ops).len() as u64;
        let states = all.clamp(1, wanted.rounds - tried.states());
        if !replay(wanted, dir.path(), seed, states, &recording, &mut tried) {
            return 1;
        }
        let seconds = begun.elapsed().as_secs();
        say(&format!("blocks: {seconds} s, {tried:?}"));
    }
    let seconds = begun.elapsed().as_secs();
    say(&format!(
        "blocks: nothing wrong. Seed {seed}, {} states, {seconds} s, {tried:?}",
        tried.states()
    ));
    0
}

fn described(seed: u64, recording: &Recording) -> String {
    let most = recording
        .ops
        .split(|op| matches!(op, Op::Flush))
        .map(<[Op]>::len)
        .max();
    format!(
        "blocks: recorded seed {seed}: {} operations, {} of them flushes, at most {} writes \
         between two; {} requests; \
         in the end {} segments and {} runs",
        recording.ops.len(),
        flush_points(&recording.ops).len(),
        most.unwrap_or(0),
        recording.attempts.len(),
        recording.segments,
        recording.runs,
    )
}

/// Tries so many crashes of it. False when one is not as it must be, which is kept.
fn replay(
    wanted: &Rounds,
    dir: &Path,
    seed: u64,
    states: u64,
    recording: &Recording,
    tried: &mut Tried,
) -> bool {
    let crashes = draw(&recording.ops, states as usize, &mut Random::new(seed));
    let mut durable = Durable::new(recording.disk.clone(), &recording.ops);
    for (number, crash) in (1..).zip(&crashes) {
        let known = known_at(&recording.attempts, crash.after_ops as u64);
        let image = dir.join("image");
        store(&image, &durable.after(crash));
        let name = format!("state {number} of seed {seed}");
        let seen = catch_unwind(AssertUnwindSafe(|| {
            try_one(dir, &image, known.clone(), &name)
        }));
        let Ok(seen) = seen else {
            let kept = wanted.keep.join(format!("blocks-{seed}"));
            keep_history(&kept, &known);
            // Not the image, which the attempt has changed.
            let mut again = Durable::new(recording.disk.clone(), &recording.ops);
            store(&kept.join("image"), &again.after(crash));
            say(&format!(
                "blocks: FAILED in {name}, after {} states, {crash:?}; the disk as it was \
                 left, and what publishers knew, are in {}",
                tried.states(),
                kept.display()
            ));
            return false;
        };
        if crash.is_at_a_flush(&recording.ops) {
            tried.at_flushes += 1;
        } else {
            tried.amid_writes += 1;
        }
        tried.acknowledged += seen.acknowledged;
        tried.unknown += seen.unknown;
        tried.events += seen.events;
    }
    true
}

fn try_one(dir: &Path, image: &Path, known: Vec<Attempt>, name: &str) -> Seen {
    let mounted_at = dir.join("mounted");
    let mounted = Mounted::new(image, &mounted_at).expect("what is left is a file system");
    let seen = look(&mounted_at.join("data"), known, name);
    mounted.unmount();
    seen
}

/// Writes it as a sparse file.
fn store(image: &Path, disk: &[u8]) {
    const PART_BYTES: usize = 1 << 16;
    let file = File::create(image).expect("a file");
    file.set_len(disk.len() as u64).expect("a sparse file");
    for (at, part) in disk.chunks(PART_BYTES).enumerate() {
        if part.iter().any(|byte| *byte != 0) {
            let offset = (at * PART_BYTES) as u64;
            file.write_all_at(part, offset).expect("a written part");
        }
    }
}
