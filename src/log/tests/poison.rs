//! Risk: after a failed write or sync a batch gets the wrong answer or none, or the log goes
//! on as if nothing had been.

use super::harness::{Publisher, disk_with, names, new_disk, open, options, reopen};
use super::history::{History, Outcome};
use crate::event::Seq;
use crate::log::storage::simulated::{FailKind, OpKind, Options, SimulatedDisk, Survival};

fn fail_next(disk: &SimulatedDisk, kind: OpKind) {
    disk.fail_when(
        move |operation| operation.kind == kind && operation.touches(".seg"),
        1,
        FailKind::Io,
    );
}

/// One batch is acknowledged; while its answer is on its way, `queued` are queued as one
/// group and the next such operation on a segment fails. Gives their outcomes.
fn poisoned_by(kind: OpKind, queued: &[(u32, usize)]) -> (SimulatedDisk, History, Vec<Outcome>) {
    let (disk, mut history) = (new_disk(), History::default());
    let (mut publisher, gate) = Publisher::start_gated(open(&disk, options()).unwrap());
    publisher.publish(&mut history, 1, 50);
    let tickets: Vec<usize> = queued
        .iter()
        .map(|(events, bytes)| publisher.submit(&mut history, *events, *bytes))
        .collect();
    fail_next(&disk, kind);
    drop(gate);
    publisher.wait_for(&mut history, &tickets);
    assert!(publisher.committer.status().poisoned().is_some());

    // What was not synced is not shown, though it can be read.
    let mut shown = publisher.live.frames(Seq::FIRST, Seq::new(u64::MAX));
    assert!(shown.next_frame().unwrap().is_some());
    assert!(shown.next_frame().unwrap().is_none());

    // It stays so, though the disk works again.
    let later = publisher.publish(&mut history, 1, 50);
    assert_eq!(later, Outcome::NotWritten);
    let operations = disk.operation_list();
    let failed = operations.iter().position(|o| o.failure.is_some()).unwrap();
    publisher.stop();
    let after = &disk.operation_list()[failed + 1..];
    assert!(!after.iter().any(|o| o.touches(".seg")), "{after:?}");

    let outcomes = tickets.iter().map(|t| history.outcome(*t)).collect();
    (disk, history, outcomes)
}

#[test]
fn what_was_written_is_unknown_after_a_failed_sync_and_decided_at_the_restart() {
    let (disk, history, outcomes) = poisoned_by(OpKind::SyncData, &[(1, 50), (2, 50)]);
    assert_eq!(outcomes, [Outcome::Unknown; 2]);
    for survival in [Survival::PageCache, Survival::Nothing, Survival::Everything] {
        let left = disk.crash(survival);
        reopen(&left, &mut history.clone()).unwrap();
    }
}

#[test]
fn a_failed_write_leaves_its_group_unknown() {
    let (disk, mut history, outcomes) = poisoned_by(OpKind::WriteAt, &[(1, 50), (2, 50)]);
    assert_eq!(outcomes, [Outcome::Unknown; 2]);
    reopen(&disk.crash(Survival::PageCache), &mut history).unwrap();
}

#[test]
fn a_batch_that_waits_for_the_next_segment_hears_when_the_group_before_it_fails() {
    let queued = [(1, 1500), (1, 1500), (1, 1500), (1, 50)];
    let (_, _, outcomes) = poisoned_by(OpKind::SyncData, &queued);
    assert_eq!(
        outcomes,
        [
            Outcome::Unknown,
            Outcome::Unknown,
            Outcome::NotWritten,
            Outcome::NotWritten
        ]
    );
}

#[test]
fn a_failed_mark_poisons_and_a_stop_still_ends() {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    publisher.publish(&mut history, 1, 50);
    publisher.wait_for_mark();
    publisher.publish(&mut history, 1, 50);
    fail_next(&disk, OpKind::SyncData);
    publisher.wait_for_mark();
    assert_eq!(publisher.publish(&mut history, 1, 50), Outcome::NotWritten);
    publisher.stop();
    reopen(&disk.crash(Survival::Nothing), &mut history).unwrap();
}

#[test]
fn a_shutdown_mark_that_fails_neither_hinders_the_stop_nor_leaves_a_hole() {
    // The mark must not share a block with what is written next, which would save it.
    let disk = disk_with(Options {
        block_size_bytes: 64,
        ..Options::default()
    });
    let mut history = History::default();
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    publisher.publish(&mut history, 1, 50);
    publisher.wait_for_mark();
    fail_next(&disk, OpKind::SyncData);
    publisher.stop();
    assert_eq!(names(&disk, ".seg").len(), 1);
    // The mark is in the page cache only: what follows must not stand behind a hole.
    let opened = reopen(&disk, &mut history).unwrap();
    let mut publisher = Publisher::start(opened);
    for _ in 0..3 {
        publisher.publish(&mut history, 1, 300);
    }
    let left = disk.crash(Survival::Nothing);
    drop(publisher);
    reopen(&left, &mut history).unwrap();
}
