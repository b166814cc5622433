//! Risk: `oncelog repair` loses what is intact, gives a seq twice, leaves a store that does not
//! start or counts wrong, changes something before it is told to, or leaves ruins when it is killed.

#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/mount.rs"]
mod mount;
#[path = "support/operations.rs"]
mod operations;
#[path = "support/process.rs"]
mod process;
#[path = "support/random.rs"]
mod random;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "support/store.rs"]
mod store;
#[path = "support/tree.rs"]
mod tree;

#[path = "repair/damages.rs"]
mod damages;
#[path = "repair/holes.rs"]
mod holes;
#[path = "repair/kills.rs"]
mod kills;
#[path = "repair/rebuilds.rs"]
mod rebuilds;
#[path = "repair/refused.rs"]
mod refused;
#[path = "repair/room.rs"]
mod room;
#[path = "repair/scene.rs"]
mod scene;

use std::fs;

use serde_json::json;

use client::Client;
use process::Oncelog;
use scene::{Scene, repair, says, set_aside, shown};
use store::{damage, segments};
use tree::{assert_same, names, tree};

#[test]
fn the_plan_says_what_would_be_kept_and_lost_and_changes_nothing() {
    let scene = Scene::new();
    let frame = damage(scene.path(), 25);
    let before = tree(scene.path());
    for options in [&[][..], &["--dry-run"], &["--json"]] {
        let ended = repair(scene.path(), options);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert_same(&before, scene.path());
    }
    let expected = format!(
        "log         <id>
oncelog     <version>
DAMAGE      segment {name} is damaged at offsets {offset} to {end}, seqs 21 to 30 lost: the \
payload's checksum does not match (it was durable: a further segment follows)
new         segment {name}: seqs 1 to 20 kept, seqs 21 to 30 a hole
set aside   segment {name}, and the new one takes its place
lost        seqs 21 to 30 (10)
            the index knows of 8 that were stored: orders 8
next        seq 91
index       is made anew, and all is verified
            <room>
            <room>
repair      nothing is changed yet: oncelog repair --data-dir <dir> --yes
",
        name = frame.segment,
        offset = frame.offset,
        end = frame.end(),
    );
    assert_eq!(shown(scene.path(), &[], 1), expected);
}

#[test]
fn what_was_done_is_told_and_lies_beside_the_old_segments() {
    let scene = Scene::new();
    let frame = damage(scene.path(), 25);
    let old = fs::read(scene.path().join("log").join(&frame.segment)).expect("it");
    let text = shown(scene.path(), &["--yes"], 0);
    let kept = set_aside(scene.path());
    let expected = "
lost        seqs 21 to 30 (10)
            the index knows of 8 that were stored: orders 8
next        seq 91
kept        the old segments, and this report, are in <dir>/<set-aside>
index       is made anew
verified    all is well
";
    assert!(text.ends_with(expected), "{text}");
    let of_kept = names(&kept);
    let wanted = [
        frame.segment.as_str(),
        "plan.json",
        "plan.txt",
        "report.json",
        "report.txt",
    ];
    assert_eq!(of_kept, wanted);
    assert!(fs::read(kept.join(&frame.segment)).expect("it") == old);
    let report = fs::read_to_string(kept.join("report.txt")).expect("it");
    assert!(report.ends_with("verified    all is well\n"), "{report}");
    let report = fs::read(kept.join("report.json")).expect("it");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(report["done"]["verified"], true);
    let topics = json!([{ "name": "orders", "stored": 8 }]);
    assert_eq!(report["lost"]["topics"], topics);
    let expected = [
        "index",
        "lock",
        "log",
        kept.file_name().expect("a name").to_str().expect("UTF-8"),
    ];
    assert_eq!(names(scene.path()), expected);
}

/// The ids that were in a hole are known to nobody any more, and are not said to have never come.
#[test]
fn an_id_that_may_have_been_lost_is_not_said_to_have_never_arrived() {
    let scene = Scene::new();
    damage(scene.path(), 25);
    says(scene.path(), &["--yes"], 0);
    let without = tempfile::tempdir().expect("a directory");
    tree::copy(&scene.path().join("log"), &without.path().join("log"));
    for store in [scene.path(), without.path()] {
        let mut command = process::command();
        command.args(["why", "2-3", "--data-dir"]).arg(store);
        let ended = process::run_command(command);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let text = String::from_utf8(ended.stdout).expect("UTF-8");
        let expected = "2-3 is nowhere to be found, in any topic; it may have been among the 10 \
                        events that are lost\n";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(scene::why(store, &["2-3"])["lost_total"], 10);
    }
}

#[test]
fn a_store_that_is_well_is_left_as_it_is() {
    let scene = Scene::new();
    let before = tree(&scene.path().join("log"));
    for options in [&[][..], &["--yes"]] {
        let text = shown(scene.path(), options, 0);
        assert!(text.ends_with("repair      nothing to do\n"), "{text}");
        assert_same(&before, &scene.path().join("log"));
        assert_eq!(names(scene.path()), ["index", "lock", "log"]);
    }
    scene.assert_serves(scene.path(), &[]);
}

#[test]
fn a_damaged_index_is_made_anew_and_the_log_is_left_alone() {
    let scene = Scene::new();
    let before = tree(&scene.path().join("log"));
    fs::write(scene.path().join("index/index.sqlite3"), "no database").expect("it");
    let said = says(scene.path(), &[], 1);
    assert_eq!(said["old_index"]["state"], "damaged", "{said}");
    let said = says(scene.path(), &["--yes"], 0);
    assert_eq!(said["done"]["verified"], true);
    assert_same(&before, &scene.path().join("log"));
    scene.assert_serves(scene.path(), &[]);
}

/// What a repair has begun, only a repair ends: the old index knows what the log has not any more.
#[test]
fn a_server_does_not_start_in_the_middle_of_a_repair() {
    let scene = Scene::new();
    fs::create_dir(scene.path().join("set-aside.unfinished")).expect("it");
    let ended = process::run_command(process::serve_command(scene.path(), &[]));
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    operations::assert_documented("A repair was stopped", &ended.stderr);
    let said = says(scene.path(), &[], 1);
    assert_eq!(said["was_stopped"], true);
    says(scene.path(), &["--yes"], 0);
    scene.assert_serves(scene.path(), &[]);
}

#[test]
fn a_repaired_store_can_be_damaged_and_repaired_again() {
    let scene = Scene::new();
    damage(scene.path(), 25);
    says(scene.path(), &["--yes"], 0);
    // The first hole stays, and those who sent its ids again have them stored.
    let server = Oncelog::start(scene.path());
    scene::publish(&Client::new(server.address), 2..3);
    assert_eq!(server.terminate().code, Some(0));
    damage(scene.path(), 55);
    let said = says(scene.path(), &["--yes"], 0);
    assert_eq!(
        said["lost"]["ranges"],
        json!([{ "first_seq": 51, "last_seq": 60 }])
    );
    assert_eq!(said["next_seq"], 101);
    let server = Oncelog::start(scene.path());
    let stats = Client::new(server.address).settled();
    assert_eq!((stats.received, stats.lost), (100, 20));
    assert_eq!(server.terminate().code, Some(0));
    assert!(segments(scene.path()).len() >= 3);
}
