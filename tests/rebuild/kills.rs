//! A rebuild that is killed at any moment: an index is there, the next start or rebuild puts in
//! order what was left, and nothing is another than before.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::scene::{Scene, rebuild, rebuilt};
use crate::process::{Oncelog, Owned, command};
use crate::random::Random;
use crate::tree::{copy, names};

fn rebuild_command(scene: &Scene) -> Command {
    let mut command = command();
    command.arg("rebuild").arg("--data-dir").arg(scene.path());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Kills it at as many random moments.
fn kill_often(times: u64, seed: u64) {
    let mut random = Random::new(seed);
    let scene = Scene::killed(400);
    let begun = Instant::now();
    assert_eq!(rebuild(scene.path(), &[]).code, Some(0));
    let whole = begun.elapsed().as_micros() as u64;
    let mut in_the_middle = 0;
    for round in 0..times {
        let mut child = Owned(rebuild_command(&scene).spawn().expect("it starts"));
        // Often near the end, where the new index takes its place.
        let least = if round % 2 == 0 { 0 } else { whole * 7 / 10 };
        let moment = Duration::from_micros(random.between(least, whole * 12 / 10));
        std::thread::sleep(moment);
        // What an interrupt takes away is the new index, until that takes the old one's place.
        child.signal(if round % 3 == 2 {
            Signal::TERM
        } else {
            Signal::KILL
        });
        child.wait();
        if names(scene.path()) != ["index", "lock", "log"] {
            in_the_middle += 1;
        }
        if round % 4 == 0 {
            scene.assert_serves();
            assert_eq!(names(scene.path()), ["index", "lock", "log"], "{round}");
        }
        let said = rebuilt(scene.path(), 0);
        assert_eq!(said["old"]["state"], "equal", "{round}: {said}");
        assert_eq!(said["fold_hash"], scene.stats.fold_hash.as_str());
        assert_eq!(names(scene.path()), ["index", "lock", "log"], "{round}");
    }
    scene.assert_serves();
    assert!(in_the_middle > 0, "no kill met it at work");
}

#[test]
fn a_kill_at_a_random_moment_loses_nothing_and_the_next_rebuild_ends() {
    kill_often(12, 1);
}

#[test]
#[ignore = "minutes: the same at many moments"]
fn fifty_kills_at_random_moments_lose_nothing() {
    for seed in 2..5 {
        kill_often(50, seed);
    }
}

#[test]
fn a_start_puts_in_order_what_any_kill_has_left() {
    let scene = Scene::stopped(30);
    let whole = tempfile::tempdir().expect("a directory");
    copy(&scene.index(), whole.path());
    // Each as a kill between two renames leaves it.
    for (number, left) in [
        &["index", "index.building"][..],
        &["index", "index.ready"],
        &["index.ready", "index.replaced"],
        &["index", "index.replaced"],
        &["index.replaced"],
        &["index.building"],
    ]
    .iter()
    .enumerate()
    {
        fs::remove_dir_all(scene.index()).expect("it is there");
        for name in *left {
            copy(whole.path(), &scene.path().join(name));
        }
        if left.contains(&"index.building") {
            let cut = scene.path().join("index.building/index.sqlite3");
            fs::write(cut, "not complete").expect("a file");
        }
        let server = Oncelog::start(scene.path());
        assert_eq!(names(scene.path()), ["index", "lock", "log"], "{number}");
        let is_replayed = server.stderr().contains("is replayed");
        assert_eq!(is_replayed, *left == ["index.building"], "{number}");
        assert_eq!(server.terminate().code, Some(0));
        scene.assert_serves();
    }
}

#[test]
fn an_interrupt_takes_away_what_was_begun() {
    let scene = Scene::stopped(400);
    let child = Owned(rebuild_command(&scene).spawn().expect("it starts"));
    let building = scene.path().join("index.building");
    let begun = Instant::now();
    while !building.exists() && begun.elapsed() < crate::process::PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.signal(Signal::TERM);
    drop(child);
    // It may also have been done before: an index is there in any case.
    assert_eq!(rebuilt(scene.path(), 0)["old"]["state"], "equal");
    assert_eq!(names(scene.path()), ["index", "lock", "log"]);
}
