//! The index fails while the server serves: locked, deleted, cut, garbled, its disk full.
//! Publishers and readers go on all the while. No verdict is ever wrong, nothing that was
//! acknowledged is missing from what looks like a whole answer, and it heals without a
//! restart.

mod support;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use support::mount::SmallDisk;
use support::served::Served;
use support::traffic::{Book, Event, Traffic, body, check_at_rest, fresh_store_stats};
use tempfile::TempDir;

/// For something to happen in peace.
const A_WHILE: Duration = Duration::from_millis(250);
const OLD_EVENTS: u64 = 1500;
/// With so small a delta the old events are flushed at once.
const FLUSHED_SOON: [&str; 2] = ["--delta-events", "3000"];

/// A server with known events in SQLite, and traffic.
struct Scene {
    server: Arc<Served>,
    traffic: Traffic,
    // Whatever happens, the disk goes after the server and before the directory.
    disk: Option<SmallDisk>,
    directory: TempDir,
}

impl Scene {
    fn begin(options: &[&str]) -> Scene {
        Scene::begin_in(tempfile::tempdir().unwrap(), None, options)
    }

    /// Its index is on a disk of this size; none if that cannot be had.
    fn begin_on_small_disk(kib: u32, options: &[&str]) -> Option<Scene> {
        let directory = tempfile::tempdir().unwrap();
        let disk = SmallDisk::mount(&directory.path().join("index"), kib)?;
        Some(Scene::begin_in(directory, Some(disk), options))
    }

    fn disk(&self) -> &SmallDisk {
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
    fn end(self) -> Value {
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

    fn answered(&self, status: u16) -> u64 {
        self.traffic.answered(status)
    }

    /// Waits until so many more were answered so.
    fn wait_for_answers(&self, status: u16, more: u64) {
        let before = self.answered(status);
        self.server
            .wait_for(&format!("{more} times {status}"), |_| {
                self.answered(status) >= before + more
            });
    }
}

fn index_figure(stats: &Value, name: &str) -> u64 {
    stats["index"][name].as_u64().unwrap()
}

/// Another process takes the index's lock.
fn lock(server: &Served, how: &str) -> Connection {
    let connection = Connection::open(server.index_file()).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch(how).unwrap();
    connection
}

fn assert_degraded(stats: &Value) {
    assert_eq!(stats["state"]["ready"], true);
    assert!(stats["index"]["degraded_since"].is_string(), "{stats:#}");
    assert!(index_figure(stats, "apply_retries") >= 3, "{stats:#}");
    assert!(index_figure(stats, "apply_failures") >= 1, "{stats:#}");
}

#[test]
fn while_another_process_locks_the_index_verdicts_go_on() {
    let scene = Scene::begin(&[]);
    let locked = lock(&scene.server, "BEGIN IMMEDIATE");
    assert_degraded(&scene.server.wait_for_state("degraded"));
    scene.wait_for_answers(200, 20);
    assert_eq!(scene.answered(202), 0, "there was room for verdicts");
    drop(locked);
    let stats = scene.end();
    assert_eq!(index_figure(&stats, "apply_failures"), 1);
}

#[test]
fn while_it_is_locked_and_the_delta_full_verdicts_come_later() {
    let scene = Scene::begin(&["--delta-events", "300"]);
    let locked = lock(&scene.server, "BEGIN EXCLUSIVE");
    assert_degraded(&scene.server.wait_for_state("degraded"));
    scene.wait_for_answers(202, 20);
    let stats = scene.server.stats();
    assert!(stats["pending"].as_u64().unwrap() > 0, "{stats:#}");
    let seq = stats["received"].as_u64().unwrap();
    let late = scene.server.get(&format!("/receipts?from={seq}&to={seq}"));
    assert_eq!(late.status, 202, "{}", late.text);
    drop(locked);
    let stats = scene.end();
    assert_eq!(index_figure(&stats, "apply_failures"), 1);
}

#[test]
fn a_full_backlog_is_refused_until_the_index_takes_it() {
    let scene = Scene::begin(&["--delta-events", "300", "--backlog-events", "600"]);
    let locked = lock(&scene.server, "BEGIN IMMEDIATE");
    // Each such answer is checked where it is taken down.
    scene.wait_for_answers(503, 5);
    let ready = scene.server.get("/readyz");
    let problem = ready.assert_problem(503, "not_ready");
    assert_eq!(problem["state"], "backlog_full");
    drop(locked);
    scene.wait_for_answers(200, 5);
    scene.end();
}

#[test]
fn an_index_deleted_while_it_is_locked_heals_from_both() {
    let scene = Scene::begin(&["--delta-events", "300"]);
    let locked = lock(&scene.server, "BEGIN IMMEDIATE");
    scene.wait_for_answers(202, 5);
    fs::remove_file(scene.server.index_file()).unwrap();
    scene.server.wait_for("given up", |stats| {
        index_figure(stats, "apply_failures") >= 2
    });
    drop(locked);
    let retries = index_figure(&scene.server.stats(), "apply_retries");
    assert!(retries >= 3, "the old index's are forgotten: {retries}");
    let stats = scene.end();
    assert_eq!(index_figure(&stats, "apply_failures"), 2);
}

/// Damages the index under the server, which must give it up and fold it anew.
fn damage(meddle: impl FnOnce(&Path)) {
    let scene = Scene::begin(&FLUSHED_SOON);
    std::thread::sleep(A_WHILE);
    meddle(&scene.server.index_file());
    scene.server.wait_for("given up", |stats| {
        read_by_many(&scene.server);
        index_figure(stats, "apply_failures") > 0
    });
    let stats = scene.end();
    assert_eq!(index_figure(&stats, "apply_failures"), 1, "{stats:#}");
}

/// Reads by so many at once that not all of them find a connection with pages in its cache.
fn read_by_many(server: &Served) {
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| server.try_get("/events?topic=topic-1"));
        }
    });
}

