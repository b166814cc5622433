//! A store of several segments with repeats and conflicts, and what repairing it gives.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, Shape, ShownEvent, event};
use crate::dump::{dump, events_and_damages};
use crate::process::{Ended, Oncelog, command, run_command};
use crate::tree::{assert_same, copy, names, tree};

/// A store that does not run: three lives of three batches of ten, seqs 1 to 90.
pub(super) struct Scene {
    directory: TempDir,
}

impl Scene {
    pub(super) fn new() -> Scene {
        static MADE: OnceLock<TempDir> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let directory = tempfile::tempdir().expect("a directory");
            for life in 0..3 {
                let server = Oncelog::start(directory.path());
                let client = Client::new(server.address);
                publish(&client, life * 3..life * 3 + 3);
                client.settled();
                match life {
                    2 => assert_eq!(server.terminate().code, Some(0)),
                    _ => drop(server.kill()),
                }
            }
            directory
        });
        let directory = tempfile::tempdir().expect("a directory");
        copy(made.path(), directory.path());
        Scene { directory }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it and holds it against itself: these seqs, `[first, last]`, are lost. Their ids are
    /// sent again then, and new ones.
    #[track_caller]
    pub(super) fn assert_serves(&self, data_dir: &Path, lost: &[(u64, u64)]) {
        let lost_seqs: Vec<u64> = lost
            .iter()
            .flat_map(|(first, last)| *first..=*last)
            .collect();
        let server = Oncelog::start(data_dir);
        let client = Client::new(server.address);
        let stats = client.settled();
        assert_eq!(stats.lost, lost_seqs.len() as u64);
        let judged = stats.unique_processed + stats.duplicate_dropped + stats.lost;
        assert_eq!(stats.received, judged + stats.pending);
        for seq in &lost_seqs {
            let answer = client.get(&format!("/events/{seq}"));
            assert_eq!(answer.status, 410, "{seq}: {}", answer.text);
            let problem: Value = answer.parse();
            assert_eq!(problem["code"], "lost", "{}", answer.text);
        }
        assert_told_as_lost(data_dir, lost);
        let mut due = stats.received + 1;
        let receipt = client.publish(event("orders", "one more", r#"{"n": 3}"#));
        assert_eq!((receipt.first_seq, receipt.unique), (due, 1));
        due += 1;
        // All of what is lost may be sent again.
        let batches = lost_seqs
            .iter()
            .map(|seq| (seq - 1) / 10)
            .filter(|batch| *batch < 9);
        let batches: std::collections::BTreeSet<u64> = batches.collect();
        for batch in batches {
            let receipt = publish(&client, batch..batch + 1);
            assert_eq!(receipt.first_seq, due);
            due += 10;
            let whole = (batch * 10 + 1..=batch * 10 + 10).all(|seq| lost_seqs.contains(&seq));
            assert_eq!(receipt.unique, if whole { 8 } else { 0 }, "batch {batch}");
        }
        assert_eq!(server.terminate().code, Some(0));
    }
}

/// What these seqs are to `why`, of a store that runs: in a hole, and none that never arrived.
#[track_caller]
fn assert_told_as_lost(data_dir: &Path, lost: &[(u64, u64)]) {
    for seq in lost.iter().flat_map(|(first, last)| [*first, *last]) {
        let said = why(data_dir, &["--seq", &seq.to_string()]);
        assert_eq!(said["outcome"], "lost", "seq {seq}: {said}");
        let hole = &said["lost"]["hole"];
        let [first, last] = ["first_seq", "last_seq"].map(|name| hole[name].as_u64());
        assert!(first <= Some(seq) && Some(seq) <= last, "seq {seq}: {said}");
    }
    let count: u64 = lost.iter().map(|(first, last)| last + 1 - first).sum();
    let said = why(data_dir, &["nobody sent it"]);
    assert_eq!(said["lost_total"], count, "{said}");
}

/// What `why` says of what is not there.
#[track_caller]
pub(super) fn why(data_dir: &Path, asked: &[&str]) -> Value {
    let mut command = command();
    command.args(["why", "--json", "--data-dir"]).arg(data_dir);
    command.args(asked);
    let ended = run_command(command);
    let text = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.code, Some(1), "{asked:?}: {text}{}", ended.stderr);
    serde_json::from_str(&text).expect("JSON")
}

