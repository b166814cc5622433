//! Risk: runs or generations that pile up, files or blocks that are left over, keys or
//! postings that a merge drops, pages of the database that are freed and never used.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::lookup;
use super::super::options::Shape;
use super::super::shared::Runs;
use super::super::{Index, IndexOptions};
use super::directory::{generations, named_runs, run_files, wait_for_generations};
use super::model::{Frame, LOG, Model, arrivals, history, open};
use super::tiny::{tiny_options, tiny_shape};

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
    let pages = |pragma| -> i64 {
        let found = connection.pragma_query_value(None, pragma, |row| row.get(0));
        found.unwrap()
    };
    // A merge needs as much again as what it merges, and later ones use that.
    let (free, all) = (pages("freelist_count"), pages("page_count"));
    assert!(free * 2 <= all, "{free} of {all} pages are free");
    drop(connection);
    model.compare(&open(directory.path()).unwrap()).unwrap();
}

/// Also of runs that come when others are woven already, and of filters that are read at a start.
#[test]
fn a_key_of_each_run_is_known_while_filters_of_runs_of_one_size_are_woven() {
    let shape = Shape {
        merge_ratio: 100,
        ..tiny_shape()
    };
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let options = IndexOptions {
            flush_at_events: 24,
            flush_after: Duration::from_secs(60),
            ..tiny_options()
        };
        Index::open_shaped(directory.path(), LOG, options, shape.clone()).unwrap()
    };
    let wait_for = |index: &Index, weaves: &[usize]| {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let woven = index.shared.read().runs.woven();
            if woven.as_deref() == Some(weaves) {
                break;
            }
            assert!(Instant::now() < until, "{woven:?}, not {weaves:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let mut model = Model::default();
    let mut index = open();
    for (number, weaves) in (0..).zip([&[1][..], &[2], &[2, 1], &[4], &[4, 1], &[4, 2], &[4, 2, 1]])
    {
        model.take(new_events(number * 12, 12 + number % 2));
        model.replay_into(&index).unwrap();
        index.flush_now().unwrap();
        wait_for(&index, weaves);
        model.compare(&index).unwrap();
    }
    index.close().unwrap();
    drop(index);
    index = open();
    wait_for(&index, &[4, 2, 1]);
    model.compare(&index).unwrap();
    let unknown = arrivals(true, &[(0, 60_000, 0)]).list[0].key;
    assert_eq!(index.first_of(unknown).unwrap(), None);
}

#[test]
fn generations_stay_few_are_covered_once_and_leave_no_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    let mut model = Model::default();
    for batch in 0..150u16 {
        // Some of many topics, some of one, some with nothing to store.
        model.take(Frame::Events(
            true,
            (0..9)
                .map(|id| (id as u8 % (1 + batch as u8 % 5), batch / 2 * 9 + id, 0))
                .collect(),
        ));
        model.replay_into(&index).unwrap();
        index.flush_now().unwrap();
    }
    // 675 postings in classes of ratio 2 from 6 on: one generation in each of 8 at most.
    wait_for_generations(directory.path(), 8);
    // The oldest has the most, and no flush had more than 9.
    let connection = Connection::open(directory.path().join("index.sqlite3")).unwrap();
    let sql = "SELECT postings FROM generations ORDER BY upto_seq LIMIT 1";
    let oldest: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(oldest > 100, "{oldest}");
    drop(connection);
    model.compare(&index).unwrap();
    index.close().unwrap();
    model.compare(&open(directory.path()).unwrap()).unwrap();
}

#[test]
fn blocks_that_an_unfinished_merge_left_are_not_read_and_go_after_the_next_flush() {
    let directory = tempfile::tempdir().unwrap();
    let model = history(40);
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    index.close().unwrap();
    let connection = Connection::open(directory.path().join("index.sqlite3")).unwrap();
    let (named, _) = generations(directory.path());
    let last = named.last().unwrap();
    // Beyond and among the numbers of those that are named, and under the next ones.
    for number in [last + 1, last + 2, last + 900] {
        // The close may have cut a merge short, which has then left some of them.
        let copy = "INSERT OR REPLACE INTO postings (generation, topic, first_seq, block)
             SELECT ?1, topic, first_seq, block FROM postings WHERE generation = ?2";
        assert!(connection.execute(copy, [number, *last]).unwrap() > 0);
    }
    connection.close().unwrap();
    let index = open(directory.path()).unwrap();
    model.compare(&index).unwrap();
    let (_, written) = generations(directory.path());
    assert!(
        written.contains(&(last + 900)),
        "nothing happens before a flush"
    );
    let mut model = model;
    model.take(new_events(5000, 3));
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    wait_for_generations(directory.path(), usize::MAX);
    let (named, _) = generations(directory.path());
    assert!(named.iter().any(|number| *number > last + 900), "{named:?}");
    model.compare(&index).unwrap();
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