/// The runs that are there now.
fn run_files(index_file: &Path) -> Vec<PathBuf> {
    let directory = index_file.parent().expect("a directory");
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "run"))
        .collect()
}

/// Those that the manifest names.
fn named_runs(index_file: &Path) -> Vec<PathBuf> {
    let connection = Connection::open(index_file).unwrap();
    let mut ids = connection
        .prepare("SELECT run FROM runs ORDER BY run")
        .unwrap();
    let ids = ids.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    ids.map(|id| index_file.with_file_name(format!("{:020}.run", id.unwrap())))
        .collect()
}

fn overwrite(path: &Path) -> File {
    OpenOptions::new().write(true).open(path).unwrap()
}

#[test]
fn a_deleted_index_is_folded_anew() {
    damage(|file| fs::remove_file(file).unwrap());
}

#[test]
fn a_deleted_wal_is_noticed() {
    damage(|file| fs::remove_file(file.with_extension("sqlite3-wal")).unwrap());
}

#[test]
fn a_deleted_directory_is_made_again() {
    damage(|file| fs::remove_dir_all(file.parent().unwrap()).unwrap());
}

#[test]
fn an_index_replaced_by_garbage_is_folded_anew() {
    damage(|file| {
        let other = file.with_extension("other");
        fs::write(&other, [0xa5; 40_000]).unwrap();
        fs::rename(other, file).unwrap();
    });
}

#[test]
fn an_index_replaced_by_a_part_of_itself_is_folded_anew() {
    damage(|file| {
        let other = file.with_extension("other");
        let whole = fs::read(file).unwrap();
        fs::write(&other, &whole[..whole.len() / 2]).unwrap();
        fs::rename(other, file).unwrap();
    });
}

#[test]
fn an_emptied_index_is_folded_anew() {
    damage(|file| overwrite(file).set_len(0).unwrap());
}

#[test]
fn an_index_cut_to_a_page_is_folded_anew() {
    damage(|file| overwrite(file).set_len(4096).unwrap());
}

#[test]
fn an_index_cut_in_half_is_folded_anew() {
    damage(|file| {
        let bytes = fs::metadata(file).unwrap().len();
        overwrite(file).set_len(bytes / 2).unwrap();
    });
}

#[test]
fn an_index_overwritten_with_garbage_is_folded_anew() {
    damage(|file| {
        let bytes = fs::metadata(file).unwrap().len() as usize;
        overwrite(file).write_all_at(&vec![0xa5; bytes], 0).unwrap();
    });
}

fn flip_a_bit_in_every_page(path: &Path) {
    // A run may have been merged meanwhile.
    let Ok(mut bytes) = fs::read(path) else {
        return;
    };
    let file = OpenOptions::new().write(true).open(path);
    for (number, page) in bytes.chunks_mut(4096).enumerate() {
        // Not at the same place in each, and past the page's own header.
        let place = (100 + number * 811 % 3900).min(page.len() - 1);
        page[place] ^= 1 << (number % 8);
        let at = (number * 4096 + place) as u64;
        if let Ok(file) = &file {
            file.write_all_at(&page[place..=place], at).unwrap();
        }
    }
}

#[test]
fn a_bit_flipped_in_every_page_is_never_a_wrong_verdict() {
    damage(flip_a_bit_in_every_page);
}

#[test]
fn a_bit_flipped_in_every_block_of_the_runs_is_never_a_wrong_verdict() {
    damage(|file| {
        let runs = run_files(file);
        assert!(!runs.is_empty());
        runs.iter().for_each(|run| flip_a_bit_in_every_page(run));
    });
}

