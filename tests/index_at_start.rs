//! What a server does at its start with an index that is not as it was left: it folds a new
//! one from the log, and refuses when the index shows that the log has lost something.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use support::book::{Book, Event, body, check_at_rest};
use support::mount::SmallDisk;
use support::process::{run_command, serve_command};
use support::served::Served;
use tempfile::TempDir;

/// A store that has been stopped.
struct Stopped {
    directory: TempDir,
    book: Book,
}

impl Stopped {
    fn with_events(count: u64) -> Stopped {
        let mut stopped = Stopped {
            directory: tempfile::tempdir().unwrap(),
            book: Book::default(),
        };
        stopped.run(count);
        stopped
    }

    /// Starts it, publishes old, changed and new events, and stops it.
    fn run(&mut self, count: u64) {
        let server = Served::start(self.directory.path(), &[]);
        self.publish(&server, count);
        assert_eq!(server.stop().code, Some(0));
    }

    fn publish(&mut self, server: &Served, count: u64) {
        let ids = 0..self.book.sent().len() as u64 + count;
        let variant = |id: u64| (id % 4).min(2) as u8;
        let events: Vec<Event> = ids
            .map(|id| Event {
                id,
                variant: variant(id),
            })
            .collect();
        let answer = server.publish(body(&events));
        self.book.take(&events, &answer);
    }

    fn index_file(&self) -> PathBuf {
        self.directory.path().join("index/index.sqlite3")
    }
}

/// Meddles with the index of a stopped store, which must then work as if nothing had been.
fn rebuilt_after(meddle: impl FnOnce(&Path)) {
    let mut stopped = Stopped::with_events(300);
    stopped.run(200);
    meddle(&stopped.index_file());
    let mut server = Served::start(stopped.directory.path(), &[]);
    assert!(server.said().contains("is replayed"), "{}", server.said());
    stopped.publish(&server, 10);
    check_at_rest(&server, &mut stopped.book);
    server.kill_and_restart();
    check_at_rest(&server, &mut stopped.book);
}

fn execute(index_file: &Path, sql: &str) {
    let connection = Connection::open(index_file).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn a_missing_index_is_folded_from_the_log() {
    rebuilt_after(|file| fs::remove_file(file).unwrap());
}

#[test]
fn an_index_of_an_older_schema_is_folded_anew() {
    rebuilt_after(|file| execute(file, "PRAGMA user_version = 0"));
}

#[test]
fn an_index_of_a_later_schema_is_folded_anew() {
    rebuilt_after(|file| {
        execute(
            file,
            "PRAGMA user_version = 99; DROP TABLE head; CREATE TABLE new (x)",
        );
    });
}

#[test]
fn an_index_of_another_fold_is_folded_anew() {
    rebuilt_after(|file| execute(file, "UPDATE head SET fold_version = fold_version + 1"));
}

#[test]
fn the_index_of_another_log_is_folded_anew() {
    let other = Stopped::with_events(400);
    rebuilt_after(|file| {
        fs::copy(other.index_file(), file).unwrap();
    });
}

#[test]
fn garbage_in_the_place_of_the_index_is_folded_anew() {
    rebuilt_after(|file| fs::write(file, [0xa5; 50_000]).unwrap());
}

#[test]
fn a_cut_index_is_folded_anew() {
    rebuilt_after(|file| {
        let whole = fs::read(file).unwrap();
        fs::write(file, &whole[..whole.len() / 2]).unwrap();
    });
}

#[test]
fn an_emptied_index_is_folded_anew() {
    rebuilt_after(|file| fs::write(file, []).unwrap());
}

fn runs_of(index_file: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(index_file.parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "run"))
        .collect()
}

#[test]
fn a_missing_run_is_folded_anew_with_all_others() {
    rebuilt_after(|file| fs::remove_file(&runs_of(file)[0]).unwrap());
}

#[test]
fn a_cut_run_is_folded_anew_with_all_others() {
    rebuilt_after(|file| {
        let run = &runs_of(file)[0];
        let whole = fs::read(run).unwrap();
        fs::write(run, &whole[..whole.len() - 4096]).unwrap();
    });
}

#[test]
fn another_run_of_the_same_name_is_folded_anew_with_all_others() {
    rebuilt_after(|file| {
        let runs = runs_of(file);
        fs::copy(&runs[0], &runs[1]).unwrap();
    });
}

#[test]
fn runs_without_a_manifest_are_removed() {
    let mut before = Vec::new();
    let mut stopped = Stopped::with_events(300);
    stopped.run(200);
    fs::remove_file(stopped.index_file()).unwrap();
    before.extend(runs_of(&stopped.index_file()));
    let left_over = stopped
        .index_file()
        .with_file_name("00000000000000000777.run");
    fs::copy(&before[0], &left_over).unwrap();
    let server = Served::start(stopped.directory.path(), &[]);
    assert!(!left_over.exists());
    check_at_rest(&server, &mut stopped.book);
}

#[test]
fn a_killed_stores_wal_over_an_older_database_is_never_a_wrong_verdict() {
    let mut stopped = Stopped::with_events(300);
    let older = fs::read(stopped.index_file()).unwrap();
    for count in [200, 100] {
        let mut server = Served::start(stopped.directory.path(), &[]);
        stopped.publish(&server, count);
        server.wait_until_flushed();
        server.kill();
        assert!(stopped.index_file().with_extension("sqlite3-wal").exists());
        fs::write(stopped.index_file(), &older).unwrap();
        let server = Served::start(stopped.directory.path(), &[]);
        stopped.publish(&server, 10);
        // What is damaged may be read only now.
        let received = stopped.book.sent().len();
        server.wait_for("a whole answer", |_| {
            let answer = server.try_get(&format!("/receipts?from=1&to={received}"));
            answer.is_ok_and(|answer| answer.status == 200)
        });
        check_at_rest(&server, &mut stopped.book);
    }
}