/// Batches of ten: of each, one event is sent twice, and one with another payload.
pub(super) fn publish(client: &Client, batches: Range<u64>) -> crate::client::Receipt {
    let mut last = None;
    for batch in batches {
        let id = |place: u64| format!("{batch}-{place}");
        let mut events: Vec<String> = (0..8)
            .map(|place| event("orders", &id(place), r#"{"n": 1}"#))
            .collect();
        events.push(events[0].clone());
        events.push(event("orders", &id(1), r#"{"n": 2}"#));
        last = Some(client.publish(Shape::Array.body(&events)));
    }
    last.expect("a batch")
}

pub(super) fn repair(data_dir: &Path, options: &[&str]) -> Ended {
    let mut command = command();
    command.args(["repair", "--data-dir"]).arg(data_dir);
    command.args(options);
    run_command(command)
}

/// What it says with `--json`; it must end with this code, and change nothing without `--yes`.
#[track_caller]
pub(super) fn says(data_dir: &Path, options: &[&str], code: i32) -> Value {
    let before = (!options.contains(&"--yes")).then(|| tree(data_dir));
    let ended = repair(data_dir, &[&["--json"], options].concat());
    if let Some(before) = before {
        assert_same(&before, data_dir);
    }
    let text = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.code, Some(code), "{text}{}", ended.stderr);
    serde_json::from_str(&text).expect("JSON")
}

/// What it says to people, without what differs from store to store.
#[track_caller]
pub(super) fn shown(data_dir: &Path, options: &[&str], code: i32) -> String {
    let ended = repair(data_dir, options);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    assert_eq!(ended.code, Some(code), "{text}{}", ended.stderr);
    let text = text.replace(&data_dir.display().to_string(), "<dir>");
    let lines = text
        .lines()
        .map(|line| match line.split_once("set-aside-") {
            _ if line.starts_with("log ") => "log         <id>".to_owned(),
            _ if line.starts_with("oncelog ") => "oncelog     <version>".to_owned(),
            _ if line.ends_with(" are free") => "            <room>".to_owned(),
            Some((before, _)) => format!("{before}<set-aside>"),
            None => line.to_owned(),
        });
    lines.map(|line| format!("{line}\n")).collect()
}

/// The one directory with what was set aside.
#[track_caller]
pub(super) fn set_aside(data_dir: &Path) -> PathBuf {
    let mut names = names(data_dir);
    names.retain(|name| name.starts_with("set-aside"));
    assert_eq!(names.len(), 1, "{names:?}");
    data_dir.join(&names[0])
}

/// The events that can be read, by seq, however damaged the log is.
pub(super) fn events(data_dir: &Path) -> BTreeMap<u64, (String, String)> {
    let ended = dump(data_dir, &["--json"]);
    let holes_apart = ended.stdout.split(|byte| *byte == b'\n');
    let lines: Vec<&[u8]> = holes_apart
        .filter(|line| !String::from_utf8_lossy(line).contains(r#""verdict":"lost""#))
        .collect();
    let without_holes = Ended {
        stdout: lines.join(&b'\n'),
        ..ended
    };
    let (events, _) = events_and_damages(&without_holes);
    let known = |event: ShownEvent| (event.seq, (event.event_id, event.payload.get().to_owned()));
    events.into_iter().map(known).collect()
}

/// The seqs that `verify` calls intact.
pub(super) fn intact(data_dir: &Path) -> Vec<u64> {
    let mut command = command();
    command.args(["verify", "--log-only", "--json", "--data-dir"]);
    let ended = run_command({
        command.arg(data_dir);
        command
    });
    let said: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    let ranges = said["log"]["intact"]["ranges"].as_array().expect("ranges");
    let seq = |range: &Value, name: &str| range[name].as_u64().expect("a seq");
    let seqs = ranges
        .iter()
        .flat_map(|range| seq(range, "first_seq")..=seq(range, "last_seq"));
    seqs.collect()
}

/// The holes that were made, `[first, last]`.
pub(super) fn lost(said: &Value) -> Vec<(u64, u64)> {
    let ranges = said["lost"]["ranges"].as_array().expect("ranges");
    let seq = |range: &Value, name: &str| range[name].as_u64().expect("a seq");
    let pair = |range| (seq(range, "first_seq"), seq(range, "last_seq"));
    ranges.iter().map(pair).collect()
}

/// A file with other bytes.
pub(super) fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a file");
    change(&mut bytes);
    fs::write(path, bytes).expect("it can be written");
}
