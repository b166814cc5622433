//! A store with repeats and conflicts, and what rebuilding it gives.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, Shape, Stats, event};
use crate::process::{Ended, Oncelog, command, run_command};

/// A store that does not run now.
pub(super) struct Scene {
    pub(super) directory: TempDir,
    /// What it said of itself at the end.
    pub(super) stats: Stats,
}

impl Scene {
    /// Stopped in order.
    pub(super) fn stopped(batches: u64) -> Scene {
        Scene::made(batches, |server| {
            assert_eq!(server.terminate().code, Some(0));
        })
    }

    /// Killed when all was judged.
    pub(super) fn killed(batches: u64) -> Scene {
        Scene::made(batches, |server| drop(server.kill()))
    }

    fn made(batches: u64, end: impl FnOnce(Oncelog)) -> Scene {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Oncelog::start(directory.path());
        let client = Client::new(server.address);
        publish(&client, batches);
        let stats = client.settled();
        end(server);
        Scene { directory, stats }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn index(&self) -> PathBuf {
        self.path().join("index")
    }

    /// Starts it: it must be what it was.
    #[track_caller]
    pub(super) fn assert_serves(&self) {
        let server = Oncelog::start(self.path());
        let stats = Client::new(server.address).settled();
        assert_eq!(stats.counts(), self.stats.counts());
        assert_eq!(stats.fold_hash, self.stats.fold_hash);
        assert_eq!(stats.topics, self.stats.topics);
        assert_eq!(server.terminate().code, Some(0));
    }
}

/// Batches of ten: of each, one event is sent twice, and one with another payload.
pub(super) fn publish(client: &Client, batches: u64) {
    for batch in 0..batches {
        let mut events: Vec<String> = (0..8)
            .map(|place| {
                let topic = format!("topic-{}", (batch + place) % 7);
                event(&topic, &format!("{batch}-{place}"), r#"{"n": 1}"#)
            })
            .collect();
        events.push(events[0].clone());
        let topic = format!("topic-{}", (batch + 1) % 7);
        events.push(event(&topic, &format!("{batch}-1"), r#"{"n": 2}"#));
        client.publish(Shape::Array.body(&events));
    }
}

pub(super) fn rebuild(data_dir: &Path, options: &[&str]) -> Ended {
    let mut command = command();
    command.arg("rebuild").arg("--data-dir").arg(data_dir);
    run_command({
        command.args(options);
        command
    })
}

/// Rebuilds it with `--json`, which must end with this code.
#[track_caller]
pub(super) fn rebuilt(data_dir: &Path, code: i32) -> Value {
    let ended = rebuild(data_dir, &["--json"]);
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    serde_json::from_slice(&ended.stdout).expect("JSON")
}
