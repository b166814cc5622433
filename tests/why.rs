//! Risk: `oncelog why` says of an event what is not so: that it has never arrived, or was kept, or
//! that an answer takes all of the log, or a change to the store.
//!
//! The files in `tests/data/why` are what it printed; `UPDATE_SNAPSHOTS=1` writes them anew.

#[path = "support/client.rs"]
mod client;
#[path = "why/damaged.rs"]
mod damaged;
#[path = "support/dump.rs"]
mod dump;
#[path = "why/golden.rs"]
mod golden;
#[path = "support/process.rs"]
mod process;
#[path = "support/snapshot.rs"]
mod snapshot;
#[path = "why/states.rs"]
mod states;
#[path = "support/store.rs"]
mod store;
#[path = "support/tree.rs"]
mod tree;

use std::fs;
use std::path::Path;

use client::{Client, Shape, event};
use process::{Ended, Oncelog, command, run_command};
use serde_json::Value;
use snapshot::is_as_before;
use tempfile::TempDir;
use tree::{assert_same, copy, tree};

fn why(data_dir: &Path, asked: &[&str]) -> Ended {
    let mut command = command();
    command.arg("why").args(asked);
    command.arg("--data-dir").arg(data_dir);
    run_command(command)
}

/// What it says to people; it must end with this code, and change nothing.
#[track_caller]
fn text(data_dir: &Path, asked: &[&str], code: i32) -> String {
    let before = tree(data_dir);
    let ended = why(data_dir, asked);
    assert_same(&before, data_dir);
    assert_eq!(ended.code, Some(code), "{asked:?}: {}", ended.stderr);
    String::from_utf8(ended.stdout).expect("UTF-8")
}

/// What it says with `--json`, likewise.
#[track_caller]
fn says(data_dir: &Path, asked: &[&str], code: i32) -> Value {
    let asked = [asked, &["--json"]].concat();
    serde_json::from_str(&text(data_dir, &asked, code)).expect("JSON")
}

/// Seq and verdict of each arrival of the key at this place.
fn arrivals(said: &Value, key: usize) -> Vec<(u64, String)> {
    let arrivals = said["keys"][key]["arrivals"].as_array();
    let arrival = |one: &Value| {
        let verdict = one["verdict"].as_str().expect("a verdict");
        (one["seq"].as_u64().expect("a seq"), verdict.to_owned())
    };
    arrivals.expect("arrivals").iter().map(arrival).collect()
}

fn with_source(event: &str, more: &str) -> String {
    event.replacen('{', &format!("{{{more},"), 1)
}

