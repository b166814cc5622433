//! Risk: runs that pile up, files that are left over, keys that a merge drops, pages of the
//! database that are freed and never used.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::lookup;
use super::super::shared::Runs;
use super::directory::{named_runs, run_files};
use super::model::{Frame, Model, open};

fn new_events(from: u16, count: u16) -> Frame {
    Frame::Events(true, (from..from + count).map(|id| (0, id, 0)).collect())
}

#[test]
fn runs_stay_few_and_no_file_is_left_over() {
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
    while named_runs(directory.path()).len() > 9 {
        assert!(Instant::now() < until, "{:?}", named_runs(directory.path()));
        std::thread::sleep(Duration::from_millis(5));
    }
    model.compare(&index).unwrap();
    index.close().unwrap();
    assert_eq!(run_files(directory.path()), named_runs(directory.path()));
    let connection = Connection::open(directory.path().join("index.sqlite3")).unwrap();
    let free: i64 = connection
        .pragma_query_value(None, "freelist_count", |row| row.get(0))
        .unwrap();
    assert!(free <= 1, "{free} free pages");
    drop(connection);
    model.compare(&open(directory.path()).unwrap()).unwrap();
}

#[test]
fn what_an_unfinished_merge_left_is_removed_and_never_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    for round in 0..40 {
        let index = open(directory.path()).unwrap();
        model.take(new_events(round * 20, 20));
        model.replay_into(&index).unwrap();
        index.flush_now().unwrap();
        // Dropped at once: merges of two blocks a slice are cut short.
        drop(index);
    }
    let index = open(directory.path()).unwrap();
    model.compare(&index).unwrap();
    index.close().unwrap();
    assert_eq!(run_files(directory.path()), named_runs(directory.path()));
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
    let all_merged = || {
        let left = run_files(directory.path());
        !held.iter().any(|run| {
            let name = format!("{:020}.run", run.file.row.id);
            left.contains(&directory.path().join(name))
        })
    };
    for batch in 0.. {
        assert!(batch < 400, "the runs that were held have been merged");
        if all_merged() {
            break;
        }
        model.take(new_events(1000 + batch * 20, 20));
        model.replay_into(&index).unwrap();
        index.flush_now().unwrap();
    }
    let found = lookup::find(&held, &keys).unwrap();
    assert!(
        found
            .iter()
            .zip(1..)
            .all(|(first, seq)| first.is_some_and(|first| first.seq.get() == seq))
    );
}
