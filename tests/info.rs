//! `oncelog info` as operators use it: what a store has and how it is, of one that runs, was
//! stopped or killed, or is none; and nothing is changed by asking.

mod support {
    pub mod client;
    pub mod dump;
    pub mod mount;
    pub mod process;
    pub mod skipped;
    pub mod store;
    pub mod tree;
}

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use support::client::{Client, event};
use support::mount::SmallDisk;
use support::process::{Ended, Oncelog, command, run_command};
use support::skipped::say_skipped;
use support::store::{damage, frames, publish_batches, stopped_store, store_of_three_lives};
use support::tree::{assert_same, copy, tree};

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
    assert_eq!(said["index"]["state"], "ahead");
    let text = shown(data_dir.path(), 1);
    assert!(
        text.contains("AHEAD of the log, which has lost 2 events"),
        "{text}"
    );

    fs::remove_dir_all(data_dir.path().join("index")).expect("it is there");
    assert_eq!(says(data_dir.path(), 1)["index"]["state"], "none");
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
fn an_index_of_no_use_is_told_by_its_kind() {
    let data_dir = stopped_store();
    let database = data_dir.path().join("index/index.sqlite3");
    let sql = |sql: &str| {
        let connection = Connection::open(&database).expect("a database");
        connection
            .execute_batch(sql)
            .expect("it can be meddled with");
    };
    let whole = fs::read(&database).expect("the database");
    sql("PRAGMA user_version = 2");
    assert_eq!(says(data_dir.path(), 0)["index"]["state"], "other_version");
    fs::write(&database, &whole).expect("the database");
    sql("DELETE FROM topics WHERE no = 2");
    assert_eq!(says(data_dir.path(), 1)["index"]["state"], "damaged");
    fs::write(&database, [7; 8192]).expect("the database");
    let said = says(data_dir.path(), 1);
    assert_eq!(said["index"]["state"], "damaged");
    assert_eq!(said["log"]["last_seq"], 30);

    let other = stopped_store();
    fs::copy(other.path().join("index/index.sqlite3"), &database).expect("a copy");
    let said = says(data_dir.path(), 1);
    assert_eq!(said["index"]["state"], "other_log");
    assert_eq!(said["index"]["why"], "the index belongs to another log");

    fs::remove_dir_all(data_dir.path().join("index")).expect("it is there");
    assert_eq!(says(data_dir.path(), 0)["index"]["state"], "none");
    let text = shown(data_dir.path(), 0);
    assert!(
        text.contains("index       none; the next start makes it anew"),
        "{text}"
    );
}

#[test]
fn what_is_no_store_gets_one_line_and_2() {
    let parent = tempfile::tempdir().expect("a directory");
    let file = parent.path().join("file");
    fs::write(&file, "mine").expect("a file");
    fs::create_dir(parent.path().join("empty")).expect("a directory");
    let other = parent.path().join("other");
    fs::create_dir_all(other.join("log")).expect("a directory");
    fs::write(other.join("log/syslog"), "mine").expect("a file");
    let newer = stopped_store();
    let meta = newer.path().join("log/log.meta");
    let mut bytes = fs::read(&meta).expect("log.meta");
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..44]);
    bytes[44..].copy_from_slice(&crc.to_le_bytes());
    fs::write(&meta, bytes).expect("log.meta");
    copy(newer.path(), &parent.path().join("newer"));

    let before = tree(parent.path());
    for name in ["missing", "empty", "other", "file", "newer"] {
        let path = parent.path().join(name);
        let ended = info(&path, &[]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.stderr);
        assert!(ended.stdout.is_empty());
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        let named = path.to_string_lossy();
        assert!(ended.stderr.contains(&*named), "{}", ended.stderr);
    }
    assert_same(&before, parent.path());
}

#[test]
fn without_the_rights_one_line_says_so() {
    if rustix::process::geteuid().is_root() {
        return say_skipped("info without rights: root has all of them");
    }
    let data_dir = stopped_store();
    let mode = |name: &str, mode| {
        let path = data_dir.path().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("an own file");
    };
    mode("index", 0);
    assert_eq!(info(data_dir.path(), &[]).code, Some(2));
    mode("index", 0o755);
    mode("log", 0);
    let ended = info(data_dir.path(), &[]);
    mode("log", 0o755);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1));
}

#[test]
fn a_rebuild_that_was_stopped_is_told() {
    let data_dir = stopped_store();
    let index = data_dir.path().join("index");
    fs::rename(&index, data_dir.path().join("index.replaced")).expect("a rename");
    let said = says(data_dir.path(), 0);
    assert_eq!(said["rebuild_dirs"], serde_json::json!(["index.replaced"]));
    assert_eq!(said["index"]["state"], "none");
    let text = shown(data_dir.path(), 0);
    assert!(
        text.contains("is put in order at the next start: index.replaced"),
        "{text}"
    );
}