#[test]
fn a_full_disk_of_the_index_does_not_keep_a_killed_store_from_starting() {
    let mut stopped = Stopped {
        directory: tempfile::tempdir().unwrap(),
        book: Book::default(),
    };
    let index_dir = stopped.directory.path().join("index");
    let Some(disk) = SmallDisk::mount(&index_dir, 4096) else {
        return;
    };
    let mut server = Served::start(stopped.directory.path(), &[]);
    stopped.publish(&server, 300);
    server.wait_until_flushed();
    disk.fill();
    stopped.publish(&server, 300);
    server.wait_for_state("degraded");
    server.kill();
    disk.fill();

    let server = Served::start(stopped.directory.path(), &[]);
    stopped.publish(&server, 100);
    server.wait_for("degraded", |stats| {
        stats["index"]["degraded_since"].is_string()
    });
    stopped.publish(&server, 100);
    fs::remove_file(disk.filler()).unwrap();
    check_at_rest(&server, &mut stopped.book);
    drop((server, disk));
}

#[test]
fn an_index_ahead_of_its_log_is_a_refusal_that_changes_nothing() {
    let mut stopped = Stopped::with_events(300);
    let (log, older) = (
        stopped.directory.path().join("log"),
        stopped.directory.path().join("older"),
    );
    copy_all(&log, &older);
    stopped.run(200);
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&older, &log).unwrap();
    refused(&stopped, "seq 800");

    // Also when the log is gone altogether.
    fs::remove_dir_all(&log).unwrap();
    refused(&stopped, "seq 800");
}

fn refused(stopped: &Stopped, says: &str) {
    let before = contents(stopped.directory.path());
    let ended = run_command(serve_command(stopped.directory.path(), &[]));
    let said = &ended.stderr;
    assert_eq!(ended.code, Some(3), "{said}");
    assert!(said.contains(says), "{said}");
    let after = contents(stopped.directory.path());
    let changed = before.symmetric_difference(&after);
    let changed: Vec<&PathBuf> = changed.map(|(path, _)| path).collect();
    assert!(changed.is_empty(), "{changed:?} changed");
}

/// All bytes in log and index, by file.
fn contents(data_dir: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    ["log", "index"]
        .iter()
        .filter_map(|part| fs::read_dir(data_dir.join(part)).ok())
        .flat_map(|entries| entries.map(|entry| entry.unwrap().path()))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn an_index_locked_at_the_start_is_used_when_it_is_free() {
    let mut stopped = Stopped::with_events(300);
    let locked = Connection::open(stopped.index_file()).unwrap();
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let server = Served::start(stopped.directory.path(), &[]);
    stopped.publish(&server, 100);
    server.wait_for_state("degraded");
    stopped.publish(&server, 100);
    drop(locked);
    check_at_rest(&server, &mut stopped.book);
}

/// Another process has the database to itself, so that not even a look is possible.
fn lock_for_all(index_file: &Path) -> Connection {
    let locked = Connection::open(index_file).unwrap();
    locked
        .pragma_update(None, "locking_mode", "EXCLUSIVE")
        .unwrap();
    locked.execute_batch("BEGIN EXCLUSIVE; COMMIT").unwrap();
    locked
}

#[test]
fn an_index_that_cannot_be_opened_does_not_keep_a_store_from_taking_events() {
    let mut stopped = Stopped::with_events(300);
    let locked = lock_for_all(&stopped.index_file());
    let mut server = Served::start(stopped.directory.path(), &[]);
    let said = server.said();
    assert!(said.contains("cannot be opened yet"), "{said}");
    for _ in 0..2 {
        stopped.publish(&server, 100);
        let stats = server.stats();
        assert!(stats["index"]["degraded_since"].is_string(), "{stats:#}");
        assert_eq!(stats["state"]["ready"], true, "{stats:#}");
        assert_eq!(stats["pending"], stats["received"], "{stats:#}");
        // An answer would be short.
        for path in ["/events", "/topics"] {
            let answer = server.get(path);
            answer.assert_problem(503, "index_unavailable");
        }
        server.kill_and_restart();
    }
    drop(locked);
    let stats = check_at_rest(&server, &mut stopped.book);
    // The index that was there was used, and not made anew.
    assert!(!server.said().contains("given up"), "{}", server.said());
    assert_eq!(stats["index"]["apply_failures"], 1, "{stats:#}");
}

#[test]
fn an_index_that_cannot_be_opened_still_proves_what_the_log_has_lost() {
    let mut stopped = Stopped::with_events(300);
    let (log, older) = (
        stopped.directory.path().join("log"),
        stopped.directory.path().join("older"),
    );
    copy_all(&log, &older);
    stopped.run(200);
    let _locked = lock_for_all(&stopped.index_file());
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&older, &log).unwrap();
    // Its files are not read here: closing one would drop the lock.
    let ended = run_command(serve_command(stopped.directory.path(), &[]));
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("seq 800"), "{}", ended.stderr);

    // Without any log it is not known whose index it is.
    fs::remove_dir_all(&log).unwrap();
    let ended = run_command(serve_command(stopped.directory.path(), &[]));
    assert!(ended.stderr.contains("is locked"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(!log.join("log.meta").exists());
}
