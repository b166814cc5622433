//! A server under traffic while something is done to its index, and what must hold after.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::book::{Book, Event, body, check_at_rest, fresh_store_stats};
use crate::support::mount::SmallDisk;
use crate::support::served::Served;
use crate::support::traffic::Traffic;

/// For something to happen in peace.
pub const A_WHILE: Duration = Duration::from_millis(250);
const OLD_EVENTS: u64 = 1500;
/// With so small a delta the old events are flushed at once.
pub const FLUSHED_SOON: [&str; 2] = ["--delta-events", "3000"];

/// A server with known events in SQLite, and traffic.
pub struct Scene {
    pub server: Arc<Served>,
    pub traffic: Traffic,
    // Whatever happens, the disk goes after the server and before the directory.
    pub disk: Option<SmallDisk>,
    pub directory: TempDir,
}

impl Scene {
    pub fn begin(options: &[&str]) -> Scene {
        Scene::begin_in(tempfile::tempdir().unwrap(), None, options)
    }

    /// Its index is on a disk of this size; none if that cannot be had.
    pub fn begin_on_small_disk(kib: u32, options: &[&str]) -> Option<Scene> {
        let directory = tempfile::tempdir().unwrap();
        let disk = SmallDisk::mount(&directory.path().join("index"), kib)?;
        Some(Scene::begin_in(directory, Some(disk), options))
    }

    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("it was begun on one")
    }

    fn begin_in(directory: TempDir, disk: Option<SmallDisk>, options: &[&str]) -> Scene {
        let server = Arc::new(Served::start(directory.path(), options));
        let mut book = Book::default();
        for first in (0..OLD_EVENTS).step_by(500) {
            let old: Vec<Event> = (first..first + 500).map(Event::new).collect();
            book.take(&old, &server.publish(body(&old)));
        }
        server.wait_until_flushed();
        let traffic = Traffic::start(&server, book);
        Scene {
            server,
            traffic,
            disk,
            directory,
        }
    }

    /// Stops the traffic when all is well again, checks everything, and that neither a
    /// fresh store nor one that was killed knows better. Returns the figures before that.
    pub fn end(self) -> Value {
        self.server.wait_for_state("ready");
        std::thread::sleep(A_WHILE);
        self.server.wait_for("read whole", |_| {
            self.traffic.reads.whole.load(Ordering::Relaxed) > 0
        });
        let mut book = self.traffic.stop();
        let mut server = Arc::into_inner(self.server).expect("the traffic has stopped");
        let stats = check_at_rest(&server, &mut book);
        let fresh = fresh_store_stats(&book.sent());
        let same = |one: &Value, other: &Value| {
            for figure in ["received", "unique_processed", "conflicts", "fold_hash"] {
                assert_eq!(one[figure], other[figure], "{figure}");
            }
        };
        same(&stats, &fresh);

        server.kill_and_restart();
        same(&check_at_rest(&server, &mut book), &stats);
        let again = book.sent()[..1000].to_vec();
        book.take(&again, &server.publish(body(&again)));
        book.check_verdicts();
        drop((server, self.disk, self.directory));
        stats
    }

    pub fn answered(&self, status: u16) -> u64 {
        self.traffic.answered(status)
    }

    /// Waits until so many more were answered so.
    pub fn wait_for_answers(&self, status: u16, more: u64) {
        let before = self.answered(status);
        self.server
            .wait_for(&format!("{more} times {status}"), |_| {
                self.answered(status) >= before + more
            });
    }
}

pub fn index_figure(stats: &Value, name: &str) -> u64 {
    stats["index"][name].as_u64().unwrap()
}

pub fn assert_degraded(stats: &Value) {
    assert_eq!(stats["state"]["ready"], true);
    assert!(stats["index"]["degraded_since"].is_string(), "{stats:#}");
    assert!(index_figure(stats, "apply_retries") >= 3, "{stats:#}");
    assert!(index_figure(stats, "apply_failures") >= 1, "{stats:#}");
}
