//! Risk: `oncelog verify` says that all is well where something is not, or that something is wrong
//! where nothing is; it changes or disturbs the store it looks at; it says so in other words than
//! before.

#[path = "support/client.rs"]
mod client;
#[path = "judge/damages.rs"]
mod damages;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/mount.rs"]
mod mount;
#[path = "support/process.rs"]
mod process;
#[path = "support/publish.rs"]
mod publishing;
#[path = "support/random.rs"]
mod random;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "support/store.rs"]
mod store;
#[path = "support/strace.rs"]
mod strace;
#[path = "support/tree.rs"]
mod tree;

#[path = "verify/forge.rs"]
mod forge;
#[path = "verify/forged.rs"]
mod forged;
#[path = "verify/index.rs"]
mod index;
#[path = "verify/log.rs"]
mod log;
#[path = "verify/random.rs"]
mod random_damages;
#[path = "verify/receipts.rs"]
mod receipts;
#[path = "verify/refused.rs"]
mod refused;
#[path = "verify/report.rs"]
mod report;
#[path = "verify/scene.rs"]
mod scene;

use client::{Client, event};
use process::Oncelog;
use scene::{mixed_store, says, shown, verify};
use store::{store_of_three_lives, wait_for_mark};
use tree::{assert_same, tree};

#[test]
fn a_stopped_store_is_well_to_people_and_programs() {
    let store = mixed_store();
    let expected = "\
log         <id>
            1 segments, <n> good frames of <bytes>
intact      seqs 1 to 60 (60)
proven      all of it was durable
index       equal: 109 rows up to seq 60
folded      48 unique, 12 duplicates (6 conflicts among them), 0 lost
            fold_hash <hash>
verified    all is well
";
    // 48 keys, twice, 12 that were not stored, and a topic.
    assert_eq!(shown(store.path(), &[], 0), expected);
    let mut said = says(store.path(), &[], 0);
    for pointer in [
        "/log/log_id",
        "/log/frames",
        "/log/frame_bytes",
        "/fold/fold_hash",
    ] {
        let value = said.pointer_mut(pointer).expect("it is there");
        *value = "*".into();
    }
    let none = serde_json::json!({ "seqs": 0, "ranges": [], "more_ranges": 0 });
    let expected = serde_json::json!({
        "well": true,
        "running": false,
        "log": {
            "log_id": "*",
            "segments": 1,
            "frames": "*",
            "frame_bytes": "*",
            "last_seq": 60,
            "proven_seq": 60,
            "undecidable_from": 61,
            "ending": "clean_stop",
            "torn_bytes": 0,
            "torn": null,
            "intact": {
                "seqs": 60,
                "ranges": [{ "first_seq": 1, "last_seq": 60 }],
                "more_ranges": 0,
            },
            "holes": none,
            "damaged": none,
            "doubtful": none,
            "perhaps_from": null,
            "wrong_total": 0,
            "wrong": [],
            "has_meta": true,
            "left_overs": [],
            "torn_files": [],
            "strange_files": [],
        },
        "damaged_events": null,
        "index": { "state": "equal", "upto": 60, "rows": 109, "flushed_seq": 60 },
        "fold": {
            "upto": 60,
            "unique": 48,
            "duplicates": 12,
            "conflicts": 6,
            "lost": 0,
            "fold_hash": "*",
        },
        "receipts": null,
        "choices": [],
    });
    assert_eq!(said, expected);
}

#[test]
fn a_quick_look_is_at_the_log_only() {
    let store = mixed_store();
    let said = says(store.path(), &["--log-only"], 0);
    assert_eq!(said["fold"], serde_json::Value::Null);
    let index = serde_json::json!({ "state": "not_compared", "flushed_seq": 60 });
    assert_eq!(said["index"], index);
    assert_eq!(said["log"]["intact"]["seqs"], 60);
    let text = shown(store.path(), &["--log-only"], 0);
    let expected = "\nindex       up to seq 60; it was not compared\nverified    all is well\n";
    assert!(text.ends_with(expected), "{text}");
}

/// What the server says of itself, and what it becomes after it was killed, is what is folded.
#[test]
fn a_running_and_a_killed_store_are_well_and_are_not_disturbed() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let small = ["--segment-size", "64KiB", "--delta-events", "1000"];
    let server = Oncelog::start_with(data_dir.path(), &small);
    let client = Client::new(server.address);
    let publisher = {
        let client = client.clone();
        std::thread::spawn(move || {
            for round in 0..120u32 {
                let id = |place: u32| (round * 17 + place) % 900;
                let events: Vec<String> = (0..20)
                    .map(|place| event("t", &id(place).to_string(), "7"))
                    .collect();
                client.publish(format!("[{}]", events.join(",")));
            }
        })
    };
    let mut looks = 0;
    while !publisher.is_finished() || looks == 0 {
        for options in [&["--json"][..], &["--json", "--log-only"]] {
            let ended = verify(data_dir.path(), options);
            let text = String::from_utf8_lossy(&ended.stdout);
            assert_eq!(ended.code, Some(0), "{text}{}", ended.stderr);
            let said: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(said["running"], true);
            assert_eq!(said["log"]["intact"]["seqs"], said["log"]["last_seq"]);
        }
        looks += 1;
    }
    publisher.join().expect("it published all");
    let stats = client.settled();
    wait_for_mark(data_dir.path());
    let ended = verify(data_dir.path(), &["--json"]);
    let said: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert_eq!(said["fold"]["fold_hash"], stats.fold_hash.as_str());
    let complaints = server.stderr();
    assert!(
        !complaints.contains("WARN") && !complaints.contains("ERROR"),
        "{complaints}"
    );
    server.kill();
    let said = says(data_dir.path(), &[], 0);
    assert_eq!(said["running"], false);
    assert_eq!(said["fold"]["upto"], 2400);
    assert_eq!(said["fold"]["fold_hash"], stats.fold_hash.as_str());
    assert_eq!(said["index"]["state"], "equal");
}

/// After a clean stop, after a kill, with and without SQLite's own files.
#[test]
fn nothing_below_the_data_directory_changes() {
    let killed = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(killed.path());
    Client::new(server.address).publish(event("t", "1", "1"));
    server.kill();
    for store in [mixed_store(), store_of_three_lives(), killed] {
        let before = tree(store.path());
        for options in [&[][..], &["--json"], &["--log-only"]] {
            let ended = verify(store.path(), options);
            assert_eq!(ended.code, Some(0), "{options:?}: {}", ended.stderr);
            assert_eq!(ended.stderr, "");
        }
        assert_same(&before, store.path());
    }
}
