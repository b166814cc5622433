//! `oncelog publish` as a process, what it is given, and what it says at its end.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::Deserialize;
use tempfile::TempDir;

use super::client::{Client, event};
use super::process::{Ended, Oncelog, PATIENCE, Starting, command, run_command};

/// The summary that `--json` prints.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub read: u64,
    pub stored: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub refused: u64,
    pub pending: u64,
    pub unacknowledged: u64,
    pub first_seq: Option<u64>,
    pub last_seq: Option<u64>,
    pub seconds: f64,
    pub events_per_second: f64,
    pub retries: u64,
    pub log_id: Option<String>,
    pub log_changed: bool,
}

impl Summary {
    /// Read, stored, duplicates, conflicts, refused.
    pub fn counts(&self) -> (u64, u64, u64, u64, u64) {
        (
            self.read,
            self.stored,
            self.duplicates,
            self.conflicts,
            self.refused,
        )
    }

    pub fn of(ended: &Ended) -> Summary {
        let text = String::from_utf8_lossy(&ended.stdout);
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text:?}\n{}", ended.stderr))
    }
}

/// `oncelog publish --json` to this server; nothing on its standard input.
pub fn publish_command(url: &str, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = command();
    command.args(["publish", "--json", "--url", url]);
    command.args(arguments);
    command
}

/// Publishes, which must end with this code.
pub fn publish(url: &str, arguments: &[&str], code: i32) -> (Summary, Ended) {
    let ended = run_command(publish_command(url, arguments));
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    (Summary::of(&ended), ended)
}

/// The same from this standard input.
pub fn publish_stdin(
    url: &str,
    arguments: &[&str],
    input: impl AsRef<[u8]>,
    code: i32,
) -> (Summary, Ended) {
    let files = Files::new();
    let mut command = publish_command(url, arguments);
    command.stdin(File::open(files.write("stdin", input)).expect("a file"));
    let ended = run_command(command);
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    (Summary::of(&ended), ended)
}

/// Starts to publish.
pub fn start(command: Command) -> Starting {
    Starting::spawn(command)
}

/// Interrupts it as Ctrl-C does, and gives how it ended.
pub fn interrupt(mut publishing: Starting) -> Ended {
    publishing.signal(Signal::INT);
    publishing.end()
}

/// A running store with a data directory of its own.
pub struct Store {
    pub data_dir: TempDir,
    pub process: Oncelog,
    pub url: String,
    pub client: Client,
}

impl Store {
    pub fn start() -> Store {
        Store::with(&[])
    }

    pub fn with(options: &[&str]) -> Store {
        let data_dir = tempfile::tempdir().expect("a directory");
        let process = Oncelog::start_with(data_dir.path(), options);
        Store {
            url: format!("http://{}", process.address),
            client: Client::new(process.address),
            data_dir,
            process,
        }
    }

    /// The ids of all events that were kept, in order.
    pub fn stored(&self) -> Vec<String> {
        let events = self.client.events("");
        events.into_iter().map(|event| event.event_id).collect()
    }

    /// Waits until it has got so many events.
    pub fn wait_for_received(&self, received: u64) {
        let until = Instant::now() + PATIENCE;
        while self.client.stats().received < received {
            assert!(Instant::now() < until, "they do not come");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Files for one test.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Files {
        Files(tempfile::tempdir().expect("a directory"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).expect("a file");
        self.name(name)
    }

    /// A path as an argument.
    pub fn name(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }
}

/// Events of one topic with these numbers, a line each.
pub fn ndjson(numbers: impl IntoIterator<Item = u64>) -> String {
    let line =
        |number: u64| event("t", &format!("e{number}"), &format!("{{\"n\":{number}}}")) + "\n";
    numbers.into_iter().map(line).collect()
}

/// The ids that [`ndjson`] gives to these numbers.
pub fn ids(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("e{n}")).collect()
}

/// The file of real events.
pub fn real_events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/github-webhooks.ndjson")
}
