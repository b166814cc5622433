//! Risk: recovery itself is cut off, and the next one finds something that it takes for the
//! truth, or the torn bytes are gone before they were saved.

use super::crash_points::{AfterFailure, script};
use super::harness::{LOG, in_log, names, new_disk, open, options, reopen};
use super::history::History;
use crate::log::inventory::{RESERVE_NAME, TORN_PREFIX};
use crate::log::storage::Storage;
use crate::log::storage::simulated::{SimulatedDisk, Survival};

/// Lets recovery crash at each of its operations, in several ways, and judges what the next
/// one makes of it. Gives the number of operations.
#[track_caller]
fn crash_recovery_everywhere(
    left: &SimulatedDisk,
    history: &History,
    what: &str,
    look: impl Fn(&SimulatedDisk),
) -> u64 {
    for number in 1.. {
        let disk = left.snapshot();
        disk.crash_halfway_at(number);
        let opened = open(&disk, options());
        if !disk.is_dead() {
            assert!(opened.is_ok(), "{what}: {opened:?}");
            look(&disk);
            return number - 1;
        }
        for survival in [
            Survival::Nothing,
            Survival::PageCache,
            Survival::Random(number),
        ] {
            let next = disk.crash(survival);
            if let Err(violation) = reopen(&next, &mut history.clone()) {
                panic!(
                    "{what}, then at operation {number} of recovery, {survival:?}: \
                     {violation:?}\n{}",
                    disk.operation_log()
                );
            }
            // What the second recovery says is synced.
            let last = next.snapshot().crash(Survival::Nothing);
            if let Err(violation) = reopen(&last, &mut history.clone()) {
                panic!("{what}, {number}, {survival:?}, power cut: {violation:?}");
            }
            look(&next);
        }
    }
    unreachable!("recovery ends")
}

#[test]
fn a_second_crash_at_any_operation_of_recovery_loses_nothing() {
    let mut operations = 0;
    for number in 1.. {
        let disk = new_disk();
        disk.crash_halfway_at(number);
        let history = script(&disk, AfterFailure::StayDown);
        if !disk.is_dead() {
            break;
        }
        // Every second state, each in one of these ways.
        let survival = match number % 6 {
            0 => Survival::PageCache,
            2 => Survival::Everything,
            4 => Survival::Random(number),
            _ => continue,
        };
        let what = format!("crash at operation {number}, {survival:?}");
        let left = disk.crash(survival);
        operations += crash_recovery_everywhere(&left, &history, &what, |_| {});
    }
    assert!(operations > 300, "only {operations} operations");
}

/// A store that ends with torn bytes, and those bytes.
fn torn_store() -> (SimulatedDisk, History, String, Vec<u8>) {
    for number in 60.. {
        let disk = new_disk();
        disk.crash_at(number);
        let history = script(&disk, AfterFailure::StayDown);
        let left = disk.crash(Survival::Nothing);
        let last = names(&left, ".seg").pop().expect("it has segments");
        let mut bytes = left.read_file(in_log(&last));
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |n| n + 1);
        let end = used.next_multiple_of(8);
        if used <= 64 || bytes.len() < end + 1200 {
            continue;
        }
        // No magic, nothing that any frame ends with, over three blocks.
        let torn: Vec<u8> = (0..1100).map(|n| (n % 250) as u8 + 1).collect();
        bytes[end..end + torn.len()].copy_from_slice(&torn);
        left.write_file_durable(in_log(&last), &bytes);
        return (
            left,
            history,
            format!("{TORN_PREFIX}{}-{end:012}.bin", &last[..20]),
            torn,
        );
    }
    unreachable!("some segment has room behind its frames")
}

#[test]
fn torn_bytes_are_saved_before_they_are_cut_whenever_recovery_stops() {
    let (left, history, name, torn) = torn_store();
    let operations = crash_recovery_everywhere(&left, &history, "torn", |disk| {
        // A second file holds what a crash left of the first recovery's seal.
        assert!(names(disk, TORN_PREFIX).len() <= 2);
        assert_eq!(disk.read_file(in_log(&name)), torn);
        let after_power_cut = disk.crash(Survival::Nothing);
        assert_eq!(after_power_cut.read_file(in_log(&name)), torn, "in {LOG}");
    });
    assert!(operations >= 8, "only {operations} operations");
}

/// The torn bytes as the files that hold them make them up, each from the offset in its name.
fn made_up(disk: &SimulatedDisk, first: &str) -> Vec<u8> {
    let stem = &first[..TORN_PREFIX.len() + 21];
    let offset = |name: &str| -> usize { name[stem.len()..][..12].parse().expect("an offset") };
    let mut saved = Vec::new();
    for name in names(disk, stem) {
        // Others hold what a crash left of a seal, beside what was saved from the same place.
        let bytes = disk.read_file(in_log(&name));
        if name.ends_with("-2.bin") || offset(&name) < offset(first) {
            continue;
        }
        let from = offset(&name) - offset(first);
        if saved.len() < from + bytes.len() {
            saved.resize(from + bytes.len(), 0);
        }
        saved[from..from + bytes.len()].copy_from_slice(&bytes);
    }
    saved
}

#[test]
fn torn_bytes_for_which_a_full_disk_has_no_room_are_saved_piece_by_piece() {
    let (left, history, name, torn) = torn_store();
    // Without the reserve, and with room for a fifth of what is torn.
    for spare in names(&left, ".tmp-") {
        left.remove(in_log(&spare).as_ref()).expect("it goes away");
    }
    if names(&left, RESERVE_NAME) == [RESERVE_NAME] {
        left.remove(in_log(RESERVE_NAME).as_ref())
            .expect("it goes away");
    }
    let used: usize = names(&left, "")
        .iter()
        .map(|name| left.read_file(in_log(name)).len())
        .sum();
    let left = left.crash(Survival::Everything);
    left.set_capacity(Some(used as u64 + 220));
    let undisturbed = left.snapshot();
    reopen(&undisturbed, &mut history.clone()).expect("it opens");
    assert!(names(&undisturbed, TORN_PREFIX).len() >= 5);
    let operations = crash_recovery_everywhere(&left, &history, "torn", |disk| {
        assert!(made_up(disk, &name) == torn, "{:?}", names(disk, ""));
        let after_power_cut = disk.crash(Survival::Nothing);
        assert!(made_up(&after_power_cut, &name) == torn);
    });
    assert!(operations >= 30, "only {operations} operations");
}
