//! Risk: runs that pile up, slots that leak or are shared, keys that a merge drops.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::lookup;
use super::super::shared::Runs;
use super::model::{Frame, Model, open};

fn new_events(from: u16, count: u16) -> Frame {
    Frame::Events(true, (from..from + count).map(|id| (0, id, 0)).collect())
}

fn runs_and_slots(directory: &std::path::Path) -> (i64, i64, i64) {
    let connection = Connection::open(directory.join("index.sqlite3")).unwrap();
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).unwrap();
    (
        one("SELECT count(*) FROM runs"),
        one("SELECT coalesce(sum(key_blocks), 0) FROM runs"),
        one("SELECT count(*) FROM slots"),
    )
}

#[test]
fn runs_stay_few_and_slots_are_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    let mut model = Model::default();
    for batch in 0..150 {
        model.take(new_events(batch * 9, 9));
        model.replay_into(&index).unwrap();
    }
    index.flush_now().unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    // 1 350 keys in classes of ratio 2 from 6 on: one run in each of 9 classes at most.
    while runs_and_slots(directory.path()).0 > 9 {
        assert!(
            Instant::now() < until,
            "{:?}",
            runs_and_slots(directory.path())
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    model.compare(&index).unwrap();
    index.close().unwrap();
    let (_, key_blocks, slots) = runs_and_slots(directory.path());
    assert!(
        slots < 6 * key_blocks,
        "{slots} slots for {key_blocks} blocks with keys"
    );
    model.compare(&open(directory.path()).unwrap()).unwrap();
}

#[test]
fn what_an_unfinished_merge_left_is_overwritten_and_never_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let mut slots_before = 0;
    for round in 0..40 {
        let index = open(directory.path()).unwrap();
        model.take(new_events(round * 20, 20));
        model.replay_into(&index).unwrap();
        index.flush_now().unwrap();
        // Dropped at once: merges of two blocks a slice are cut short.
        drop(index);
        slots_before = runs_and_slots(directory.path()).2.max(slots_before);
    }
    let index = open(directory.path()).unwrap();
    model.compare(&index).unwrap();
    index.close().unwrap();
    let (_, key_blocks, slots) = runs_and_slots(directory.path());
    assert!(
        slots < 8 * key_blocks,
        "{slots} slots for {key_blocks} blocks with keys, at most {slots_before} before"
    );
}

#[test]
fn a_reader_that_still_holds_merged_runs_finds_their_keys() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    let mut model = Model::default();
    model.take(new_events(0, 20));
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    let held = Runs::clone(&index.shared.read().runs);
    let keys: Vec<_> = model.judged.iter().map(|one| one.key).collect();
    for batch in 0..40 {
        model.take(new_events(1000 + batch * 20, 20));
        model.replay_into(&index).unwrap();
        index.flush_now().unwrap();
    }
    let connection = Connection::open(directory.path().join("index.sqlite3")).unwrap();
    let now = Runs::clone(&index.shared.read().runs);
    assert!(
        !now.iter().any(|run| held.contains(run)),
        "the runs that were held have been merged"
    );
    let found = lookup::find(&connection, &held, &keys).unwrap();
    assert!(
        found
            .iter()
            .zip(1..)
            .all(|(first, seq)| first.is_some_and(|first| first.seq.get() == seq))
    );
}
