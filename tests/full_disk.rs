//! A real disk gets full under publishers, is killed on, is started on, and gets room again.
//! Whatever there is no room for is answered 507 and not written; what was acknowledged stays
//! and is read; and writing goes on by itself. (The index alone on a full disk is in
//! `index_faults` and `index_at_start.rs`.)

#[path = "judge/checker.rs"]
mod checker;
#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "judge/history.rs"]
mod history;
#[path = "support/mount.rs"]
mod mount;
#[path = "support/operations.rs"]
mod operations;
#[path = "support/process.rs"]
mod process;
#[path = "judge/publisher.rs"]
mod publisher;
#[path = "support/random.rs"]
mod random;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "support/store.rs"]
mod store;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use checker::{check, check_settled};
use client::{Client, Stats, event};
use dump::dump_events;
use history::{Attempt, Figures, Logged, Outcome};
use mount::SmallDisk;
use operations::assert_documented;
use process::{Oncelog, PATIENCE, run_command, serve_command};
use publisher::{Gate, PUBLISHERS, Shut, publish};
use store::{files, frames, segments};
use tempfile::TempDir;

const SMALL: [&str; 2] = ["--segment-size", "1MiB"];
const DISK_KIB: u32 = 24 << 10;

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Publishers at a store of which a part is on a small disk.
struct Scene<'t> {
    data_dir: &'t Path,
    disk: &'t SmallDisk,
    gate: &'t Gate,
    history: &'t Mutex<Vec<Attempt>>,
}

impl Scene<'_> {
    fn attempts(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.history.lock().expect("no publisher panics")
    }

    /// Waits until every publisher was refused for want of room, from now on.
    fn wait_until_all_are_refused(&self) {
        let before = self.attempts().len();
        wait_for("refused", || {
            // Whatever gives way is taken by somebody else.
            self.disk.fill();
            let attempts = self.attempts();
            let refused: HashSet<u32> = attempts[before..]
                .iter()
                .filter(|attempt| {
                    matches!(&attempt.outcome, Outcome::Refused(code) if code == "disk_full")
                })
                .map(|attempt| attempt.mark.publisher)
                .collect();
            refused.len() == PUBLISHERS as usize
        });
    }

    /// Reads all of it while nobody publishes, and holds it against what was answered.
    fn look(&self, process: &Oncelog) -> Stats {
        self.gate.close();
        let client = Client::new(process.address);
        self.disk.fill();
        assert_full(&client);
        let stats = judged(&client);
        let shown = client.events("?verdict=all");
        let log: Vec<Logged> = shown.into_iter().map(Logged::from).collect();
        let found = check(&log, &self.attempts(), Figures::from(&stats));
        assert!(found.is_empty(), "{found:?}");
        self.gate.open(process.address);
        stats
    }
}

/// Waits until all that is durable is judged and can be read, in whatever state.
fn judged(client: &Client) -> Stats {
    wait_for("judged", || {
        let is_whole = !client.get("/readyz").text.contains("rebuilding");
        is_whole && client.stats().pending == 0
    });
    client.stats()
}

