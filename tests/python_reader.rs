//! The format's text is enough to read a log: `read_log.py` was written from it alone and
//! must agree with the golden files and with the program.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use oncelog::event::{EventLimits, InvalidEvents, parse_publish};
use oncelog::log::codec::encode_events;
use oncelog::log::frame::PreparedPayload;
use oncelog::log::storage::FileSystem;
use oncelog::log::{CommitSink, LogOptions, Placed, PreparedBatch, Refused};
use serde::Deserialize;
use serde_json::value::RawValue;

const REAL_EVENTS_PER_BATCH: usize = 20;

fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn golden_dir() -> PathBuf {
    tests_dir().join("data/golden")
}

/// What the reader says of a data directory; none, and said so, where there is no Python.
fn read_log(options: &[&str], data_dir: &Path) -> Option<Output> {
    let output = Command::new("python3")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(tests_dir().join("read_log.py"))
        .args(options)
        .arg(data_dir)
        .output();
    match output {
        Ok(output) => Some(output),
        Err(error) => {
            // Not by a macro: the output of a test that passes is hidden.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED, nothing was tested: python3 could not be run ({error})"
            );
            None
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_golden_log_reads_as_expected() {
    for (options, expected) in [
        (&[][..], "expected-events.ndjson"),
        (&["--frames"], "expected-frames.ndjson"),
    ] {
        let Some(output) = read_log(options, &golden_dir()) else {
            return;
        };
        assert!(output.status.success(), "{}", text(&output.stderr));
        let expected = std::fs::read_to_string(golden_dir().join(expected)).expect("a file");
        let printed = text(&output.stdout);
        let differs = printed.lines().zip(expected.lines()).find(|(a, b)| a != b);
        assert_eq!(differs, None);
        assert_eq!(printed.len(), expected.len());
    }
}

/// A copy of the golden log to be damaged.
fn golden_copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(copy.path().join("log")).expect("a directory");
    for entry in std::fs::read_dir(golden_dir().join("log")).expect("the golden log") {
        let entry = entry.expect("a name");
        let to = copy.path().join("log").join(entry.file_name());
        std::fs::copy(entry.path(), to).expect("a copy");
    }
    copy
}

const FIRST: &str = "00000000000000000001.seg";
const SECOND: &str = "00000000000000000010.seg";

/// Exit code and message after `edit` changed the bytes of one file of the golden log.
fn verdict(file: &str, edit: impl FnOnce(&mut Vec<u8>)) -> Option<(Option<i32>, String)> {
    let copy = golden_copy();
    let path = copy.path().join("log").join(file);
    let mut bytes = std::fs::read(&path).expect("a golden file");
    edit(&mut bytes);
    std::fs::write(&path, bytes).expect("a damaged file");
    let output = read_log(&["--frames"], copy.path())?;
    Some((output.status.code(), text(&output.stderr).to_owned()))
}

#[test]
fn damage_is_told_from_a_torn_tail_by_its_evidence() {
    // The file, the byte that is changed, the exit code, and what must be said of it.
    let cases: [(&str, usize, i32, &[&str]); 9] = [
        ("log.meta", 20, 1, &["damaged: log.meta"]),
        (FIRST, 20, 1, &["damaged", FIRST, "offset 0, seq 1"]),
        (
            FIRST,
            70,
            1,
            &["damaged", FIRST, "offset 64, seq 1", "durable up to 4"],
        ),
        // The seal: nothing behind it in its own segment.
        (
            FIRST,
            67_150,
            1,
            &["offset 67064, seq 10", "a further segment"],
        ),
        // The hole's header: the `erased` frame behind it knew.
        (SECOND, 70, 1, &["offset 64, seq 10", "durable up to 12"]),
        // The shutdown mark: the chain goes on behind it.
        (SECOND, 430, 1, &["offset 424, seq 16", "takes seq 16"]),
        // An event that the mark at the end proves.
        (SECOND, 560, 1, &["offset 488, seq 16", "durable up to 16"]),
        // That mark itself, and the room behind it: no more was ever promised.
        (SECOND, 630, 0, &["note", "offset 624, seq 17", "torn"]),
        (SECOND, 1000, 0, &["note", "offset 688, seq 17", "torn"]),
    ];
    for (file, at, exit, said) in cases {
        let Some((code, message)) = verdict(file, |bytes| bytes[at] ^= 0x10) else {
            return;
        };
        assert_eq!(code, Some(exit), "{file} at {at}: {message}");
        for words in said {
            assert!(message.contains(words), "{file} at {at}: {message}");
        }
    }
}

#[test]
fn zeros_are_torn_or_damaged_like_any_bad_bytes() {
    let Some((code, message)) = verdict(SECOND, |bytes| bytes[488..624].fill(0)) else {
        return;
    };
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("offset 488, seq 16"), "{message}");
    // From there to the end they are prepared room: an earlier end, whole in itself.
    let Some((code, message)) = verdict(SECOND, |bytes| bytes[488..].fill(0)) else {
        return;
    };
    assert_eq!(code, Some(0), "{message}");
    assert!(!message.contains("torn"), "{message}");
}

#[test]
fn a_lost_segment_is_damage() {
    let copy = golden_copy();
    std::fs::remove_file(copy.path().join("log").join(FIRST)).expect("a golden file");
    let Some(output) = read_log(&[], copy.path()) else {
        return;
    };
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("seqs 1 and on"));
}

