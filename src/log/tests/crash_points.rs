//! Risk: a crash at some operation loses what was acknowledged, or keeps half a batch.

use super::harness::{Publisher, new_disk, reopen};
use super::history::{History, Violation};
use crate::log::LogError;
use crate::log::storage::simulated::{Rng, SimulatedDisk, Survival};

/// What a process does whose log is poisoned or does not open.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum AfterFailure {
    /// It is started again, on the page cache as it is.
    Restart,
    /// It stays down.
    StayDown,
}

/// Three lives of one log on this disk: batches of all sizes, alone and together, one larger
/// than a segment, marks, clean stops. Ends for good when the disk dies.
///
/// Each opening is judged on the way, and so is the last state if the disk lives.
pub(super) fn script(disk: &SimulatedDisk, after_failure: AfterFailure) -> History {
    let mut history = History::default();
    let mut chance = Rng::new(7);
    for life in 0..3 {
        let Some(opened) = open_or_die(disk, &mut history, after_failure) else {
            return history;
        };
        let mut publisher = Publisher::start(opened);
        for step in 0..20 {
            match (life, step) {
                (1, 3) => publisher.publish_together(&mut history, &[(2, 90), (1, 300), (3, 40)]),
                (1, 7) => publisher.wait_for_mark(),
                (2, 5) => drop(publisher.publish(&mut history, 2, 3000)),
                _ => {
                    let (events, bytes) = (1 + chance.below(3), 20 + chance.below(300));
                    publisher.publish(&mut history, events as u32, bytes as usize);
                }
            }
            if publisher.poisoned {
                break;
            }
        }
        let failed = publisher.poisoned;
        publisher.stop();
        if failed && after_failure == AfterFailure::StayDown {
            return history;
        }
    }
    open_or_die(disk, &mut history, after_failure);
    history
}

fn open_or_die(
    disk: &SimulatedDisk,
    history: &mut History,
    after_failure: AfterFailure,
) -> Option<crate::log::OpenedLog> {
    for attempt in 0.. {
        match reopen(disk, history) {
            Ok(opened) => return Some(opened),
            Err(_) if disk.is_dead() => return None,
            // An operation of the recovery failed: whoever starts it again succeeds.
            Err(Violation::Refused(LogError::Io { .. })) if attempt == 0 => {
                if after_failure == AfterFailure::StayDown {
                    return None;
                }
            }
            Err(violation) => panic!("{violation:?}\n{}", disk.operation_log()),
        }
    }
    None
}

/// Starts from what a crash left, twice: once to lose power right after the start, when all
/// that readers were shown must stay, and once to publish more and lose power then.
#[track_caller]
pub(super) fn start_again(disk: &SimulatedDisk, history: &History, seed: u64, what: &str) {
    let mut history = history.clone();
    let fail = |violation: Violation, disk: &SimulatedDisk| -> ! {
        panic!("{what}: {violation:?}\n{}", disk.operation_log())
    };
    let opened = reopen(disk, &mut history).unwrap_or_else(|v| fail(v, disk));
    let at_once = disk.snapshot().crash(Survival::Nothing);
    if let Err(violation) = reopen(&at_once, &mut history.clone()) {
        fail(violation, disk);
    }
    let mut publisher = Publisher::start(opened);
    for bytes in [200, 900, 2500] {
        publisher.publish(&mut history, 1, bytes);
    }
    let later = disk.crash(Survival::Random(seed));
    drop(publisher);
    if let Err(violation) = reopen(&later, &mut history) {
        fail(violation, disk);
    }
}

/// Every way in which the machine may stop: three random ones among them.
fn all_survivals(seed: u64) -> [Survival; 6] {
    [
        Survival::Nothing,
        Survival::Everything,
        Survival::PageCache,
        Survival::Random(seed * 3),
        Survival::Random(seed * 3 + 1),
        Survival::Random(seed * 3 + 2),
    ]
}

fn crash_everywhere(plan: impl Fn(&SimulatedDisk, u64)) {
    for number in 1.. {
        let disk = new_disk();
        plan(&disk, number);
        let history = script(&disk, AfterFailure::StayDown);
        if !disk.is_dead() {
            assert!(number > 200, "only {number} operations");
            return;
        }
        for survival in all_survivals(number) {
            let left = disk.crash(survival);
            let what = format!("crash at operation {number}, {survival:?}");
            start_again(&left, &history, number, &what);
        }
    }
}

#[test]
fn a_crash_before_any_operation_loses_nothing_that_was_acknowledged() {
    crash_everywhere(SimulatedDisk::crash_at);
}

#[test]
fn a_crash_within_any_write_loses_nothing_that_was_acknowledged() {
    crash_everywhere(SimulatedDisk::crash_halfway_at);
}
