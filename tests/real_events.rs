//! 255 real webhook deliveries, each sent twice: kept once, in order of first arrival, byte
//! for byte, whatever batches they came in and whatever happened to the process since.

mod support {
    pub mod client;
    pub mod dump;
    pub mod process;
}

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::value::RawValue;
use support::client::{Client, Shape, ShownEvent};
use support::dump::dump_events;
use support::process::{Oncelog, Owned, command};

const EVENTS: u64 = 255;
const TOPICS: usize = 57;

/// An event as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Real {
    topic: String,
    event_id: String,
    timestamp: String,
    source: String,
    /// Its bytes, untouched.
    payload: Box<RawValue>,
}

fn lines() -> Vec<String> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/github-webhooks.ndjson"
    );
    let text = fs::read_to_string(path).expect("the real events");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len() as u64, EVENTS);
    lines
}

fn real_events() -> Vec<Real> {
    lines()
        .iter()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect()
}

/// How the events of one pass are put into requests.
#[derive(Copy, Clone)]
enum Pass {
    /// So many events in one request, arrays and envelopes by turns.
    Batches(usize),
    /// One in each request, in the three forms by turns.
    OneByOne,
}

impl Pass {
    fn bodies(self) -> Vec<String> {
        let lines = lines();
        let (size, shapes): (usize, &[Shape]) = match self {
            Pass::Batches(size) => (size, &[Shape::Array, Shape::Envelope]),
            Pass::OneByOne => (1, &[Shape::One, Shape::Array, Shape::Envelope]),
        };
        let shapes = shapes.iter().cycle();
        let batches = lines.chunks(size).zip(shapes);
        batches.map(|(batch, shape)| shape.body(batch)).collect()
    }
}

/// Publishes these passes, and checks what the publisher is told.
fn publish(client: &Client, passes: &[Pass]) {
    for (number, pass) in passes.iter().enumerate() {
        let mut told = (0, 0, 0);
        for body in pass.bodies() {
            let receipt = client.publish(body);
            told.0 += receipt.received;
            told.1 += receipt.unique;
            told.2 += receipt.duplicates;
            assert_eq!(receipt.conflicts, 0);
        }
        let (unique, dropped) = if number == 0 {
            (EVENTS, 0)
        } else {
            (0, EVENTS)
        };
        assert_eq!(told, (EVENTS, unique, dropped), "pass {number}");
    }
}

fn assert_is(shown: &ShownEvent, real: &Real) {
    assert_eq!(shown.topic, real.topic);
    assert_eq!(shown.event_id, real.event_id);
    assert_eq!(shown.source, real.source);
    assert_eq!(shown.timestamp.as_deref(), Some(real.timestamp.as_str()));
    assert_eq!(
        shown.payload.get().as_bytes(),
        real.payload.get().as_bytes(),
        "the payload of {}",
        real.event_id
    );
}

/// Checks all that the server says of the events sent twice, and gives the fold's hash.
fn check(client: &Client, state: &str) -> String {
    let real = real_events();
    let stats = client.settled();
    assert_eq!(
        stats.counts(),
        (2 * EVENTS, EVENTS, EVENTS, 0),
        "{state}: {stats:?}"
    );
    assert_eq!((stats.pending, stats.lost), (0, 0), "{state}");

    let shown = client.events("");
    assert_eq!(shown.len(), real.len(), "{state}");
    for (place, (shown, real)) in shown.iter().zip(&real).enumerate() {
        assert_eq!(shown.seq, place as u64 + 1, "{state}");
        assert_is(shown, real);
    }

    let mut topics: Vec<&str> = Vec::new();
    for event in &real {
        if !topics.contains(&event.topic.as_str()) {
            topics.push(&event.topic);
        }
    }
    assert_eq!(topics.len(), TOPICS);
    assert_eq!(stats.topics, topics, "{state}");
    let mut of_topics = 0;
    for topic in topics {
        let shown = client.events(&format!("?topic={topic}"));
        let real: Vec<&Real> = real.iter().filter(|event| event.topic == topic).collect();
        assert_eq!(shown.len(), real.len(), "{state}: {topic}");
        for (shown, real) in shown.iter().zip(real) {
            assert_is(shown, real);
        }
        of_topics += shown.len() as u64;
    }
    assert_eq!(of_topics, EVENTS, "{state}");
    check_duplicates(&client.events("?verdict=duplicate"), state);
    stats.fold_hash
}

fn check_duplicates(duplicates: &[ShownEvent], state: &str) {
    assert_eq!(duplicates.len() as u64, EVENTS, "{state}");
    for (place, (shown, real)) in duplicates.iter().zip(real_events()).enumerate() {
        let first = place as u64 + 1;
        assert_eq!(shown.seq, EVENTS + first, "{state}");
        assert_eq!(shown.verdict.as_deref(), Some("duplicate"), "{state}");
        assert_eq!(shown.original_seq, Some(first), "{state}");
        assert_is(shown, &real);
    }
}