#[test]
fn a_later_format_is_refused_and_not_called_damage() {
    let later = |bytes: &mut Vec<u8>| {
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    };
    let Some((code, message)) = verdict(FIRST, later) else {
        return;
    };
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("format version 2"), "{message}");
}

/// Hears nothing: the log is closed before it is read.
struct NoSink;

impl CommitSink for NoSink {
    type Ticket = ();

    fn durable(&mut self, _: Placed, _: u32, (): ()) {}

    fn refused(&mut self, (): (), why: Refused) {
        panic!("not written: {why:?}");
    }

    fn poisoned(&mut self, why: &str) {
        panic!("poisoned: {why}");
    }
}

fn real_events() -> Vec<String> {
    let path = tests_dir().join("data/github-webhooks.ndjson");
    let text = std::fs::read_to_string(path).expect("the real events");
    text.lines().map(str::to_owned).collect()
}

/// A store that got the real events twice, over several segments and two runs.
fn store_of_real_events() -> tempfile::TempDir {
    let data_dir = tempfile::tempdir().expect("a directory");
    let log_dir = data_dir.path().join("log");
    std::fs::create_dir(&log_dir).expect("a directory");
    for _run in 0..2 {
        let options = LogOptions {
            segment_bytes: 1024 * 1024,
            min_free_bytes: 0,
            verify_bytes: u64::MAX,
            reserve_bytes: 64 * 1024,
            index_flushed: None,
            clock: || jiff::Timestamp::now().as_microsecond(),
        };
        let log = oncelog::log::open(Arc::new(FileSystem), &log_dir, options).expect("a log");
        let mut committer = log.start(NoSink);
        for lines in real_events().chunks(REAL_EVENTS_PER_BATCH) {
            let body = format!("[{}]", lines.join(","));
            let parsed = parse_publish(
                body.as_bytes(),
                &EventLimits::default(),
                InvalidEvents::Refuse,
            )
            .expect("good events");
            let batch = parsed.batch();
            let prepared = PreparedBatch {
                payload: PreparedPayload::new(encode_events(batch).expect("a payload")),
                key_rule: batch.key_rule(),
                count: lines.len() as u32,
            };
            committer.submit(prepared, ()).expect("a running committer");
        }
        committer.stop();
    }
    let files = std::fs::read_dir(&log_dir).expect("the log").flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|e| e == "seg"));
    assert!(segments.count() > 2, "the events fill several segments");
    data_dir
}

/// An event as a publisher sent it and as `dump --json` prints it.
#[derive(Deserialize)]
struct EventObject {
    seq: Option<u64>,
    topic: String,
    event_id: String,
    source: Option<String>,
    timestamp: Option<String>,
    payload: Box<RawValue>,
    received_at: Option<String>,
}

/// An event as `read_log.py` prints it.
#[derive(Deserialize)]
struct ReadEvent {
    seq: u64,
    topic: String,
    event_id: String,
    source: String,
    timestamp: Option<String>,
    payload: String,
    received_at: i64,
}

fn assert_same_content(read: &ReadEvent, other: &EventObject) {
    let seq = read.seq;
    assert_eq!(read.topic, other.topic, "topic of seq {seq}");
    assert_eq!(read.event_id, other.event_id, "event_id of seq {seq}");
    let source = other.source.as_deref().unwrap_or_default();
    assert_eq!(read.source, source, "source of seq {seq}");
    assert_eq!(read.timestamp, other.timestamp, "timestamp of seq {seq}");
    // In a format of lines, a line break within a payload is a space.
    let payload = read.payload.replace(['\n', '\r'], " ");
    assert!(payload == other.payload.get(), "payload of seq {seq}");
}

fn read_events(data_dir: &Path) -> Option<Vec<ReadEvent>> {
    let output = read_log(&[], data_dir)?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "nothing to remark");
    let lines = text(&output.stdout).lines();
    Some(
        lines
            .map(|line| serde_json::from_str(line).expect("an event"))
            .collect(),
    )
}

#[test]
fn the_reader_finds_every_real_event_as_it_was_sent() {
    let store = store_of_real_events();
    let Some(events) = read_events(store.path()) else {
        return;
    };
    let sent = real_events();
    assert_eq!(events.len(), 2 * sent.len());
    for (place, read) in events.iter().enumerate() {
        assert_eq!(read.seq, place as u64 + 1);
        let line = &sent[place % sent.len()];
        assert_same_content(read, &serde_json::from_str(line).expect("an event"));
    }
}

/// Stands on the contract of `dump --json`: a line for each event received, verdict included.
#[test]
fn the_reader_and_dump_agree_on_the_real_events() {
    let store = store_of_real_events();
    let Some(events) = read_events(store.path()) else {
        return;
    };
    let dump = Command::new(env!("CARGO_BIN_EXE_oncelog"))
        .arg("dump")
        .arg("--data-dir")
        .arg(store.path())
        .arg("--json")
        .output()
        .expect("the program");
    assert!(dump.status.success(), "{}", text(&dump.stderr));
    let dumped: Vec<EventObject> = text(&dump.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect();
    assert_eq!(dumped.len(), events.len());
    for (read, dumped) in events.iter().zip(&dumped) {
        assert_eq!(dumped.seq, Some(read.seq));
        assert_same_content(read, dumped);
        let received_at = dumped.received_at.as_deref().map(|text| {
            let time: jiff::Timestamp = text.parse().expect("RFC 3339");
            time.as_microsecond()
        });
        assert_eq!(received_at, Some(read.received_at), "seq {}", read.seq);
    }
}
