//! Stores to verify, and what is said of them.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, Shape, event};
use crate::process::{Ended, Oncelog, command, run_command};
use crate::tree::{assert_same, tree};

pub(super) fn verify(data_dir: &Path, options: &[&str]) -> Ended {
    let mut command = command();
    command.arg("verify").arg("--data-dir").arg(data_dir);
    command.args(options);
    run_command(command)
}

/// What it says with `--json`; it must end with this code, and change nothing.
#[track_caller]
pub(super) fn says(data_dir: &Path, options: &[&str], code: i32) -> Value {
    let before = tree(data_dir);
    let ended = verify(data_dir, &[&["--json"], options].concat());
    assert_same(&before, data_dir);
    let text = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.code, Some(code), "{text}{}", ended.stderr);
    serde_json::from_str(&text).expect("JSON")
}

/// What it says to people, without what differs from store to store.
#[track_caller]
pub(super) fn shown(data_dir: &Path, options: &[&str], code: i32) -> String {
    let before = tree(data_dir);
    let ended = verify(data_dir, options);
    assert_same(&before, data_dir);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    assert_eq!(ended.code, Some(code), "{text}{}", ended.stderr);
    let lines = text.lines().map(|line| match line {
        line if line.starts_with("log ") => "log         <id>".to_owned(),
        line if line.contains(" fold_hash ") => "            fold_hash <hash>".to_owned(),
        line if line.contains(" good frames of ") => {
            let (segments, _) = line.split_once(", ").expect("segments");
            format!("{segments}, <n> good frames of <bytes>")
        }
        line => line.to_owned(),
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// Six batches of ten: of each, one event is sent twice, and one with another payload. Stopped.
pub(super) fn mixed_store() -> TempDir {
    let data_dir = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(data_dir.path());
    publish(&Client::new(server.address), 0..6);
    assert_eq!(server.terminate().code, Some(0));
    data_dir
}

pub(super) fn publish(client: &Client, batches: std::ops::Range<u64>) {
    for batch in batches {
        let id = |place: u64| format!("{batch}-{place}");
        let mut events: Vec<String> = (0..8)
            .map(|place| event("orders", &id(place), r#"{"n": 1}"#))
            .collect();
        events.push(events[0].clone());
        events.push(event("orders", &id(1), r#"{"n": 2}"#));
        client.publish(Shape::Array.body(&events));
    }
}

/// Six events with ids of this batch: four new ones, one again in other words, and one of another
/// payload.
pub(crate) fn batch_with_each_verdict(batch: u32) -> Vec<String> {
    let id = |place: u32| format!("{batch}-{place}");
    let mut events: Vec<String> = (0..4)
        .map(|place| event("orders", &id(place), r#"{"n": 1}"#))
        .collect();
    events.push(event("orders", &id(0), r#"{"n": 1.0}"#));
    events.push(event("orders", &id(1), r#"{"n": 2}"#));
    events
}