/// An id in two topics; in one of them it came again as it was, in other words, and with another
/// payload.
fn publish_lives(client: &Client) {
    let first = r#"{"total":12.5,"items":[1,2,3],"note":"first"}"#;
    let again = event("orders", "a-1", first);
    let another = r#"{"total":13,"items":[1,2,3,4],"new":{"deep":true},"note":"first"}"#;
    let other_words = r#"{ "note": "\u0066irst", "items": [1, 2, 3.0], "total": 125e-1 }"#;
    let stamped = with_source(
        &again,
        r#""source":"billing-1","timestamp":"2026-01-01T00:00:00Z""#,
    );
    for batch in [
        vec![
            stamped,
            event("orders", "a-2", "1"),
            event("audit", "a-1", r#""x""#),
        ],
        vec![again],
        vec![
            with_source(&event("orders", "a-1", another), r#""source":"billing-2""#),
            event("orders", "a-3", "1"),
        ],
        vec![event("orders", "a-1", other_words)],
    ] {
        client.publish(Shape::Array.body(&batch));
    }
}

/// The same, stopped.
fn lives() -> TempDir {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    publish_lives(&Client::new(process.address));
    assert_eq!(process.terminate().code, Some(0));
    data_dir
}

/// Without what differs from run to run, a member a line.
fn masked_json(mut said: Value) -> String {
    for key in said["keys"].as_array_mut().expect("keys") {
        for arrival in key["arrivals"].as_array_mut().expect("arrivals") {
            arrival["batch"]["offset"] = "*".into();
        }
    }
    serde_json::to_string_pretty(&said).expect("JSON") + "\n"
}

#[test]
fn what_each_question_is_answered_is_what_it_was_before() {
    let store = lives();
    for (name, asked, code) in [
        ("id.txt", &["a-1"][..], 0),
        ("topic.txt", &["a-1", "--topic", "audit"], 0),
        ("once.txt", &["a-3"], 0),
        ("seq.txt", &["--seq", "5"], 0),
        ("never.txt", &["a-9"], 1),
        ("never-in-topic.txt", &["a-2", "--topic", "audit"], 1),
        ("never-of-source.txt", &["a-2", "--source", "billing-1"], 1),
        ("not-given.txt", &["--seq", "8"], 1),
    ] {
        is_as_before("why", name, text(store.path(), asked, code).as_bytes());
    }
    for (name, asked, code) in [
        ("seq.json", &["--seq", "5"][..], 0),
        ("never.json", &["a-2", "--topic", "audit"], 1),
        ("not-given.json", &["--seq", "8"], 1),
    ] {
        let said = masked_json(says(store.path(), asked, code));
        is_as_before("why", name, said.as_bytes());
    }
}

#[test]
fn without_an_index_the_answer_is_the_same_and_it_is_said_that_all_of_the_log_is_read() {
    let store = lives();
    let without = tempfile::tempdir().expect("a directory");
    copy(&store.path().join("log"), &without.path().join("log"));
    for (asked, code) in [
        (&["a-1"][..], 0),
        (&["a-1", "--topic", "orders"], 0),
        (&["a-1", "--topic", "audit"], 0),
        (&["--seq", "3"], 0),
        (&["--seq", "4"], 0),
        (&["a-9"], 1),
        (&["a-2", "--topic", "audit"], 1),
    ] {
        let [mut with, mut said] =
            [store.path(), without.path()].map(|store| says(store, asked, code));
        assert_eq!(
            (&with["flushed_seq"], &said["flushed_seq"]),
            (&7.into(), &Value::Null)
        );
        for said in [&mut with, &mut said] {
            said["flushed_seq"] = Value::Null;
            for key in said["keys"].as_array_mut().expect("keys") {
                for arrival in key["arrivals"].as_array_mut().expect("arrivals") {
                    arrival["applied"] = Value::Null;
                    arrival["flushed"] = Value::Null;
                }
            }
        }
        assert_eq!(with, said, "{asked:?}");
        assert_eq!(why(store.path(), asked).stderr, "");
        let noted = "oncelog: note: no index: reading the whole log\n";
        assert_eq!(why(without.path(), asked).stderr, noted);
    }
    let said = text(without.path(), &["a-3"], 0);
    assert!(said.contains("was read without an index"), "{said}");
}

#[test]
fn a_conflict_is_told_by_pointers_and_bounded() {
    let store = lives();
    let said = says(store.path(), &["--seq", "5"], 0);
    let differs = &said["keys"][0]["arrivals"][2]["differs"];
    let place = |pointer: &str, first: Option<&str>, other: Option<&str>| {
        let excerpt = |text: &str| serde_json::json!({ "text": text, "bytes": text.len() });
        serde_json::json!({
            "pointer": excerpt(pointer),
            "first": first.map(excerpt),
            "other": other.map(excerpt),
        })
    };
    let expected = serde_json::json!({
        "kind": "json",
        "total": 3,
        "places": [
            place("/items/3", None, Some("4")),
            place("/new", None, Some(r#"{"deep":true}"#)),
            place("/total", Some("12.5"), Some("13")),
        ],
    });
    assert_eq!(*differs, expected);

    let large = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(large.path());
    let client = Client::new(process.address);
    for number in [1, 2] {
        let list = vec![format!("\"{}\"", number.to_string().repeat(5000)); 500];
        client.publish(event("t", "1", &format!("[{}]", list.join(","))));
    }
    assert_eq!(process.terminate().code, Some(0));
    let told = text(large.path(), &["1"], 0);
    assert!(told.len() < 16 << 10, "{}", told.len());
    assert!(
        told.contains("(5002 bytes)") && told.contains("and in 480 more places"),
        "{told}"
    );
}

#[test]
fn of_many_topics_and_many_arrivals_as_many_are_told_as_were_asked_for() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    let topics: Vec<String> = (0..30)
        .map(|topic| event(&format!("topic-{topic}"), "1", "1"))
        .collect();
    client.publish(Shape::Array.body(&topics));
    for _ in 0..10 {
        client.publish(Shape::Array.body(&vec![event("topic-1", "1", "1"); 5]));
    }
    assert_eq!(process.terminate().code, Some(0));
    let without = tempfile::tempdir().expect("a directory");
    copy(&data_dir.path().join("log"), &without.path().join("log"));
    for store in [data_dir.path(), without.path()] {
        let said = says(store, &["1", "--limit", "3"], 0);
        assert_eq!(said["keys_total"], 30);
        let keys = said["keys"].as_array().expect("keys");
        let topics: Vec<&Value> = keys.iter().map(|key| &key["topic"]).collect();
        assert_eq!(topics, ["topic-0", "topic-1", "topic-2"]);
        assert_eq!(said["keys"][1]["arrivals_total"], 51);
        assert_eq!(said["keys"][1]["duplicates"], 50);
        let told: Vec<u64> = arrivals(&said, 1).into_iter().map(|(seq, _)| seq).collect();
        assert_eq!(told, [2, 31, 32]);
        let told = text(store, &["1", "--limit", "3"], 0);
        assert!(
            told.contains("and 48 more arrivals, the last one with seq 80"),
            "{told}"
        );
        assert!(told.contains("and in 27 more topics"), "{told}");

        // The one that is asked about is always told.
        let said = says(store, &["--seq", "77", "--limit", "1"], 0);
        assert_eq!(arrivals(&said, 0).len(), 2);
        let asked = &said["keys"][0]["arrivals"][1];
        assert_eq!((&asked["seq"], &asked["asked"]), (&77.into(), &true.into()));
    }
}

#[test]
fn what_cannot_be_asked_is_refused_and_what_is_no_store_is_one_line() {
    let store = lives();
    for asked in [
        &[][..],
        &["--seq", "0"],
        &["--seq", "x"],
        &["a-1", "--seq", "1"],
        &["a-1", "--topic", "t", "--source", "s"],
        &["--seq", "1", "--topic", "t"],
        &["a-1", "--limit", "0"],
        &["a-1", "a-2"],
    ] {
        let ended = why(store.path(), asked);
        assert_eq!(ended.code, Some(2), "{asked:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty());
    }
    let parent = tempfile::tempdir().expect("a directory");
    fs::write(parent.path().join("file"), "mine").expect("a file");
    fs::create_dir(parent.path().join("empty")).expect("a directory");
    for name in ["missing", "empty", "file"] {
        let path = parent.path().join(name);
        let ended = why(&path, &["a-1"]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.stderr);
        assert_eq!(
            (ended.stdout.len(), ended.stderr.lines().count()),
            (0, 1),
            "{}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains(&*path.to_string_lossy()),
            "{}",
            ended.stderr
        );
    }
}
