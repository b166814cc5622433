//! What publishers were told: proved where it holds, and named where it does not.

use std::fs::{self, File};
use std::path::Path;

use oncelog::event::Seq;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Shape, event};
use crate::forge::forge;
use crate::process::{Ended, Oncelog, command, run, run_command};
use crate::scene::{batch_with_each_verdict, mixed_store, says, shown, verify};
use crate::store::{damage, segments};

/// A store that was stopped, and all that its publishers were told.
struct Told {
    store: TempDir,
    /// As `oncelog publish` saves them.
    saved: Vec<Value>,
    /// Whole answers.
    answers: Vec<String>,
}

/// Five batches of six events: in each a repeat, and an id with another payload.
fn told() -> Told {
    let store = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(store.path());
    let client = Client::new(server.address);
    let mut answers = Vec::new();
    for batch in 0..5 {
        let events = batch_with_each_verdict(batch);
        let answer = client.try_publish("?receipts=all", Shape::Array.body(&events));
        answers.push(answer.expect("an answer").ok().text);
    }
    // Durable, and not judged yet.
    let pending = client.try_publish("?receipts=all&wait=durable", event("orders", "p", "1"));
    let pending = pending.expect("an answer");
    assert_eq!(pending.status, 202);
    answers.push(pending.text);
    client.settled();
    let log_id = says_log_id(store.path());
    assert_eq!(server.terminate().code, Some(0));
    let receipts = answers.iter().flat_map(|answer| {
        let mut answer: Value = serde_json::from_str(answer).expect("JSON");
        let receipts = answer["receipts"].take();
        receipts.as_array().expect("receipts").clone()
    });
    let saved = receipts.map(|mut receipt| {
        receipt["log_id"] = json!(log_id);
        receipt
    });
    Told {
        saved: saved.collect(),
        store,
        answers,
    }
}

fn says_log_id(data_dir: &Path) -> String {
    let ended = verify(data_dir, &["--json", "--log-only"]);
    let said: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    said["log"]["log_id"].as_str().expect("an id").to_owned()
}

fn lines(of: impl IntoIterator<Item = impl ToString>) -> String {
    let lines = of.into_iter().map(|line| line.to_string() + "\n");
    lines.collect()
}

impl Told {
    /// Verifies with these lines.
    #[track_caller]
    fn says(&self, receipts: &str, code: i32) -> Value {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), receipts).expect("a file");
        let name = file.path().to_str().expect("UTF-8");
        says(self.store.path(), &["--receipts", name], code)["receipts"].take()
    }

    #[track_caller]
    fn refuses(&self, receipts: &[u8]) -> Ended {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), receipts).expect("a file");
        let name = file.path().to_str().expect("UTF-8");
        let ended = verify(self.store.path(), &["--receipts", name]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stdout.is_empty());
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
        ended
    }
}

#[test]
fn what_was_told_holds_in_any_form_and_order() {
    let told = told();
    let held = json!({
        "total": 31,
        "proven": 31,
        "pending": 1,
        "broken_total": 0,
        "broken": [],
        "cut_line": null,
    });
    let saved = lines(&told.saved);
    assert_eq!(told.says(&saved, 0), held);
    assert_eq!(told.says(&lines(&told.answers), 0), held);
    assert_eq!(told.says(&lines(told.saved.iter().rev()), 0), held);
    // Both, and none, and the last line without its end.
    let both = [saved.trim_end(), "\n\n", &lines(&told.answers)].concat();
    assert_eq!(told.says(&both, 0)["proven"], 62);
    assert_eq!(told.says("", 0)["total"], 0);
    assert_eq!(told.says(saved.trim_end(), 0), held);

    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &saved).expect("a file");
    let mut piped = command();
    piped.args(["verify", "--receipts", "-", "--data-dir"]);
    piped.arg(told.store.path());
    piped.stdin(File::open(file.path()).expect("a file"));
    let ended = run_command(piped);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let expected = "receipts    31 of 31 hold (1 of them promise no verdict)\n\
        verified    all is well\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn each_part_of_a_promise_is_proved() {
    let told = told();
    let digest = "0123456789abcdef0123456789abcdef";
    for (member, value, kind) in [
        ("log_id", json!(digest), "other_log"),
        ("seq", json!(32), "beyond_end"),
        ("seq", json!(u64::MAX), "beyond_end"),
        ("seq", json!(8), "other_event"),
        ("topic", json!("order"), "other_event"),
        ("event_id", json!("1-1"), "other_event"),
        ("payload_digest", json!(digest), "other_payload"),
        ("verdict", json!("duplicate"), "other_verdict"),
        ("original_seq", json!(1), "other_verdict"),
    ] {
        let mut receipts = told.saved.clone();
        receipts[6][member] = value.clone();
        let said = told.says(&lines(&receipts), 1);
        assert_eq!((&said["total"], &said["proven"]), (&json!(31), &json!(30)));
        assert_eq!(said["broken_total"], 1);
        let broken = &said["broken"][0];
        assert_eq!(
            (&broken["kind"], &broken["line"]),
            (&json!(kind), &json!(7))
        );
        for promised in ["topic", "event_id", "payload_digest", "verdict", "seq"] {
            assert_eq!(broken[promised], receipts[6][promised], "{kind}");
        }
    }
    let mut receipts = told.saved.clone();
    for (place, seq) in [(3, 40), (6, 50), (9, 50)] {
        receipts[place]["seq"] = json!(seq);
    }
    let said = told.says(&lines(&receipts), 1);
    assert_eq!(
        (&said["total"], &said["broken_total"]),
        (&json!(31), &json!(3))
    );
    // Whatever the verdict on a pending one is, its event was promised.
    let mut receipts = told.saved.clone();
    assert_eq!(receipts[30]["verdict"], "pending");
    receipts[30]["event_id"] = json!("other");
    assert_eq!(
        told.says(&lines(&receipts), 1)["broken"][0]["kind"],
        "other_event"
    );
}