/// Checks that a dump of the log says the same as the server.
fn check_dump(data_dir: &Path, state: &str) {
    let dumped = dump_events(data_dir, &[]);
    assert_eq!(dumped.len() as u64, 2 * EVENTS, "{state}");
    let (first, second) = dumped.split_at(EVENTS as usize);
    for (place, (shown, real)) in first.iter().zip(real_events()).enumerate() {
        let seq = place as u64 + 1;
        assert_eq!((shown.seq, shown.original_seq), (seq, Some(seq)), "{state}");
        assert_eq!(shown.verdict.as_deref(), Some("stored"), "{state}");
        assert_is(shown, &real);
    }
    check_duplicates(second, state);
}

fn remove_index(data_dir: &Path) {
    let index = data_dir.join("index");
    let mut removed = 0;
    for entry in fs::read_dir(&index).expect("the index") {
        let path = entry.expect("an entry").path();
        fs::remove_file(path).expect("a file that can be removed");
        removed += 1;
    }
    assert!(removed > 0, "there was no index to remove");
}

/// One life of a store: published, running, killed, without its index, stopped.
fn lives_through(passes: &[Pass]) -> String {
    let data_dir = tempfile::tempdir().expect("a directory");
    let path = data_dir.path();

    let process = Oncelog::start(path);
    let client = Client::new(process.address);
    publish(&client, passes);
    let hash = check(&client, "as published");
    check_dump(path, "while it runs");

    let ended = process.kill();
    assert_eq!(ended.code, None, "a killed process has no exit code");
    check_dump(path, "killed");
    let process = Oncelog::start(path);
    let client = Client::new(process.address);
    assert_eq!(check(&client, "after kill -9"), hash);

    process.kill();
    remove_index(path);
    let process = Oncelog::start(path);
    let client = Client::new(process.address);
    assert_eq!(check(&client, "killed and without index"), hash);

    let ended = process.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    check_dump(path, "stopped");
    remove_index(path);
    check_dump(path, "stopped and without index");
    let process = Oncelog::start(path);
    let client = Client::new(process.address);
    assert_eq!(check(&client, "stopped and without index"), hash);
    assert_eq!(process.terminate().code, Some(0));

    let process = Oncelog::start(path);
    let client = Client::new(process.address);
    assert_eq!(check(&client, "after a clean stop"), hash);
    hash
}

#[test]
fn batches_of_fifty_and_then_one_by_one_are_kept_once_through_every_restart() {
    lives_through(&[Pass::Batches(50), Pass::OneByOne]);
}

#[test]
fn one_by_one_and_then_batches_of_fifty_are_kept_once_through_every_restart() {
    lives_through(&[Pass::OneByOne, Pass::Batches(50)]);
}

#[test]
fn the_fold_hash_tells_the_events_and_their_order_and_not_the_batches() {
    let hash_of = |passes: &[Pass]| {
        let data_dir = tempfile::tempdir().expect("a directory");
        let process = Oncelog::start(data_dir.path());
        let client = Client::new(process.address);
        publish(&client, passes);
        client.settled().fold_hash
    };
    let hash = hash_of(&[Pass::Batches(50), Pass::OneByOne]);
    assert_eq!(hash.len(), 64, "{hash}");
    for (passes, how) in [
        (
            [Pass::Batches(50), Pass::OneByOne],
            "the same requests again",
        ),
        ([Pass::OneByOne, Pass::Batches(50)], "the passes exchanged"),
        ([Pass::Batches(255), Pass::Batches(7)], "other batches"),
    ] {
        assert_eq!(hash_of(&passes), hash, "{how}");
    }

    // It can differ: one event less, or two exchanged.
    let hash_of_lines = |lines: &[String]| {
        let data_dir = tempfile::tempdir().expect("a directory");
        let process = Oncelog::start(data_dir.path());
        let client = Client::new(process.address);
        client.publish(Shape::Array.body(lines));
        client.settled().fold_hash
    };
    let mut lines = lines();
    let in_order = hash_of_lines(&lines);
    assert_ne!(hash_of_lines(&lines[1..]), in_order);
    lines.swap(0, 1);
    assert_ne!(hash_of_lines(&lines), in_order);
}

#[test]
fn a_dump_whose_reader_has_seen_enough_ends_quietly() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    publish(
        &Client::new(process.address),
        &[Pass::Batches(50), Pass::Batches(50)],
    );
    for options in [&["--json"][..], &[]] {
        let mut command = command();
        command
            .args(["dump", "--data-dir"])
            .arg(data_dir.path())
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Owned(command.spawn().expect("the binary starts"));
        // `| head -1`: one line, and the pipe is closed while much is still to come.
        let mut line = String::new();
        let stdout = child.0.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert!(
            line.contains(r#""seq":1,"#) || line.trim_start().starts_with("1 "),
            "{line}"
        );
        let mut stderr = String::new();
        let mut pipe = child.0.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut stderr).expect("UTF-8");
        assert_eq!(
            (child.wait(), stderr.as_str()),
            (Some(0), ""),
            "{options:?}"
        );
    }
}
