//! Risk: an index that has ended goes on answering, loses what was flushed, or touches the
//! files of the one that was made in its place.

use std::sync::mpsc;
use std::time::Duration;

use super::super::fold::FoldInput;
use super::super::{Index, IndexError};
use super::directory::{files, named_runs, names, run_files};
use super::model::{Model, history, open};
use crate::event::Seq;

fn assert_closed(index: &Index, model: &Model) {
    let next = model.applied().next();
    let applied = index.apply(next, FoldInput::Hole(1), model);
    assert!(matches!(applied, Err(IndexError::Closed)));
    let asked = index.verdicts(Seq::FIRST, Seq::FIRST);
    assert!(matches!(asked, Err(IndexError::Closed)));
    assert!(matches!(index.flush_now(), Err(IndexError::Closed)));
    assert!(matches!(index.close(), Err(IndexError::Closed)));
    index.abandon();
    assert_eq!(index.applied(), model.applied());
}

#[test]
fn an_end_that_has_only_begun_is_no_damage_to_the_flush_thread() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    index.shared.close();
    index.shared.tell_worker(|_| {});
    while !index.shared.signal().gone {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(index.shared.damage().is_none());
}

#[test]
fn a_closed_index_has_everything_and_leaves_only_the_database_and_its_runs() {
    let model = history(40);
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    model.compare(&index).unwrap();
    index.close().unwrap();
    let runs = run_files(directory.path());
    assert_eq!(runs, named_runs(directory.path()));
    let names = names(directory.path());
    assert_eq!(names.len(), 1 + runs.len(), "{names:?}");
    assert_eq!(names[runs.len()], "index.sqlite3");
    assert_closed(&index, &model);

    let next = open(directory.path()).unwrap();
    assert_eq!(next.flushed(), model.applied());
    model.compare(&next).unwrap();
}

#[test]
fn an_abandoned_index_waits_for_who_reads_and_leaves_its_files_alone() {
    let model = history(40);
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    std::thread::scope(|scope| {
        let (reads, reading) = mpsc::channel();
        let (end_reading, ended) = mpsc::channel::<()>();
        let (abandons, abandoned) = mpsc::channel();
        let index = &index;
        scope.spawn(move || {
            index.readers.with(|_| {
                reads.send(()).unwrap();
                ended.recv().unwrap();
                Ok(())
            })
        });
        reading.recv().unwrap();
        scope.spawn(move || {
            index.abandon();
            abandons.send(()).unwrap();
        });
        let early = abandoned.recv_timeout(Duration::from_millis(100));
        assert!(early.is_err(), "it did not wait");
        end_reading.send(()).unwrap();
        abandoned.recv_timeout(Duration::from_secs(20)).unwrap();
    });
    assert_closed(&index, &model);
    let left = files(directory.path());
    assert!(left.iter().any(|(name, _)| name.ends_with("-wal")));
    drop(index);
    assert_eq!(files(directory.path()), left);
    model.compare(&open(directory.path()).unwrap()).unwrap();
}

#[test]
fn an_abandoned_index_does_not_touch_the_next_one() {
    let model = history(40);
    let directory = tempfile::tempdir().unwrap();
    let old = open(directory.path()).unwrap();
    model.replay_into(&old).unwrap();
    old.abandon();
    Index::discard(directory.path()).unwrap();
    let new = open(directory.path()).unwrap();
    let part = history(20);
    part.replay_into(&new).unwrap();
    new.flush_now().unwrap();
    drop(old);
    model.replay_into(&new).unwrap();
    new.flush_now().unwrap();
    model.compare(&new).unwrap();
    drop(new);
    let again = open(directory.path()).unwrap();
    assert_eq!(again.flushed(), model.applied());
    model.compare(&again).unwrap();
}
