//! A backup is a copy of `log/`. Of a paused or a stopped store every copy opens and has all
//! that was acknowledged before. Of one that is written meanwhile a copy may have seen the front
//! of a segment at one moment and the rest at another: that is refused as damage, and never
//! opens with something missing.

#[path = "judge/checker.rs"]
mod checker;
#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "judge/history.rs"]
mod history;
#[path = "support/process.rs"]
mod process;
#[path = "judge/publisher.rs"]
mod publisher;
#[path = "support/random.rs"]
mod random;
#[path = "support/store.rs"]
mod store;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use checker::check;
use client::{Client, event};
use dump::dump;
use history::{Attempt, Figures, Logged, Outcome};
use process::{Oncelog, PATIENCE, command, run_command, serve_command};
use publisher::{Gate, PUBLISHERS, Shut, publish};
use store::{segments, wait_for_mark};

/// Small, so that segments roll while they are copied.
const OPTIONS: [&str; 2] = ["--segment-size", "256KiB"];

/// Copies as `cp -r` does: the names first, then one file after the other from its front.
/// Small reads leave much time for somebody to write in between.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new directory");
    let entries = fs::read_dir(from).expect("the log");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        // One that was renamed meanwhile holds nothing that was acknowledged before.
        let Ok(mut source) = File::open(&path) else {
            continue;
        };
        let name = path.file_name().expect("a name");
        let mut target = File::create(to.join(name)).expect("a new file");
        let mut buffer = [0; 1024];
        loop {
            let count = source.read(&mut buffer).expect("a readable file");
            if count == 0 {
                break;
            }
            target.write_all(&buffer[..count]).expect("a writable file");
        }
    }
}

/// Publishers at work, of whom copies are taken; none of their batches is settled twice.
struct Scene<'t> {
    process: &'t Oncelog,
    data_dir: &'t Path,
    gate: &'t Gate,
    history: &'t Mutex<Vec<Attempt>>,
}

impl Scene<'_> {
    fn attempts(&self) -> Vec<Attempt> {
        self.history.lock().expect("no publisher panics").clone()
    }

    /// Copies the log under load. Gives the copy's data directory, and all attempts so far,
    /// of which those after the copy began may be in it or not.
    fn copied(&self, to: &Path, paused: bool) -> Vec<Attempt> {
        let before = self.attempts().len();
        self.gate.open(self.process.address);
        let until = Instant::now() + PATIENCE;
        while self.attempts().len() < before + 60 {
            assert!(Instant::now() < until, "nobody publishes");
            thread::sleep(Duration::from_millis(5));
        }
        let settled = self.attempts().len();
        if paused {
            self.process.pause();
        }
        fs::create_dir(to).expect("a new directory");
        copy(&self.data_dir.join("log"), &to.join("log"));
        self.process.resume();
        self.gate.close();
        let mut attempts = self.attempts();
        for attempt in &mut attempts[settled..] {
            attempt.outcome = Outcome::Unknown;
        }
        attempts
    }
}

/// Opens a copy, or is refused as `dump` and `verify` have foretold. Whether it was opened.
fn check_copy(copy: &Path, attempts: &[Attempt]) -> bool {
    let looked = dump(copy, &[]);
    let mut verify = command();
    verify
        .args(["verify", "--log-only", "--data-dir"])
        .arg(copy);
    assert_eq!(run_command(verify).code, looked.code);
    if looked.code != Some(0) {
        assert_eq!(looked.code, Some(1), "{}", looked.stderr);
        let refused = run_command(serve_command(copy, &OPTIONS));
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        return false;
    }
    let process = Oncelog::start_with(copy, &OPTIONS);
    let client = Client::new(process.address);
    let stats = client.settled();
    let log: Vec<Logged> = client
        .events("?verdict=all")
        .into_iter()
        .map(Logged::from)
        .collect();
    let found = check(&log, attempts, Figures::from(&stats));
    assert!(found.is_empty(), "{found:?}");
    true
}

#[test]
fn a_copy_of_the_log_has_all_that_was_acknowledged_before_or_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("data");
    let (gate, history) = (Gate::default(), Mutex::new(Vec::new()));
    let process = Oncelog::start_with(&data_dir, &OPTIONS);
    let scene = Scene {
        process: &process,
        data_dir: &data_dir,
        gate: &gate,
        history: &history,
    };
    thread::scope(|threads| {
        let shut = Shut(&gate);
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|number| {
                let (gate, history) = (&gate, &history);
                threads.spawn(move || publish(number, 3, gate, history))
            })
            .collect();
        let mut opened = [0; 2];
        for round in 0..4 {
            let paused = round % 2 == 0;
            let copy = directory.path().join(format!("copy-{round}"));
            let attempts = scene.copied(&copy, paused);
            if check_copy(&copy, &attempts) {
                opened[usize::from(paused)] += 1;
            }
        }
        eprintln!("{} of 2 copies under load were opened", opened[0]);
        assert_eq!(opened[1], 2, "a copy of a paused store is refused");
        gate.last_call();
        gate.open(process.address);
        for publisher in publishers {
            publisher.join().expect("a publisher does not panic");
        }
        drop(shut);
    });
    // Stopped, and with its index, it is the same store elsewhere.
    let stats = Client::new(process.address).settled();
    assert_eq!(process.terminate().code, Some(0));
    let moved = directory.path().join("moved");
    fs::create_dir(&moved).expect("a new directory");
    for part in ["log", "index"] {
        copy(&data_dir.join(part), &moved.join(part));
    }
    let process = Oncelog::start_with(&moved, &OPTIONS);
    assert!(
        !process.stderr().contains("replayed"),
        "{}",
        process.stderr()
    );
    let again = Client::new(process.address).settled();
    assert_eq!(
        (again.counts(), again.fold_hash),
        (stats.counts(), stats.fold_hash)
    );
}

#[test]
fn a_copy_that_saw_two_moments_is_refused_and_the_next_one_is_good() {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("data");
    let process = Oncelog::start(&data_dir);
    let client = Client::new(process.address);
    let publish = |id: &str| client.publish(event("t", id, r#"{"n":1}"#));
    publish("1");
    let end = wait_for_mark(&data_dir).end();
    let segment = segments(&data_dir).pop().expect("a segment");
    // The front as it is now, the rest when two more batches have been synced.
    let cut = end + 8;
    let mut bytes = fs::read(&segment).expect("the segment");
    publish("2");
    publish("3");
    let later = fs::read(&segment).expect("the segment");
    bytes.splice(cut.., later[cut..].iter().copied());

    let torn = directory.path().join("copy");
    fs::create_dir_all(&torn).expect("a new directory");
    copy(&data_dir.join("log"), &torn.join("log"));
    let good = directory.path().join("good");
    fs::create_dir(&good).expect("a new directory");
    copy(&data_dir.join("log"), &good.join("log"));
    let name = segment.file_name().expect("a name");
    fs::write(torn.join("log").join(name), bytes).expect("it can be written");
    assert!(!check_copy(&torn, &[]));
    assert_eq!(dump(&good, &[]).code, Some(0));
    let process = Oncelog::start(&good);
    assert_eq!(Client::new(process.address).settled().received, 3);
}
