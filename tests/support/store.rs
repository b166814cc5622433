//! A store that was stopped, and the bytes that lie in its directory.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use super::client::{Client, Shape, event};
use super::dump::dump;
use super::process::{Oncelog, PATIENCE};

/// Behind a frame's header.
pub const PAYLOAD_AT: usize = 64;

/// A frame as `dump --frames --json` shows it.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownFrame {
    pub segment: String,
    pub offset: usize,
    #[serde(rename = "type")]
    pub frame_type: String,
    pub first_seq: u64,
    pub count: u64,
    pub payload_bytes: usize,
}

/// The frames of a log that is well.
pub fn frames(data_dir: &Path) -> Vec<ShownFrame> {
    let ended = dump(data_dir, &["--frames", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let frame = |line| serde_json::from_str(line).expect("a frame");
    text.lines().map(frame).collect()
}

impl ShownFrame {
    /// Where it ends in its segment.
    pub fn end(&self) -> usize {
        (self.offset + PAYLOAD_AT + self.payload_bytes).next_multiple_of(8)
    }
}

/// Waits until a mark proves all that was written, after which a store that nobody publishes
/// to writes no more. Gives the mark.
pub fn wait_for_mark(data_dir: &Path) -> ShownFrame {
    let until = Instant::now() + PATIENCE;
    loop {
        let last = frames(data_dir).pop().expect("a frame");
        if last.frame_type == "mark" {
            return last;
        }
        assert!(Instant::now() < until, "no mark is written");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ten batches of three events, topics `even` and `odd` by turns.
pub fn stopped_store() -> TempDir {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    publish_batches(&Client::new(process.address));
    let ended = process.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    data_dir
}

pub fn publish_batches(client: &Client) {
    for batch in 0..10 {
        let topic = if batch % 2 == 0 { "even" } else { "odd" };
        let events: Vec<String> = (0..3)
            .map(|place| event(topic, &format!("{batch}-{place}"), r#"{"n": 1}"#))
            .collect();
        client.publish(Shape::Array.body(&events));
    }
}

/// Three lives, of which two end without a stop: three segments at least.
pub fn store_of_three_lives() -> TempDir {
    let data_dir = tempfile::tempdir().expect("a directory");
    for life in 0..3 {
        let process = Oncelog::start(data_dir.path());
        let client = Client::new(process.address);
        for batch in 0..3 {
            client.publish(event("t", &format!("{life}-{batch}"), r#"{"n": 1}"#));
        }
        client.settled();
        if life < 2 {
            process.kill();
        } else {
            assert_eq!(process.terminate().code, Some(0));
        }
    }
    data_dir
}

/// All files below a directory, but for those that every look may change.
pub fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if name != "lock" && !name.ends_with("-shm") && !name.ends_with("-wal") {
            files.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    files
}

/// The segments, in order.
pub fn segments(data_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data_dir.join("log")).expect("the log");
    let mut segments: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    segments
}

/// Flips a bit in the payload of the frame that holds this seq.
pub fn damage(data_dir: &Path, seq: u64) -> ShownFrame {
    let holds = |frame: &ShownFrame| {
        frame.frame_type == "events"
            && (frame.first_seq..frame.first_seq + frame.count).contains(&seq)
    };
    let frame = frames(data_dir).into_iter().find(holds);
    let frame = frame.expect("a frame with this seq");
    let path = data_dir.join("log").join(&frame.segment);
    let mut bytes = fs::read(&path).expect("the segment");
    bytes[frame.offset + PAYLOAD_AT + frame.payload_bytes / 2] ^= 1;
    fs::write(&path, bytes).expect("the segment can be written");
    frame
}

/// Puts another number into a file's header, whose checksum stands at `crc_at`.
pub fn set_version(path: &Path, at: usize, crc_at: usize) {
    let mut bytes = fs::read(path).expect("the file");
    bytes[at] = 9;
    let crc = crc32fast::hash(&bytes[..crc_at]);
    bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    fs::write(path, bytes).expect("it can be written");
}
