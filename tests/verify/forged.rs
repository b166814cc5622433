//! A log that somebody has written anew, with every checksum, seal and seq right, and an index that
//! was made of it: only what publishers were told still knows what had been there.

use std::fs;
use std::path::Path;

use oncelog::event::Event;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Shape};
use crate::forge::forge_log;
use crate::process::{Ended, Oncelog, command, run_command};
use crate::publishing::{Store, publish, real_events};
use crate::scene::{batch_with_each_verdict, says, shown, verify};
use crate::store::segments;

/// Seqs of the real events, of which some were sent twice.
const REAL: u64 = 60;
/// Seqs in all: 12 came over HTTP, in a second life.
const ALL: u64 = 72;

/// Two segments at least, stopped, and a file with what its publishers were told.
struct Promised {
    store: TempDir,
    /// Of `oncelog publish --receipts`, and behind them answers to `?receipts=all`.
    file: String,
    _files: TempDir,
}

/// Fifty real events, ten of them twice, and a repeat and a conflict among twelve more.
fn promised() -> Promised {
    let files = tempfile::tempdir().expect("a directory");
    let path = |name: &str| files.path().join(name).to_str().expect("UTF-8").to_owned();
    let text = fs::read_to_string(real_events()).expect("the real events");
    let events: Vec<&str> = text.lines().take(50).collect();
    let sent = [&events[..], &events[20..30]].concat().join("\n");
    fs::write(path("events"), sent).expect("a file");

    let server = Store::start();
    let arguments = [
        "--batch",
        "7",
        "--receipts",
        &path("receipts"),
        &path("events"),
    ];
    let (summary, _) = publish(&server.url, &arguments, 0);
    assert_eq!(summary.counts(), (REAL, 50, 10, 0, 0));
    let Store {
        data_dir, process, ..
    } = server;
    process.kill();

    let server = Oncelog::start(data_dir.path());
    let client = Client::new(server.address);
    let mut receipts = fs::read_to_string(path("receipts")).expect("receipts");
    for batch in 0..2 {
        let events = batch_with_each_verdict(batch);
        let answer = client.try_publish("?receipts=all", Shape::Array.body(&events));
        receipts += &(answer.expect("an answer").ok().text + "\n");
    }
    fs::write(path("receipts"), receipts).expect("a file");
    assert_eq!(client.settled().received, ALL);
    assert_eq!(server.terminate().code, Some(0));
    assert!(segments(data_dir.path()).len() > 1, "a sealed one");
    Promised {
        store: data_dir,
        file: path("receipts"),
        _files: files,
    }
}

fn rebuild(data_dir: &Path) -> Ended {
    let mut command = command();
    command.args(["rebuild", "--data-dir"]).arg(data_dir);
    run_command(command)
}