#[test]
fn runs_overwritten_with_garbage_are_folded_anew() {
    damage(|file| {
        for run in run_files(file) {
            let bytes = fs::metadata(&run).map_or(0, |found| found.len());
            if let Ok(file) = OpenOptions::new().write(true).open(run) {
                file.write_all_at(&vec![0xa5; bytes as usize], 0).unwrap();
            }
        }
    });
}

#[test]
fn deleted_runs_are_folded_anew() {
    damage(|file| {
        let removed = run_files(file).into_iter().map(fs::remove_file);
        assert!(removed.filter(Result::is_ok).count() > 0);
    });
}

#[test]
fn damage_is_healed_also_when_only_readers_meet_it() {
    let Scene {
        server,
        traffic,
        disk,
        directory,
    } = Scene::begin(&FLUSHED_SOON);
    std::thread::sleep(A_WHILE);
    let book = traffic.stop();
    server.wait_until_flushed();
    // For the checkpoint, so that nothing is read from the WAL.
    std::thread::sleep(A_WHILE);
    overwrite(&server.index_file()).set_len(8192).unwrap();
    server.wait_for("given up", |stats| {
        read_by_many(&server);
        index_figure(stats, "apply_failures") > 0
    });
    server.wait_until_well();
    let traffic = Traffic::start(&server, book);
    Scene {
        server,
        traffic,
        disk,
        directory,
    }
    .end();
}

/// The index's disk becomes full, and then has room again.
fn full_disk(kib: u32, fill: impl FnOnce(&Scene), make_room: impl FnOnce(&Scene)) {
    let Some(scene) = Scene::begin_on_small_disk(kib, &["--delta-events", "800"]) else {
        return;
    };
    fill(&scene);
    assert_degraded(&scene.server.wait_for_state("degraded"));
    scene.wait_for_answers(202, 5);
    make_room(&scene);
    let stats = scene.end();
    assert!(index_figure(&stats, "apply_failures") >= 1);
}

#[test]
fn a_disk_that_gets_full_is_waited_out() {
    let empty = |scene: &Scene| fs::remove_file(scene.disk().filler()).unwrap();
    full_disk(32 << 10, |scene| scene.disk().fill(), empty);
}

#[test]
fn a_disk_that_was_too_small_is_waited_out() {
    full_disk(900, |_| {}, |scene| scene.disk().resize(32 << 10));
}

#[test]
fn damage_on_a_full_disk_is_healed_when_there_is_room() {
    let Some(scene) = Scene::begin_on_small_disk(32 << 10, &FLUSHED_SOON) else {
        return;
    };
    fs::remove_file(scene.server.index_file()).unwrap();
    // What the discarded index gives back is taken away as well.
    for _ in 0..40 {
        scene.disk().fill();
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::remove_file(scene.disk().filler()).unwrap();
    scene.end();
}

#[test]
fn a_clean_stop_leaves_nothing_but_the_database_and_its_runs() {
    let scene = Scene::begin(&FLUSHED_SOON);
    std::thread::sleep(A_WHILE);
    let mut book = scene.traffic.stop();
    let server = Arc::into_inner(scene.server).expect("the traffic has stopped");
    let status = server.stop();
    assert_eq!(status.code, Some(0));
    let left = fs::read_dir(scene.directory.path().join("index")).unwrap();
    let mut left: Vec<PathBuf> = left.map(|entry| entry.unwrap().path()).collect();
    left.sort();
    let index_file = scene.directory.path().join("index/index.sqlite3");
    let mut named = named_runs(&index_file);
    named.push(index_file);
    assert_eq!(left, named);
    let server = Served::start(scene.directory.path(), &[]);
    assert!(!server.said().contains("replayed"), "{}", server.said());
    check_at_rest(&server, &mut book);
}

#[test]
fn a_healthy_index_lets_nobody_wait_for_a_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let server = Served::start(directory.path(), &[]);
    std::thread::scope(|scope| {
        for publisher in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for id in 0..500 {
                    let answer = server.publish(body(&[Event::new(publisher * 1000 + id)]));
                    assert_eq!(answer.status, 200, "{}", answer.text);
                }
            });
        }
    });
}

#[test]
fn a_large_batch_sent_again_in_other_words_is_judged_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let server = Served::start(directory.path(), &[]);
    let mut book = Book::default();
    for variant in 0..3 {
        let batch: Vec<Event> = (0..3000).map(|id| Event { id, variant }).collect();
        let answer = server.publish(body(&batch));
        assert_eq!(answer.status, 200, "{}", answer.text);
        book.take(&batch, &answer);
    }
    book.check_verdicts();
}