#[test]
fn what_is_damaged_breaks_what_was_promised_of_it() {
    let told = told();
    damage(told.store.path(), 15);
    let said = told.says(&lines(&told.saved), 1);
    assert_eq!(
        (&said["proven"], &said["broken_total"]),
        (&json!(25), &json!(6))
    );
    for (number, broken) in said["broken"]
        .as_array()
        .expect("broken")
        .iter()
        .enumerate()
    {
        assert_eq!(
            (&broken["kind"], &broken["seq"]),
            (&json!("lost"), &json!(13 + number))
        );
    }
}

#[test]
fn the_first_hundred_that_do_not_hold_are_told_and_all_are_counted() {
    let told = told();
    let wrong = told.saved.iter().cycle().take(150).enumerate();
    let wrong = wrong.map(|(number, receipt)| {
        let mut receipt = receipt.clone();
        receipt["event_id"] = json!(format!("none-{number}"));
        receipt
    });
    let wrong = lines(wrong);
    let said = told.says(&wrong, 1);
    assert_eq!(
        (&said["total"], &said["broken_total"]),
        (&json!(150), &json!(150))
    );
    assert_eq!(said["broken"].as_array().map(Vec::len), Some(100));
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &wrong).expect("a file");
    let name = file.path().to_str().expect("UTF-8");
    let text = shown(told.store.path(), &["--receipts", name], 1);
    let expected = "
receipts    0 of 150 hold, 150 DO NOT
BROKEN      line 1: stored as seq 1, topic \"orders\", event_id \"none-0\": another event has that seq
BROKEN      line 32: stored as seq 1, ";
    assert!(text.contains(expected), "{text}");
    let expected = "\n            and 50 more\nverified    NOT WELL: 150 receipts do not hold\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_line_that_is_no_receipt_is_named_and_nothing_is_verified() {
    let told = told();
    let one = told.saved[0].to_string();
    for (line, words) in [
        ("nonsense", "neither a saved receipt nor an answer"),
        (
            &one[..one.len() - 1],
            "neither a saved receipt nor an answer",
        ),
        (
            r#"{"type":"about:blank","status":507}"#,
            "neither a saved receipt nor an answer",
        ),
        (
            r#"{"status":"ok","received":2,"receipts":[]}"#,
            "publish with ?receipts=all",
        ),
    ] {
        let text = lines([&one, &one, line, &one]);
        let ended = told.refuses(text.as_bytes());
        assert!(
            ended.stderr.contains(": line 3 is no receipt: "),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    told.refuses(b"\xff\xfe\n");
    let directory = told.store.path().to_str().expect("UTF-8");
    for name in ["/nowhere/at/all", directory] {
        let ended = verify(told.store.path(), &["--receipts", name]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        let expected = format!("cannot read the receipts in {name}: ");
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    }
    assert_eq!(
        run(&["verify", "--log-only", "--receipts", "x"]).code,
        Some(2)
    );
}

/// A publisher that was killed leaves half a line, or a power cut NULs: both acknowledge nothing.
#[test]
fn a_last_line_that_breaks_off_is_left_out_and_told() {
    let told = told();
    let saved = lines(&told.saved[..3]);
    let said = told.says(&saved[..saved.len() - 20], 0);
    assert_eq!((&said["proven"], &said["cut_line"]), (&json!(2), &json!(3)));
    let nuls = saved.clone() + "\0\0\0\0";
    assert_eq!(told.says(&nuls, 0)["proven"], 3);
}

/// What was told after the look began cannot be in it: so it is read before.
#[test]
fn what_was_told_of_a_store_that_runs_holds_at_once() {
    let store = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(store.path());
    let client = Client::new(server.address);
    let file = tempfile::NamedTempFile::new().expect("a file");
    let name = file.path().to_str().expect("UTF-8");
    let mut answers = String::new();
    for id in 0..30 {
        let answer = client.try_publish("?receipts=all", event("t", &id.to_string(), "1"));
        answers += &(answer.expect("an answer").ok().text + "\n");
        fs::write(file.path(), &answers).expect("a file");
        let ended = verify(store.path(), &["--json", "--receipts", name]);
        let text = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(ended.code, Some(0), "{text}{}", ended.stderr);
    }
    assert_eq!(server.terminate().code, Some(0));
}

/// A committer never unlearns what is durable.
#[test]
fn a_frame_that_knows_less_than_one_before_it_is_told() {
    let store = mixed_store();
    let segment = segments(store.path()).pop().expect("a segment");
    forge(&segment, |header, _| {
        if header.first_seq == Seq::new(41) {
            header.durable_up_to = Seq::new(7);
        }
    });
    let said = says(store.path(), &[], 1);
    assert_eq!(said["log"]["wrong_total"], 1);
    let fault = said["log"]["wrong"][0]["fault"].as_str().expect("a fault");
    let expected = "a valid frame says that it was durable up to 7 only, and one before it up to ";
    assert!(fault.starts_with(expected), "{fault}");
    assert_eq!(said["log"]["intact"]["seqs"], 60);
}
