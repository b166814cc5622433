//! Risk: `oncelog dump` leaves out what is asked for, shows what is not, or shows it in another
//! form than it did before. On a store of real events, with duplicates, a conflict and a damage.
//!
//! The files in `tests/data/dump` are what it printed; `UPDATE_SNAPSHOTS=1` writes them anew.

mod support {
    pub mod client;
    pub mod dump;
    pub mod process;
    pub mod publish;
    pub mod snapshot;
    pub mod store;
    pub mod tree;
}

use std::fs;
use std::path::Path;
use std::process::Stdio;

use support::client::{Client, Shape};
use support::dump::{dump, dump_events, events_and_damages};
use support::process::{Oncelog, command, run};
use support::publish::{Store, publish, publish_stdin, real_events};
use support::snapshot::is_as_before;
use support::store::{damage, frames};
use support::tree::{assert_same, copy, tree};
use tempfile::TempDir;

/// The first real events, three of them again in other words or as they were, and one id with
/// another payload. Stopped.
fn real_store() -> TempDir {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    let text = fs::read_to_string(real_events()).expect("the real events");
    let events: Vec<&str> = text.lines().take(12).collect();
    let changed = |event: &str, member: &str, value: serde_json::Value| {
        let mut event: serde_json::Value = serde_json::from_str(event).expect("JSON");
        event[member] = value;
        event.to_string()
    };
    let with_source = changed(events[10], "source", "replica 2".into());
    let another = serde_json::json!({"another": "payload"});
    let conflict = changed(events[5], "payload", another);
    for batch in [
        &events[..4],
        &events[4..8],
        &[events[8], events[1], events[9]],
        &[conflict.as_str(), &with_source, events[5], events[11]],
    ] {
        client.publish(Shape::Array.body(batch));
    }
    let ended = process.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    data_dir
}

/// A copy without its index.
fn without_index(store: &Path) -> TempDir {
    let without = tempfile::tempdir().expect("a directory");
    copy(&store.join("log"), &without.path().join("log"));
    without
}

#[test]
fn what_each_option_prints_is_what_it_printed_before() {
    let store = real_store();
    let path = store.path();
    let times = dump_events(path, &[]);
    let third_batch = times[8].received_at.clone();
    for (name, options) in [
        ("all.txt", &[][..]),
        ("from-to.txt", &["--from", "3", "--to", "5"]),
        ("topic.txt", &["--topic", &times[0].topic]),
        ("source.txt", &["--source", "replica 2"]),
        ("id.txt", &["--id", &times[5].event_id]),
        ("duplicate.txt", &["--verdict", "duplicate"]),
        ("conflict.ndjson", &["--verdict", "conflict", "--json"]),
        ("last.txt", &["--last", "3"]),
        (
            "last-of-topic.txt",
            &["--last", "2", "--topic", &times[0].topic],
        ),
        ("segment.txt", &["--segment", "1", "--to", "2"]),
        ("since.txt", &["--since", &third_batch]),
        ("until.txt", &["--until", &third_batch, "--from", "9"]),
        ("since-an-hour.txt", &["--since", "1h", "--to", "1"]),
    ] {
        let ended = dump(path, options);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}");
        is_as_before("dump", name, &ended.stdout);
    }
    for options in [
        &["--since", "1h", "--until", "1h"][..],
        &["--verdict", "lost"],
        &["--last", "0"],
        &["--from", "5", "--to", "4"],
    ] {
        let ended = dump(path, options);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{options:?}"
        );
        assert!(ended.stdout.is_empty(), "{options:?}");
    }
    // The same without an index.
    let without = without_index(path);
    for options in [&[][..], &["--last", "3"], &["--from", "9", "--json"]] {
        assert_eq!(
            dump(without.path(), options).stdout,
            dump(path, options).stdout
        );
    }
}

