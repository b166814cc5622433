//! Risk: a lock, a full disk or a meddled file that stops verdicts, loses a delta or goes
//! unnoticed.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::digest::PayloadDigest;
use super::super::fold::{Arrivals, FoldInput, LoggedPayload, PayloadUnreadable, Payloads};
use super::super::steps::Step;
use super::super::{Durability, Index, IndexError, IndexOptions};
use super::directory::{named_runs, names, run_files, wait_for_generations};
use super::model::{Frame, LOG, Model, history, open, tiny_options, tiny_shape};
use crate::event::Seq;

fn new_events(from: u16, count: u16) -> Frame {
    Frame::Events(true, (from..from + count).map(|id| (9, id, 0)).collect())
}

fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !reached() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn filled(directory: &Path) -> (Index, Model) {
    let model = history(30);
    let index = open(directory).unwrap();
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    (index, model)
}

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

fn arrivals_of(count: u8) -> Arrivals {
    let arrival = |number: u8| super::super::fold::Arrival {
        key: super::super::digest::KeyDigest([number ^ 0xa5; 16]),
        payload: PayloadDigest([number; 16]),
        topic: 0,
    };
    Arrivals {
        list: (0..count).map(arrival).collect(),
        topics: vec!["full".into()],
        ..Arrivals::default()
    }
}

#[test]
fn a_frame_larger_than_the_delta_is_taken_when_the_delta_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    let mut model = Model::default();
    model.take(new_events(0, 5));
    model.take(new_events(10, 300));
    model.take(Frame::Events(true, vec![(9, 12, 0); 300]));
    model.replay_into(&index).unwrap();
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

/// Only merges fail: flushes go on, and when it heals, the merges do.
#[test]
fn merges_that_find_no_room_leave_no_file_and_hold_nothing_up() {
    let directory = tempfile::tempdir().unwrap();
    let shape = tiny_shape();
    let index = Index::open_shaped(directory.path(), LOG, tiny_options(), shape.clone()).unwrap();
    let mut model = Model::default();
    // Whatever a merge reads is written by it in the same step: so a write that is not of
    // the flush before is a merge's.
    let flushing = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
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
fn an_unreadable_first_payload_changes_nothing() {
    struct Unreadable;
    impl Payloads for Unreadable {
        fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
            let source = Box::new(std::io::Error::other("bad sector"));
            Err(PayloadUnreadable { seq, source })
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    let mut arrivals = arrivals_of(3);
    index
        .apply(Seq::FIRST, FoldInput::Arrivals(&arrivals), &Unreadable)
        .unwrap();
    let state = index.state();
    arrivals.list[0].key.0[0] ^= 1;
    arrivals.list[2].payload.0[0] ^= 1;
    let refused = index.apply(Seq::new(4), FoldInput::Arrivals(&arrivals), &Unreadable);
    assert!(
        matches!(refused, Err(IndexError::Payload(_))),
        "{refused:?}"
    );
    assert_eq!(index.state(), state);
    assert_eq!(index.first_of(arrivals.list[0].key).unwrap(), None);
}

#[test]
fn frames_out_of_order_or_beyond_the_last_seq_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    let model = Model::default();
    let early = index.apply(Seq::new(2), FoldInput::Hole(1), &model);
    assert!(matches!(early, Err(IndexError::NotNext { .. })));
    let endless = index.apply(Seq::FIRST, FoldInput::Hole(u64::MAX), &model);
    assert!(matches!(endless, Err(IndexError::TooManySeqs { .. })));
    // A hole that long is one entry, and can be asked about.
    index
        .apply(Seq::FIRST, FoldInput::Hole(i64::MAX as u64 - 10), &model)
        .unwrap();
    index.flush_now().unwrap();
    let last = index
        .verdicts(Seq::new(i64::MAX as u64 - 12), Seq::new(u64::MAX))
        .unwrap();
    assert_eq!(last.len(), 3);
    drop(index);
    assert_eq!(
        Index::flushed_of(directory.path(), LOG).unwrap(),
        Some(Seq::new(i64::MAX as u64 - 10))
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