impl Promised {
    /// Writes the log anew, and the index of it: then nothing in the store contradicts it.
    #[track_caller]
    fn forge(&self, keep: impl FnMut(u64, &mut Event<'_>) -> bool) {
        let data_dir = self.store.path();
        forge_log(data_dir, keep);
        // The index that was there knows better, as long as it is there.
        let ended = verify(data_dir, &[]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        fs::remove_dir_all(data_dir.join("index")).expect("the index");
        let rebuilt = rebuild(data_dir);
        assert_eq!(rebuilt.code, Some(0), "{}", rebuilt.stderr);
        let said = says(data_dir, &[], 0);
        assert_eq!(
            (&said["index"]["state"], &said["log"]["wrong_total"]),
            (&json!("equal"), &json!(0))
        );
    }

    /// The receipts that do not hold, and how many there are.
    #[track_caller]
    fn broken(&self) -> (Vec<Value>, u64) {
        let said = says(self.store.path(), &["--receipts", &self.file], 1)["receipts"].take();
        assert_eq!(said["total"], ALL);
        let total = said["broken_total"].as_u64().expect("a number");
        assert_eq!(said["proven"], ALL - total);
        (said["broken"].as_array().expect("them").clone(), total)
    }

    /// What was promised of this seq, and the line in which that stands.
    fn receipt(&self, seq: u64) -> (Value, usize) {
        let text = fs::read_to_string(&self.file).expect("receipts");
        for (number, line) in text.lines().enumerate() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let one = std::slice::from_ref(&line);
            let all = line["receipts"].as_array().map_or(one, Vec::as_slice);
            if let Some(receipt) = all.iter().find(|receipt| receipt["seq"] == seq) {
                return (receipt.clone(), number + 1);
            }
        }
        panic!("no receipt of seq {seq}");
    }

    /// This one of those that are broken is the promise of this seq.
    #[track_caller]
    fn assert_named(&self, broken: &Value, seq: u64, kind: &str) {
        let (receipt, line) = self.receipt(seq);
        for member in ["topic", "event_id", "payload_digest", "seq", "verdict"] {
            assert_eq!(broken[member], receipt[member], "{member} of seq {seq}");
        }
        assert_eq!(
            (&broken["kind"], &broken["line"]),
            (&json!(kind), &json!(line))
        );
    }
}

#[test]
fn nothing_is_broken_as_long_as_nobody_forges() {
    let promised = promised();
    let said = says(promised.store.path(), &["--receipts", &promised.file], 0);
    assert_eq!(
        (&said["receipts"]["proven"], &said["receipts"]["total"]),
        (&ALL.into(), &ALL.into())
    );
    // Nor by writing the log anew as it was.
    forge_log(promised.store.path(), |_, _| true);
    let said = says(promised.store.path(), &["--receipts", &promised.file], 0);
    assert_eq!(said["receipts"]["proven"], ALL);
}

#[test]
fn the_last_acknowledged_event_removed_is_named_and_no_other() {
    let promised = promised();
    promised.forge(|seq, _| seq != ALL);
    let (broken, total) = promised.broken();
    assert_eq!(total, 1);
    promised.assert_named(&broken[0], ALL, "beyond_end");
    let text = shown(promised.store.path(), &["--receipts", &promised.file], 1);
    let expected = "
receipts    71 of 72 hold, 1 DO NOT
BROKEN      line 62: conflict as seq 72, of 68, topic \"orders\", event_id \"1-1\": the log ends \
with seq 71
verified    NOT WELL: a receipt does not hold
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn an_event_removed_from_the_middle_is_named_first_and_all_that_moved_up_are_counted() {
    for removed in [1, 9, REAL, REAL + 1] {
        let promised = promised();
        promised.forge(|seq, _| seq != removed);
        let (broken, total) = promised.broken();
        assert_eq!(total, ALL + 1 - removed, "of {removed}");
        promised.assert_named(&broken[0], removed, "other_event");
        let last = broken.last().expect("one");
        promised.assert_named(last, ALL, "beyond_end");
    }
}

/// Another one in its place keeps all seqs: then only its own promise is broken.
#[test]
fn an_event_that_was_exchanged_is_named_and_no_other() {
    let promised = promised();
    promised.forge(|seq, event| {
        if seq == 33 {
            event.event_id = "nobody sent it".into();
        }
        true
    });
    let (broken, total) = promised.broken();
    assert_eq!(total, 1);
    promised.assert_named(&broken[0], 33, "other_event");
}

#[test]
fn a_payload_that_was_changed_is_named_with_the_verdicts_that_hang_on_it() {
    let promised = promised();
    let (first, another) = (62, 66);
    promised.forge(|seq, event| {
        if seq == first {
            event.payload = br#"{"n": 2}"#;
        }
        true
    });
    // The conflict with what it was is a duplicate of what it is.
    let (broken, total) = promised.broken();
    assert_eq!(total, 2, "{broken:?}");
    promised.assert_named(&broken[0], first, "other_payload");
    promised.assert_named(&broken[1], another, "other_verdict");
}

/// A server that loses events and gives their seqs to others cannot answer for them.
#[test]
fn an_index_that_still_knows_keeps_a_rebuild_from_hiding_it() {
    let promised = promised();
    forge_log(promised.store.path(), |seq, _| seq != ALL);
    let ended = rebuild(promised.store.path());
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let said = "the log ends with seq 71 and its index was flushed up to seq 72";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn receipts_of_another_log_with_the_same_events_do_not_hold() {
    let (promised, other) = (promised(), promised());
    let said = says(promised.store.path(), &["--receipts", &other.file], 1);
    let said = &said["receipts"];
    // Answers do not say of which log they are.
    assert_eq!(
        (&said["broken_total"], &said["proven"]),
        (&REAL.into(), &(ALL - REAL).into())
    );
    let broken = said["broken"].as_array().expect("them");
    assert!(broken.iter().all(|one| one["kind"] == "other_log"));
    assert_eq!(broken[0]["seq"], 1);
}