#[test]
fn damage_is_shown_in_its_place_and_verdicts_behind_it_are_those_known_or_of_what_remains() {
    let store = real_store();
    let path = store.path();
    damage(path, 6);
    let before = tree(path);
    for (name, options) in [
        ("damaged.txt", &[][..]),
        ("damaged-last.txt", &["--last", "8"]),
        ("damaged-conflict.txt", &["--verdict", "conflict"]),
    ] {
        let ended = dump(path, options);
        assert_eq!(ended.code, Some(1), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains("in one place"), "{}", ended.stderr);
        is_as_before("dump", name, &ended.stdout);
    }
    // It lies before what is asked for.
    assert_eq!(dump(path, &["--from", "9"]).code, Some(0));
    assert_eq!(dump(path, &["--to", "3"]).code, Some(0));
    let without = without_index(path);
    let ended = dump(without.path(), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    is_as_before("dump", "damaged-without-index.txt", &ended.stdout);
    assert_same(&before, path);
}

#[test]
fn raw_shows_every_field_of_every_header_and_never_the_salt() {
    let store = real_store();
    let shown = frames(store.path());
    let ended = dump(store.path(), &["--raw", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let bytes = fs::read(store.path().join("log").join(&shown[0].segment)).expect("the segment");
    let number = |at: usize, len: usize| {
        let bytes = bytes[at..at + len].iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    let header = lines.next().expect("the segment's header");
    assert_eq!(header["segment"], shown[0].segment);
    let header = &header["segment_header"];
    assert_eq!(
        (&header["format_version"], &header["fold_version"]),
        (&number(8, 2).into(), &number(10, 2).into())
    );
    assert_eq!(header["first_seq"], number(32, 8));
    for (frame, line) in shown.iter().zip(&mut lines) {
        let at = frame.offset;
        for (name, place, len) in [
            ("type_number", 4, 1),
            ("key_rule", 5, 1),
            ("flags", 6, 2),
            ("payload_bytes", 8, 4),
            ("count", 12, 4),
            ("first_seq", 16, 8),
            ("received_at_us", 24, 8),
            ("durable_up_to", 32, 8),
            ("origin_epoch", 40, 8),
            ("origin_seq", 48, 8),
            ("payload_crc", 56, 4),
            ("header_crc", 60, 4),
        ] {
            assert_eq!(line[name], number(at + place, len), "{name}: {line}");
        }
        assert_eq!(
            (&line["offset"], &line["end"]),
            (&at.into(), &frame.end().into())
        );
    }
    assert!(lines.next().is_none());
    let text_form = dump(store.path(), &["--raw"]);
    let text_form = String::from_utf8(text_form.stdout).expect("UTF-8");
    let salt = number(40, 8);
    for shown in [&text, &text_form] {
        for salt in [
            salt.to_string(),
            format!("{salt:x}"),
            format!("{:x}", salt.swap_bytes()),
        ] {
            assert!(!shown.contains(&salt), "{shown}");
        }
    }
    assert_eq!(text_form.lines().count(), shown.len() + 1);
    assert!(
        text_form
            .lines()
            .nth(1)
            .is_some_and(|line| line.contains("first_seq=1 "))
    );
}

#[test]
fn a_dump_that_is_published_gives_the_same_log_and_then_only_duplicates() {
    let store = real_store();
    let dumped = dump(store.path(), &["--json"]).stdout;
    let shown = dump_events(store.path(), &[]);
    let server = Store::start();
    let (first, _) = publish_stdin(&server.url, &["--batch", "3"], &dumped, 0);
    assert_eq!(first.counts(), (15, 12, 3, 1, 0));
    let (second, _) = publish_stdin(&server.url, &["--batch", "5"], &dumped, 0);
    assert_eq!(second.counts(), (15, 0, 15, 1, 0));
    server.client.settled();
    let copied = dump_events(server.data_dir.path(), &["--to", "15"]);
    let same = |(one, other): (&support::client::ShownEvent, &support::client::ShownEvent)| {
        one.seq == other.seq
            && one.topic == other.topic
            && one.event_id == other.event_id
            && one.source == other.source
            && one.timestamp == other.timestamp
            && one.payload.get() == other.payload.get()
            && one.verdict == other.verdict
            && one.original_seq == other.original_seq
    };
    assert!(shown.iter().zip(&copied).all(same));
    // What GET /events gives is read too.
    let of_http = server.client.get("/events").ok().text;
    let (third, _) = publish_stdin(&server.url, &[], of_http, 0);
    assert_eq!(third.counts(), (12, 0, 12, 0, 0));
    // Lost events cannot be sent, and that is said.
    damage(store.path(), 6);
    let damaged = dump(store.path(), &["--json"]).stdout;
    let file = store.path().join("damaged.ndjson");
    fs::write(&file, damaged).expect("a file");
    let (last, ended) = publish(&server.url, &[file.to_str().expect("UTF-8")], 1);
    assert_eq!(last.refused, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("line 5"), "{}", ended.stderr);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let store = real_store();
    let end_early = |option: &str| {
        let mut command = command();
        command
            .args(["dump", option, "--data-dir"])
            .arg(store.path());
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("the binary starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        (output.status.code(), output.stderr)
    };
    for option in ["--json", "--frames", "--raw"] {
        assert_eq!(end_early(option), (Some(0), Vec::new()), "{option}");
    }
    // Damage that was met stays met.
    damage(store.path(), 6);
    assert_eq!(end_early("--json").0, Some(1));
}

#[test]
fn options_that_cannot_be_meant_are_a_usage_error() {
    for options in [
        &["--since", "noon"][..],
        &["--verdict", "good"],
        &["--segment", "first"],
        &["--frames", "--topic", "t"],
        &["--raw", "--follow"],
        &["--unproven"],
        &["--last", "x"],
    ] {
        let ended = run(&[&["dump"], options].concat());
        assert_eq!(ended.code, Some(2), "{options:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty());
    }
    let store = real_store();
    let ended = dump(store.path(), &["--segment", "7"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("00000000000000000007.seg"),
        "{}",
        ended.stderr
    );
    let (events, damages) = events_and_damages(&dump(
        store.path(),
        &["--json", "--segment", "00000000000000000001.seg"],
    ));
    assert_eq!((events.len(), damages.len()), (15, 0));
}
