//! `oncelog info` as operators use it: what a store has and how it is, of one that runs, was
//! stopped or killed, or is none; and nothing is changed by asking.

#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/mount.rs"]
mod mount;
#[path = "support/process.rs"]
mod process;
#[path = "info/repairs.rs"]
mod repairs;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "support/store.rs"]
mod store;
#[path = "support/tree.rs"]
mod tree;
#[path = "info/wrong.rs"]
mod wrong;

use std::fs;
use std::path::Path;

use client::{Client, event};
use mount::SmallDisk;
use process::{Ended, Oncelog, command, run_command};
use serde_json::Value;
use skipped::say_skipped;
use store::{damage, frames, publish_batches, segments, stopped_store, store_of_three_lives};
use tree::{assert_same, copy, tree};

fn info(data_dir: &Path, options: &[&str]) -> Ended {
    let mut command = command();
    command.arg("info").arg("--data-dir").arg(data_dir);
    command.args(options);
    run_command(command)
}

/// What it says with `--json`; it must end with this code, and change nothing.
#[track_caller]
fn says(data_dir: &Path, code: i32) -> Value {
    let before = tree(data_dir);
    let ended = info(data_dir, &["--json"]);
    assert_same(&before, data_dir);
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    serde_json::from_slice(&ended.stdout).expect("JSON")
}

/// What it says to people, without what differs from store to store.
#[track_caller]
fn shown(data_dir: &Path, code: i32) -> String {
    let before = tree(data_dir);
    let ended = info(data_dir, &["--topics", "1"]);
    assert_same(&before, data_dir);
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let lines = text.lines().map(|line| match line {
        line if line.starts_with("store ") => "store       <dir>",
        line if line.starts_with("log ") => "log         <id>",
        line if line.starts_with("disk ") => "disk        <free>",
        line if line.contains("in frames)") => "            <sizes>",
        line if line.contains(" schema ") => "            <sizes>",
        line if line.contains(" fold_hash ") => "            fold_hash <hash>",
        line => line,
    });
    let mut text: String = lines.map(|line| format!("{line}\n")).collect();
    // The two times, of which the first ends before the second begins.
    for before in ["Z to ", "received "] {
        if let Some(at) = text.find(before) {
            let begin = at + before.len();
            let end = begin + text[begin..].find('Z').expect("a time");
            text.replace_range(begin..end, "<time>");
        }
    }
    text
}

