//! The index is well: nothing is left over, and nobody waits.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use crate::scene::{A_WHILE, FLUSHED_SOON, Scene};
use crate::support::book::{Book, Event, body, check_at_rest};
use crate::support::served::Served;

/// The runs that the manifest names.
fn named_runs(index_file: &Path) -> Vec<PathBuf> {
    let connection = Connection::open(index_file).unwrap();
    let mut ids = connection
        .prepare("SELECT run FROM runs ORDER BY run")
        .unwrap();
    let ids = ids.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    ids.map(|id| index_file.with_file_name(format!("{:020}.run", id.unwrap())))
        .collect()
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