/// Checks what a publisher is told whose batch finds no room, and who asks whether there is.
fn assert_full(client: &Client) {
    let filling = "x".repeat(900_000);
    let large = event("t", "too large", &format!("\"{filling}\""));
    let answer = client.try_publish("", large).expect("an answer");
    assert_eq!(answer.status, 507, "{}", answer.text);
    assert_eq!(answer.problem_code(), "disk_full");
    assert!(answer.retry_after.is_some());
    let ready = client.get("/readyz");
    assert_eq!(ready.status, 503, "{}", ready.text);
    assert_eq!(ready.problem_code(), "not_ready");
    assert!(
        ready.text.contains(r#""state":"disk_full""#),
        "{}",
        ready.text
    );
    assert!(ready.text.contains("bytes free"), "{}", ready.text);
}

fn full_disk_at(part: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("data");
    let Some(disk) = SmallDisk::mount(&data_dir.join(part), DISK_KIB) else {
        return;
    };
    let (gate, history) = (Gate::default(), Mutex::new(Vec::new()));
    let scene = Scene {
        data_dir: &data_dir,
        disk: &disk,
        gate: &gate,
        history: &history,
    };
    let seed = 7;
    thread::scope(|threads| {
        let shut = Shut(&gate);
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|number| {
                let (gate, history) = (&gate, &history);
                threads.spawn(move || publish(number, seed, gate, history))
            })
            .collect();
        let process = start(&data_dir);
        gate.open(process.address);
        wait_for("at work", || scene.attempts().len() > 50);
        disk.fill();
        scene.wait_until_all_are_refused();
        let full = scene.look(&process);
        assert!(full.received > 0);

        // Killed, and started, without a free byte.
        gate.close();
        let ended = process.kill();
        assert!(!ended.stderr.contains("poisoned"), "{}", ended.stderr);
        disk.fill();
        let process = start(&data_dir);
        assert!(scene.look(&process).received >= full.received);
        scene.wait_until_all_are_refused();

        // Room, and it goes on by itself.
        gate.last_call();
        fs::remove_file(disk.filler()).expect("it goes away");
        wait_for("settled", || {
            publishers.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        drop(shut);
        let stats = Client::new(process.address).settled();
        let log: Vec<Logged> = dump_events(&data_dir, &[])
            .into_iter()
            .map(Logged::from)
            .collect();
        let found = check(&log, &scene.attempts(), Figures::from(&stats));
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(check_settled(&scene.attempts()), []);
        process.wait_for_line("disk_full is over");
        assert_documented("The disk is full", &process.stderr());
        assert_eq!(process.terminate().code, Some(0));
        let again = Client::new(start(scene.data_dir).address).settled();
        assert_eq!(
            (again.counts(), again.fold_hash),
            (stats.counts(), stats.fold_hash)
        );
    });
    drop(disk);
}

fn start(data_dir: &Path) -> Oncelog {
    Oncelog::start_with(data_dir, &SMALL)
}

#[test]
fn a_full_disk_under_log_and_index_is_waited_out() {
    full_disk_at("");
}

#[test]
fn a_full_disk_under_the_log_alone_is_waited_out() {
    full_disk_at("log");
}

/// A store on a small disk; none if that cannot be had.
fn small_disk() -> Option<(TempDir, PathBuf, SmallDisk)> {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("data");
    let disk = SmallDisk::mount(&data_dir, DISK_KIB)?;
    Some((directory, data_dir, disk))
}

fn publish_until_refused(client: &Client) -> u64 {
    let filling = "x".repeat(100_000);
    let mut taken = 0;
    loop {
        let large = event("t", &format!("{taken}"), &format!("\"{filling}\""));
        let answer = client.try_publish("", large).expect("an answer");
        if answer.status == 507 {
            return taken;
        }
        answer.ok();
        taken += 1;
        assert!(taken < 1000, "the disk never gets full");
    }
}

#[test]
fn what_must_stay_free_stays_free() {
    let Some((_directory, data_dir, disk)) = small_disk() else {
        return;
    };
    let process = Oncelog::start_with(&data_dir, &[&SMALL[..], &["--min-free", "8MiB"]].concat());
    let client = Client::new(process.address);
    let taken = publish_until_refused(&client);
    assert!(taken > 0);
    let free = rustix::fs::statvfs(&data_dir).expect("a mount");
    // The index writes a little more, and has no such floor.
    assert!(free.f_bavail * free.f_frsize > 7 << 20);
    let ready = client.get("/readyz");
    assert_eq!(
        (ready.status, ready.problem_code().as_str()),
        (503, "not_ready")
    );
    assert_eq!(client.events("").len() as u64, taken);
    disk.resize(DISK_KIB * 2);
    wait_for("ready", || client.get("/readyz").status == 200);
    client.publish(event("t", "more", "1"));
    drop((process, disk));
}

#[test]
fn a_new_store_on_a_full_disk_says_so_and_begins_when_there_is_room() {
    let Some((_directory, data_dir, disk)) = small_disk() else {
        return;
    };
    disk.fill();
    for _ in 0..2 {
        let ended = run_command(serve_command(&data_dir.join("new"), &SMALL));
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert_documented("No room for a new store", &ended.stderr);
    }
    fs::remove_file(disk.filler()).expect("it goes away");
    let process = start(&data_dir.join("new"));
    Client::new(process.address).publish(event("t", "1", "1"));
    drop((process, disk));
}

#[test]
fn a_store_that_was_stopped_starts_on_a_disk_that_got_full() {
    for part in ["", "index", "log"] {
        let directory = tempfile::tempdir().expect("a directory");
        let data_dir = directory.path().join("data");
        let Some(disk) = SmallDisk::mount(&data_dir.join(part), DISK_KIB) else {
            return;
        };
        let process = start(&data_dir);
        Client::new(process.address).publish(event("t", "1", "1"));
        assert_eq!(process.terminate().code, Some(0));
        disk.fill();
        let process = start(&data_dir);
        let client = Client::new(process.address);
        if part == "index" {
            // Without room for it nothing can be looked up, and publishers do not mind.
            assert_eq!(client.get("/events").status, 503);
            let answer = client.try_publish("", event("t", "2", "1"));
            let answer = answer.expect("an answer");
            assert_eq!(answer.status, 202, "{}", answer.text);
            let ready = client.get("/readyz");
            assert_eq!(ready.status, 200, "{}", ready.text);
            assert!(ready.text.contains("the index fails"), "{}", ready.text);
        } else {
            assert_eq!(judged(&client).received, 1, "{part}");
            assert_eq!(client.events("").len(), 1, "{part}");
        }
        fs::remove_file(disk.filler()).expect("it goes away");
        client.settled();
        client.publish(event("t", "2", "1"));
        assert_eq!(client.events("").len(), 2, "{part}");
        if part == "index" {
            process.wait_for_line("degraded is over");
            assert_documented("The index cannot be opened yet", &process.stderr());
        }
        drop((process, disk));
    }
}

#[test]
fn a_torn_tail_larger_than_the_reserve_is_saved_and_cut_on_a_full_disk() {
    let Some((_directory, data_dir, disk)) = small_disk() else {
        return;
    };
    let options = ["--segment-size", "4MiB", "--reserve", "256KiB"];
    let process = Oncelog::start_with(&data_dir, &options);
    Client::new(process.address).publish(event("t", "1", "1"));
    process.kill();
    // As an unfinished write of a large batch leaves it, up to the segment's last byte.
    let end = frames(&data_dir).pop().expect("a frame").end();
    let segment = segments(&data_dir).pop().expect("a segment");
    let mut bytes = fs::read(&segment).expect("the segment");
    bytes[end..].fill(0xAB);
    let torn = bytes[end..].to_vec();
    assert!(torn.len() > 3 << 20);
    fs::write(&segment, bytes).expect("the segment can be written");
    for name in files(&data_dir.join("log")).into_keys() {
        let is_spare = name.to_string_lossy().contains(".tmp-");
        if is_spare {
            fs::remove_file(name).expect("it goes away");
        }
    }
    disk.fill();

    let process = Oncelog::start_with(&data_dir, &options);
    let client = Client::new(process.address);
    assert_eq!(judged(&client).received, 1);
    assert_full(&client);
    assert_eq!(client.events("").len(), 1);
    // Piece by piece, all of it was kept.
    let saved: Vec<u8> = files(&data_dir.join("log"))
        .into_iter()
        .filter(|(path, _)| path.to_string_lossy().contains("torn-"))
        .flat_map(|(_, bytes)| bytes)
        .collect();
    assert!(saved == torn, "{} of {} bytes", saved.len(), torn.len());
    drop((process, disk));
}
