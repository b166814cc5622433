//! Risk: `oncelog dump --json | oncelog publish` leaves out events, changes them or their order, or
//! keeps one twice. Through a real pipe, with all real events.

mod support {
    pub mod client;
    pub mod dump;
    pub mod process;
    pub mod publish;
    pub mod store;
}

use std::path::Path;

use serde_json::Value;
use support::client::event;
use support::dump::dump;
use support::process::{command, run_command};
use support::publish::{Store, Summary, publish, real_events};
use support::store::damage;
use tempfile::TempDir;

const REAL: u64 = 255;
/// All real events, half of them again, and an id with something else.
const ALL: u64 = REAL + 127 + 2;

fn store() -> TempDir {
    let store = Store::start();
    let events = real_events();
    let events = events.to_str().expect("UTF-8");
    let (first, _) = publish(&store.url, &["--batch", "40", events], 0);
    assert_eq!(first.counts(), (REAL, REAL, 0, 0, 0));
    let text = std::fs::read_to_string(events).expect("the real events");
    let again: Vec<&str> = text.lines().step_by(2).take(127).collect();
    for batch in again.chunks(13) {
        store.client.publish(format!("[{}]", batch.join(",")));
    }
    store.client.publish(event("t", "1", r#"{"n": 1}"#));
    store.client.publish(event("t", "1", "{\"n\":\r\n 2}"));
    assert_eq!(store.client.settled().received, ALL);
    assert_eq!(store.process.terminate().code, Some(0));
    store.data_dir
}

/// What a shell makes of `oncelog dump --json | oncelog publish --json`.
fn pipe(from: &Path, to: &str, code: i32) -> Summary {
    let mut shell = std::process::Command::new("sh");
    let line = r#""$0" dump --json --data-dir "$1" | "$0" publish --json --url "$2""#;
    shell.args(["-c", line]).arg(command().get_program());
    let ended = run_command({
        shell.arg(from).arg(to);
        shell
    });
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    Summary::of(&ended)
}

/// The events of a dump up to this seq, without when they were received.
fn events(data_dir: &Path, upto: u64) -> Vec<Value> {
    let ended = dump(data_dir, &["--json", "--to", &upto.to_string()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let event = |line: &str| {
        let mut event: Value = serde_json::from_str(line).expect("JSON");
        let received_at = event["received_at"].take();
        assert!(received_at.is_string());
        event.as_object_mut().expect("an event").remove("unproven");
        // As it stands there: a number may be written in many ways.
        let (_, payload) = line.split_once(r#""payload":"#).expect("a payload");
        let (payload, _) = payload.split_once(r#","received_at""#).expect("its end");
        event["payload"] = payload.into();
        event
    };
    text.lines().map(event).collect()
}

#[test]
fn into_an_empty_store_it_gives_the_same_events_in_the_same_order_and_then_only_duplicates() {
    let from = store();
    let to = Store::start();
    let expected = events(from.path(), ALL);
    assert_eq!(expected.len() as u64, ALL);

    let first = pipe(from.path(), &to.url, 0);
    assert_eq!(first.counts(), (ALL, REAL + 1, 128, 1, 0));
    let stats = to.client.settled();
    assert_eq!(stats.counts(), (ALL, REAL + 1, 128, 1));
    assert_eq!(events(to.data_dir.path(), ALL), expected);

    let second = pipe(from.path(), &to.url, 0);
    assert_eq!(second.counts(), (ALL, 0, ALL, 1, 0));
    let stats = to.client.settled();
    assert_eq!(stats.counts(), (2 * ALL, REAL + 1, ALL + 128, 2));
    assert_eq!(events(to.data_dir.path(), ALL), expected);
    // The same payloads, byte for byte, have the same hash. (A line break in one is a space since.)
    let third = Store::start();
    pipe(to.data_dir.path(), &third.url, 0);
    assert_eq!(third.client.settled().fold_hash, stats.fold_hash);
}

/// What is damaged cannot be sent, and is not passed over in silence.
#[test]
fn of_a_damaged_store_all_that_is_intact_is_sent_and_the_rest_refused() {
    let from = store();
    let frame = damage(from.path(), 100);
    let to = Store::start();
    let sent = pipe(from.path(), &to.url, 1);
    assert_eq!((sent.read, sent.refused), (ALL - frame.count + 1, 1));
    assert_eq!(to.client.settled().received, ALL - frame.count);
}
