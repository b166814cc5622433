//! Risk: a full disk loses something, poisons the log, stops reads or never heals.

use super::harness::{Publisher, disk_with, in_log, names, open, options, reopen, wait_until};
use super::history::{History, Outcome};
use crate::log::inventory::{RESERVE_NAME, TORN_PREFIX};
use crate::log::storage::simulated::{Options, SimulatedDisk, Survival};
use crate::log::storage::{Storage, TEMP_PREFIX};
use crate::log::{Lack, LogError, LogOptions};

fn small_disk(capacity_bytes: u64) -> SimulatedDisk {
    disk_with(Options {
        capacity_bytes: Some(capacity_bytes),
        ..Options::default()
    })
}

/// Publishes until there is no room.
fn fill(publisher: &mut Publisher, history: &mut History) {
    for _ in 0..200 {
        match publisher.publish(history, 1, 700) {
            Outcome::Acknowledged(_) => {}
            Outcome::NoRoom => return,
            other => panic!("{other:?}"),
        }
    }
    panic!("the disk never becomes full");
}

/// Publishes until a batch is taken.
fn heal(publisher: &mut Publisher, history: &mut History) {
    let mut tries = 0;
    while !matches!(publisher.publish(history, 1, 700), Outcome::Acknowledged(_)) {
        tries += 1;
        assert!(tries < 1000 && !publisher.poisoned, "it never heals");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn judge_running(publisher: &Publisher, history: &mut History) {
    let next_seq = publisher.live.durable().next();
    history.judge(&publisher.live, next_seq).unwrap();
}

#[test]
fn a_full_disk_refuses_batches_serves_reads_and_heals_by_itself() {
    let (disk, mut history) = (small_disk(30_000), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    fill(&mut publisher, &mut history);
    assert_eq!(
        publisher.committer.status().no_room().unwrap().lack,
        Lack::DiskFull
    );
    judge_running(&publisher, &mut history);
    // A small batch may still fit; no answer is ever an unknown one.
    for bytes in [700, 10, 700, 10] {
        let outcome = publisher.publish(&mut history, 1, bytes);
        assert!(!matches!(outcome, Outcome::Unknown | Outcome::NotWritten));
    }
    disk.set_capacity(Some(60_000));
    heal(&mut publisher, &mut history);
    assert_eq!(publisher.committer.status().no_room(), None);
    fill(&mut publisher, &mut history);
    judge_running(&publisher, &mut history);
    let left = disk.crash(Survival::Nothing);
    drop(publisher);
    let opened = reopen(&left, &mut history).unwrap();
    left.set_capacity(None);
    let mut publisher = Publisher::start(opened);
    heal(&mut publisher, &mut history);
}

/// A killed store with torn bytes on a disk without a free byte once left-overs are gone.
fn full_and_torn() -> (SimulatedDisk, History) {
    let (disk, mut history) = (small_disk(30_000), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    publisher.publish(&mut history, 1, 700);
    wait_until(|| names(&disk, TEMP_PREFIX).len() == 1);
    let left = disk.crash(Survival::PageCache);
    drop(publisher);
    let last = in_log(&names(&left, ".seg").pop().unwrap());
    let mut bytes = left.read_file(&last);
    bytes[2000..4000].fill(0xAA);
    left.write_file_durable(&last, &bytes);
    let kept = names(&left, "").into_iter();
    let kept = kept.filter(|name| !name.starts_with(TEMP_PREFIX));
    let used = kept.map(|name| left.read_file(in_log(&name)).len() as u64);
    left.set_capacity(Some(used.sum()));
    (left, history)
}

#[test]
fn the_reserve_lets_recovery_succeed_on_a_full_disk() {
    let (disk, mut history) = full_and_torn();
    assert_eq!(names(&disk, RESERVE_NAME), [RESERVE_NAME]);
    let opened = reopen(&disk, &mut history).unwrap();
    assert_eq!(names(&disk, RESERVE_NAME), [""; 0]);
    assert_eq!(names(&disk, TORN_PREFIX).len(), 1);
    let used: usize = names(&disk, "")
        .iter()
        .map(|name| disk.read_file(in_log(name)).len())
        .sum();
    disk.set_capacity(Some(used as u64 + 100));

    let mut publisher = Publisher::start(opened);
    let outcome = publisher.publish(&mut history, 1, 700);
    assert_eq!(outcome, Outcome::NoRoom);
    judge_running(&publisher, &mut history);
    disk.set_capacity(None);
    heal(&mut publisher, &mut history);
    assert_eq!(names(&disk, RESERVE_NAME), [RESERVE_NAME]);
    judge_running(&publisher, &mut history);
}

#[test]
fn without_the_reserve_recovery_on_a_full_disk_cuts_nothing() {
    let (disk, mut history) = full_and_torn();
    disk.remove(in_log(RESERVE_NAME).as_ref()).unwrap();
    disk.set_capacity(Some(0));
    let last = in_log(&names(&disk, ".seg").pop().unwrap());
    let before = disk.read_file(&last);
    match open(&disk, options()) {
        Err(LogError::Io { source, .. }) => {
            assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(disk.read_file(&last), before);
    disk.set_capacity(None);
    reopen(&disk, &mut history).unwrap();
}

#[test]
fn publishing_stops_before_the_disk_has_less_free_than_it_must() {
    const MIN_FREE: u64 = 20_000;
    let (disk, mut history) = (small_disk(60_000), History::default());
    let with_floor = LogOptions {
        min_free_bytes: MIN_FREE,
        ..options()
    };
    let mut publisher = Publisher::start(open(&disk, with_floor).unwrap());
    fill(&mut publisher, &mut history);
    assert!(publisher.live.free_bytes().unwrap() >= MIN_FREE);
    disk.set_capacity(Some(90_000));
    heal(&mut publisher, &mut history);

    // Somebody else takes the space: prepared room is not used either.
    disk.set_capacity(Some(60_000));
    fill(&mut publisher, &mut history);
    judge_running(&publisher, &mut history);
    disk.set_capacity(Some(200_000));
    heal(&mut publisher, &mut history);
    let left = disk.crash(Survival::Nothing);
    drop(publisher);
    reopen(&left, &mut history).unwrap();
}