#[test]
fn a_stopped_store_is_shown_to_people_and_programs() {
    let data_dir = stopped_store();
    let expected = "\
store       <dir>
running     no
log         <id>
            <sizes>
            seq 1 to 30, received <time>Z to <time>Z
            stopped cleanly
index       agrees with the log
            <sizes>
            fold_hash <hash>
events      30 unique, 0 duplicates (0 conflicts among them), 0 lost
topics      2
                      15  even
            and 1 more (--topics)
disk        <free>
";
    assert_eq!(shown(data_dir.path(), 0), expected);

    let mut said = says(data_dir.path(), 0);
    let is_hex = |value: &Value, digits: usize| {
        let text = value.as_str().expect("text");
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    assert!(is_hex(&said["log"]["log_id"], 32), "{said}");
    assert!(is_hex(&said["index"]["fold_hash"], 64), "{said}");
    assert!(
        said["disk_free_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes > 0)
    );
    assert_eq!(said["data_dir"], &*data_dir.path().to_string_lossy());
    for pointer in [
        "/data_dir",
        "/disk_free_bytes",
        "/log/log_id",
        "/log/segment_bytes",
        "/log/used_bytes",
        "/log/first_received_at",
        "/log/last_received_at",
        "/index/fold_hash",
        "/index/bytes",
        "/index/runs",
    ] {
        let value = said.pointer_mut(pointer).expect("it is there");
        *value = "*".into();
    }
    let expected = serde_json::json!({
        "data_dir": "*",
        "running": false,
        "pid": null,
        "lock": null,
        "log": {
            "log_id": "*",
            "format_version": 1,
            "segments": 1,
            "segment_bytes": "*",
            "used_bytes": "*",
            "last_seq": 30,
            "proven_seq": 30,
            "first_received_at": "*",
            "last_received_at": "*",
            "ending": "clean_stop",
            "torn_bytes": 0,
            "torn_files": 0,
            "damage": null,
        },
        "index": {
            "state": "complete",
            "why": null,
            "schema_version": 3,
            "flushed_seq": 30,
            "behind": 0,
            "bytes": "*",
            "runs": "*",
            "unique": 30,
            "duplicates": 0,
            "conflicts": 0,
            "lost": 0,
            "fold_hash": "*",
            "topics_total": 2,
            "topics": [
                { "name": "even", "stored": 15, "first_seq": 1 },
                { "name": "odd", "stored": 15, "first_seq": 4 },
            ],
        },
        "rebuild_dirs": [],
        "repair_stopped": false,
        "set_aside": [],
        "disk_free_bytes": "*",
    });
    assert_eq!(said, expected);
}

#[test]
fn a_running_store_is_told_with_its_pid_and_not_disturbed() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(data_dir.path());
    let client = Client::new(server.address);
    for round in 1..=20u64 {
        client.publish(event(
            &format!("topic-{}", round % 3),
            &round.to_string(),
            "1",
        ));
        let ended = info(data_dir.path(), &["--json"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let said: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
        assert_eq!(
            (&said["running"], &said["pid"]),
            (&true.into(), &server.pid().into())
        );
        assert_eq!(said["log"]["last_seq"], round);
        let number = |name: &str| said["index"][name].as_u64().expect("a number");
        assert_eq!(number("flushed_seq") + number("behind"), round, "{said}");
    }
    assert_eq!(client.settled().counts(), (20, 20, 0, 0));
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let complaints = ended
        .lines()
        .into_iter()
        .filter(|(level, _)| *level != "INFO");
    assert_eq!(complaints.count(), 0, "{}", ended.stderr);
    assert_eq!(says(data_dir.path(), 0)["index"]["state"], "complete");
}

#[test]
fn a_store_that_was_killed_is_told_as_it_lies_there() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(data_dir.path());
    let client = Client::new(server.address);
    publish_batches(&client);
    server.kill();
    let said = says(data_dir.path(), 0);
    assert_eq!(
        (&said["running"], &said["pid"]),
        (&false.into(), &Value::Null)
    );
    assert_eq!(
        (&said["log"]["last_seq"], &said["log"]["ending"]),
        (&30.into(), &"open".into())
    );
    let mut index = said["index"].clone();
    let number = |name: &str| index[name].as_u64().expect("a number");
    assert_eq!(number("flushed_seq") + number("behind"), 30, "{index}");
    let text = shown(data_dir.path(), 0);
    assert!(text.contains("the last run did not stop cleanly"), "{text}");

    // As a copy without SQLite's own file, where a look would make one.
    let copied = tempfile::tempdir().expect("a directory");
    copy(data_dir.path(), copied.path());
    let shm = copied.path().join("index/index.sqlite3-shm");
    fs::remove_file(shm).expect("it is there after a kill");
    let mut of_copy = says(copied.path(), 0)["index"].clone();
    for index in [&mut index, &mut of_copy] {
        index["bytes"] = Value::Null;
    }
    assert_eq!(of_copy, index);

    let last = frames(data_dir.path()).pop().expect("a frame");
    let segment = data_dir.path().join("log").join(&last.segment);
    let mut bytes = fs::read(&segment).expect("the segment");
    let end = last.end();
    bytes[end..end + 40].fill(0xab);
    fs::write(&segment, bytes).expect("the segment");
    assert_eq!(says(data_dir.path(), 0)["log"]["torn_bytes"], 40);
}

#[test]
fn damage_at_the_end_of_the_log_is_told_with_what_stands_before_it() {
    let data_dir = store_of_three_lives();
    let frame = damage(data_dir.path(), 8);
    let said = says(data_dir.path(), 1);
    let told = said["log"]["damage"].as_str().expect("damage");
    assert!(told.contains(&frame.segment), "{told}");
    assert_eq!(said["log"]["last_seq"], 7);
    assert!(shown(data_dir.path(), 1).contains("\nDAMAGE      segment "));

    // An index that saw more than the log has.
    assert_eq!(said["index"]["state"], "beyond_damage");
    let text = shown(data_dir.path(), 1);
    assert!(text.contains("goes on behind the damage"), "{text}");
    assert!(!text.contains("cleanly"), "{text}");
    assert_eq!(said["log"]["ending"], Value::Null);

    // And of one that ends too soon.
    let last = segments(data_dir.path()).pop().expect("a segment");
    fs::remove_file(last).expect("it");
    assert_eq!(says(data_dir.path(), 1)["index"]["state"], "ahead");
    let text = shown(data_dir.path(), 1);
    assert!(
        text.contains("AHEAD of the log, which has lost 3 events"),
        "{text}"
    );

    fs::remove_dir_all(data_dir.path().join("index")).expect("it is there");
    assert_eq!(says(data_dir.path(), 0)["index"]["state"], "none");
}

/// As a volume that is mounted for reading only.
#[test]
fn a_killed_store_that_cannot_be_written_is_read() {
    let mounted = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(mounted.path(), 64 << 10) else {
        return say_skipped("info of a read-only store: no small disk can be mounted");
    };
    let data_dir = mounted.path().join("data");
    let server = Oncelog::start_with(&data_dir, &["--segment-size", "1MiB"]);
    let client = Client::new(server.address);
    publish_batches(&client);
    client.settled();
    server.kill();
    let expected = says(&data_dir, 0);
    disk.remount("ro");
    let said = says(&data_dir, 0);
    for part in ["log", "index"] {
        assert_eq!(said[part], expected[part]);
    }
    let shm = data_dir.join("index/index.sqlite3-shm");
    disk.remount("rw");
    fs::remove_file(shm).expect("it is there after a kill");
    disk.remount("ro");
    assert_eq!(
        says(&data_dir, 0)["index"]["unique"],
        expected["index"]["unique"]
    );
}

#[test]
fn a_rebuild_that_was_stopped_is_told() {
    let data_dir = stopped_store();
    let index = data_dir.path().join("index");
    fs::rename(&index, data_dir.path().join("index.replaced")).expect("a rename");
    let said = says(data_dir.path(), 0);
    assert_eq!(said["rebuild_dirs"], serde_json::json!(["index.replaced"]));
    // It is the one that is used then.
    assert_eq!(said["index"]["state"], "complete");
    let text = shown(data_dir.path(), 0);
    assert!(
        text.contains("is put in order at the next start: index.replaced"),
        "{text}"
    );
}
