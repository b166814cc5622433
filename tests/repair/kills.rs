//! A repair that is killed at any moment: done again, it ends, and nothing intact is lost.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::{Owned, command, run_command, serve_command};
use crate::random::Random;
use crate::scene::{Scene, change, events, says};
use crate::store::segments;
use crate::tree::{copy, names};

fn repair_command(data_dir: &std::path::Path) -> Command {
    let mut command = command();
    command
        .args(["repair", "--yes", "--data-dir"])
        .arg(data_dir);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Damage in each segment: in one a bit, one is gone, two have changed places.
fn damaged() -> Scene {
    let scene = Scene::new();
    let all = segments(scene.path());
    let end = fs::metadata(&all[1]).expect("it").len() as usize;
    change(&all[0], |bytes| bytes[200] ^= 1);
    change(&all[1], |bytes| bytes[end / 2] ^= 1);
    change(&all[2], |bytes| bytes[200] ^= 1);
    scene
}

fn kill_often(times: u64, seed: u64) {
    let mut random = Random::new(seed);
    let whole = damaged();
    let expected = {
        let done = tempfile::tempdir().expect("a directory");
        copy(whole.path(), done.path());
        says(done.path(), &["--yes"], 0);
        events(done.path())
    };
    let begun = Instant::now();
    let timed = tempfile::tempdir().expect("a directory");
    copy(whole.path(), timed.path());
    Owned(repair_command(timed.path()).spawn().expect("it starts")).wait();
    let takes = begun.elapsed().as_micros() as u64;
    let mut in_the_middle = 0;
    for round in 0..times {
        let store = tempfile::tempdir().expect("a directory");
        copy(whole.path(), store.path());
        // Sometimes the next attempt is killed, too.
        for _ in 0..random.between(1, 3) {
            let mut child = Owned(repair_command(store.path()).spawn().expect("it starts"));
            let moment = random.between(0, takes * 11 / 10);
            std::thread::sleep(Duration::from_micros(moment));
            child.signal(if round % 3 == 2 {
                Signal::TERM
            } else {
                Signal::KILL
            });
            child.wait();
        }
        let unfinished = store.path().join("set-aside.unfinished").exists();
        in_the_middle += u64::from(unfinished);
        if unfinished && round % 4 == 0 {
            let ended = run_command(serve_command(store.path(), &[]));
            assert_eq!(ended.code, Some(3), "{round}: {}", ended.stderr);
        }
        let said = says(store.path(), &["--yes"], 0);
        assert!(events(store.path()) == expected, "{seed}, {round}: {said}");
        assert!(!store.path().join("set-aside.unfinished").exists());
        let left: Vec<String> = names(store.path());
        let left: Vec<&String> = left
            .iter()
            .filter(|name| !name.starts_with("set-aside-"))
            .collect();
        assert_eq!(left, ["index", "lock", "log"], "{seed}, {round}");
        if round % 5 == 0 {
            let all = (1..=90).filter(|seq| !expected.contains_key(seq));
            let lost_seqs: Vec<(u64, u64)> = all.map(|seq| (seq, seq)).collect();
            whole.assert_serves(store.path(), &lost_seqs);
        }
    }
    assert!(in_the_middle > 0, "no kill met it at work");
}

#[test]
fn a_kill_at_a_random_moment_loses_nothing_and_the_next_attempt_ends() {
    kill_often(20, 1);
}

#[test]
#[ignore = "minutes: the same at many moments"]
fn fifty_kills_at_random_moments_lose_nothing() {
    for seed in 2..5 {
        kill_often(50, seed);
    }
}
