//! What passes is waited out: another process's lock, a full disk, a step that fails.

use std::io;
use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::super::super::fold::{Arrivals, FoldInput};
use super::super::super::steps::Step;
use super::super::super::{Durability, Index, IndexError, IndexOptions};
use super::super::directory::{named_runs, run_files};
use super::super::model::{LOG, Model, open, tiny_options, tiny_shape};
use super::{arrivals_of, filled, new_events, wait_until};

#[test]
fn while_another_process_holds_the_lock_verdicts_go_on_until_the_delta_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let (index, mut model) = filled(directory.path());
    let flushed = index.flushed();
    let other = Connection::open(directory.path().join("index.sqlite3")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    // Fits the delta of 24: judged although nothing can be flushed.
    model.take(new_events(1000, 10));
    model.take(new_events(1005, 10));
    model.replay_into(&index).unwrap();
    model.compare(&index).unwrap();
    wait_until("a failure", || index.flush_health().failures == 1);
    let health = index.flush_health();
    assert!(health.retries >= 3 && health.failing_since.is_some() && health.last_error.is_some());
    assert!(matches!(index.flush_now(), Err(IndexError::Busy(_))));
    assert_eq!(index.flushed(), flushed);

    // Does not fit any more; nothing of it is applied.
    model.take(new_events(2000, 20));
    let state = index.state();
    let (first, _) = model.frames[model.frames.len() - 1];
    let hole = index.apply(first, FoldInput::Arrivals(&Arrivals::default()), &model);
    assert_eq!(hole.unwrap(), []);
    let arrivals = arrivals_of(20);
    assert!(matches!(
        index.apply(first, FoldInput::Arrivals(&arrivals), &model),
        Err(IndexError::DeltaFull)
    ));
    assert_eq!(index.state(), state);

    other.execute_batch("COMMIT").unwrap();
    drop(other);
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    let health = index.flush_health();
    assert_eq!(
        (health.failures, health.failing_since, health.last_error),
        (1, None, None)
    );
    model.compare(&index).unwrap();
}

#[test]
fn a_full_disk_is_waited_out() {
    let directory = tempfile::tempdir().unwrap();
    let (index, mut model) = filled(directory.path());
    // No page beyond those there are.
    index.shared.pages_max.store(1, Ordering::Relaxed);
    let refused = (0..500).find_map(|step| {
        model.take(new_events(1000 + step * 6, 6));
        // Known ones: their notes go into the database.
        model.take(new_events(1000 + step * 6, 6));
        model.replay_into(&index).unwrap();
        index.flush_now().err()
    });
    assert!(matches!(refused, Some(IndexError::Full(_))), "{refused:?}");
    assert_eq!(index.flush_health().failures, 1);
    model.compare(&index).unwrap();
    index.shared.pages_max.store(0, Ordering::Relaxed);
    wait_until("it heals by itself", || {
        index.flush_health().failing_since.is_none()
    });
    index.flush_now().unwrap();
    model.compare(&index).unwrap();
    drop(index);
    model.compare(&open(directory.path()).unwrap()).unwrap();
}

/// A step that fails for a while, when nothing else does.
fn a_failing_step_is_waited_out(failing: Step, error: io::ErrorKind) {
    let directory = tempfile::tempdir().unwrap();
    let shape = tiny_shape();
    let options = IndexOptions {
        durability: Durability::Normal,
        ..tiny_options()
    };
    let index = Index::open_shaped(directory.path(), LOG, options, shape.clone()).unwrap();
    // One run only, so that no merge is under way.
    let mut model = Model::default();
    model.take(new_events(0, 10));
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    shape.steps.plan.set(move |step| match step == failing {
        true => Err(error.into()),
        false => Ok(()),
    });
    // Verdicts go on while the delta has room.
    model.take(new_events(1000, 10));
    model.replay_into(&index).unwrap();
    let refused = index.flush_now().unwrap_err();
    match error {
        io::ErrorKind::StorageFull => {
            assert!(matches!(refused, IndexError::Full(_)), "{refused:?}")
        }
        _ => assert!(matches!(refused, IndexError::File(_)), "{refused:?}"),
    }
    assert_eq!(index.flush_health().failures, 1);
    model.compare(&index).unwrap();
    // What a try has begun gives its room back.
    wait_until("no file is left over", || {
        let named = named_runs(directory.path());
        let there = run_files(directory.path());
        there.iter().all(|run| named.contains(run))
    });
    shape.steps.plan.clear();
    wait_until("it heals by itself", || {
        index.flush_health().failing_since.is_none()
    });
    index.flush_now().unwrap();
    model.compare(&index).unwrap();
    drop(index);
    model.compare(&open(directory.path()).unwrap()).unwrap();
}

#[test]
fn no_room_for_a_run_is_waited_out() {
    a_failing_step_is_waited_out(Step::CreateRun, io::ErrorKind::StorageFull);
    a_failing_step_is_waited_out(Step::WriteRun, io::ErrorKind::StorageFull);
}

#[test]
fn a_run_that_cannot_be_synced_is_written_anew() {
    a_failing_step_is_waited_out(Step::SyncRun, io::ErrorKind::Other);
    a_failing_step_is_waited_out(Step::SyncDirectory, io::ErrorKind::Other);
}
