//! Files that somebody else deletes, cuts, replaces or copies.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::super::super::{Index, IndexError};
use super::super::directory::{names, run_files};
use super::super::model::{history, open};
use super::{filled, new_events, wait_until};
use crate::event::Seq;

fn meddled(meddle: impl FnOnce(&Path), sign: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (index, mut model) = filled(directory.path());
    // With its first checkpoint behind it, so that its size is known.
    model.take(new_events(1000, 12));
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    wait_until("a checkpoint", || {
        fs::metadata(directory.path().join("index.sqlite3"))
            .unwrap()
            .len()
            > 4096
    });
    std::thread::sleep(Duration::from_millis(50));
    meddle(&directory.path().join("index.sqlite3"));
    model.take(new_events(2000, 12));
    let noticed = model.replay_into(&index).and_then(|()| index.flush_now());
    assert!(
        matches!(noticed, Err(IndexError::Damaged { .. })),
        "{noticed:?}"
    );
    assert!(
        index.damage().unwrap().contains(sign),
        "{:?}",
        index.damage()
    );
    assert!(matches!(
        index.verdicts(Seq::FIRST, Seq::FIRST),
        Err(IndexError::Damaged { .. })
    ));
    assert!(matches!(index.flush_now(), Err(IndexError::Damaged { .. })));

    drop(index);
    Index::discard(directory.path()).unwrap();
    let index = open(directory.path()).unwrap();
    assert_eq!(index.applied(), Seq::ZERO);
    model.replay_into(&index).unwrap();
    model.compare(&index).unwrap();
}

#[test]
fn a_deleted_run_is_noticed() {
    let all = |path: &Path| run_files(path.parent().unwrap());
    meddled(
        |path| {
            let removed = all(path).into_iter().map(fs::remove_file);
            // One may have gone by itself.
            assert!(removed.filter(Result::is_ok).count() > 0);
        },
        "of run",
    );
}

#[test]
fn a_cut_run_is_noticed() {
    meddled(
        |path| {
            let mut cut = 0;
            for run in run_files(path.parent().unwrap()) {
                if let Ok(file) = OpenOptions::new().write(true).open(run) {
                    file.set_len(200).unwrap();
                    cut += 1;
                }
            }
            assert!(cut > 0);
        },
        "run",
    );
}

#[test]
fn a_deleted_file_is_noticed() {
    meddled(|path| fs::remove_file(path).unwrap(), "deleted or replaced");
}

#[test]
fn a_deleted_wal_is_noticed() {
    meddled(
        |path| fs::remove_file(path.with_extension("sqlite3-wal")).unwrap(),
        "WAL was deleted",
    );
}

#[test]
fn a_replaced_file_is_noticed() {
    meddled(
        |path| {
            fs::copy(path, path.with_extension("copy")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        },
        "deleted or replaced",
    );
}

#[test]
fn a_cut_file_is_noticed() {
    meddled(
        |path| {
            OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(8192)
                .unwrap()
        },
        "",
    );
}

#[test]
fn a_copy_taken_in_the_middle_is_a_state_that_can_be_replayed() {
    let model = history(200);
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    for upto in [20, 60, 120, 200] {
        let part = history(upto);
        part.replay_into(&index).unwrap();
        let copy = tempfile::tempdir().unwrap();
        // Holding the lock, so that database and WAL are of one moment.
        let still = Connection::open(directory.path().join("index.sqlite3")).unwrap();
        still.busy_timeout(Duration::from_secs(5)).unwrap();
        still.execute_batch("BEGIN IMMEDIATE").unwrap();
        for name in names(directory.path()) {
            // What a merge is about to give up is not needed.
            let copied = fs::copy(directory.path().join(&name), copy.path().join(&name));
            assert!(copied.is_ok() || name.ends_with(".run"), "{name}");
        }
        still.execute_batch("ROLLBACK").unwrap();
        let copied = open(copy.path()).unwrap();
        model.replay_into(&copied).unwrap();
        model.compare(&copied).unwrap();
    }
}
