//! Merges fail and flushes do not.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::super::Index;
use super::super::super::steps::Step;
use super::super::directory::{named_runs, run_files, wait_for_generations};
use super::super::model::{LOG, Model, tiny_options, tiny_shape};
use super::{new_events, wait_until};

/// Only merges fail: flushes go on, and when it heals, the merges do.
#[test]
fn merges_that_find_no_room_leave_no_file_and_hold_nothing_up() {
    let directory = tempfile::tempdir().unwrap();
    let shape = tiny_shape();
    let index = Index::open_shaped(directory.path(), LOG, tiny_options(), shape.clone()).unwrap();
    let mut model = Model::default();
    // Whatever a merge reads is written by it in the same step: so a write that is not of
    // the flush before is a merge's.
    let flushing = Arc::new(AtomicBool::new(true));
    let sees = flushing.clone();
    shape.steps.plan.set(move |step| {
        let fails = step == Step::WriteRun && !sees.load(Ordering::SeqCst);
        match fails {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    });
    for batch in 0..6 {
        flushing.store(true, Ordering::SeqCst);
        model.take(new_events(batch * 9, 9));
        model.replay_into(&index).unwrap();
        index.flush_now().unwrap();
        flushing.store(false, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
    }
    model.compare(&index).unwrap();
    let health = index.flush_health();
    assert_eq!((health.failures, health.failing_since), (0, None));
    flushing.store(true, Ordering::SeqCst);
    wait_until("the merges go on", || {
        named_runs(directory.path()).len() < 4
    });
    model.compare(&index).unwrap();
    index.close().unwrap();
    assert_eq!(run_files(directory.path()), named_runs(directory.path()));
}

/// Each step of a generation's merge fails in turn: flushes go on, and when it heals, the
/// merges do.
#[test]
fn merges_of_postings_that_find_no_room_leave_no_block_and_hold_nothing_up() {
    for failing in [
        Step::MergePostings,
        Step::NamePostings,
        Step::DeletePostings,
    ] {
        let directory = tempfile::tempdir().unwrap();
        let shape = tiny_shape();
        let index =
            Index::open_shaped(directory.path(), LOG, tiny_options(), shape.clone()).unwrap();
        shape.steps.plan.set(move |step| match step == failing {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        });
        let mut model = Model::default();
        for batch in 0..6 {
            model.take(new_events(batch * 9, 9));
            model.replay_into(&index).unwrap();
            index.flush_now().unwrap();
        }
        wait_until("a merge has failed", || index.flush_health().retries > 0);
        model.compare(&index).unwrap();
        let health = index.flush_health();
        assert_eq!((health.failures, health.failing_since), (0, None));
        shape.steps.plan.clear();
        wait_for_generations(directory.path(), 3);
        model.compare(&index).unwrap();
    }
}
