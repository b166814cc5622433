//! Risk: the other tests would pass whatever the log does. Where the disk's syncs do
//! nothing, the same judge must find a loss.

use super::crash_points::{AfterFailure, script};
use super::harness::{new_disk, reopen};
use crate::log::storage::simulated::{SimulatedDisk, Survival};

/// In how many of some power cuts the judge finds that something was lost.
fn losses(sabotage: impl Fn(&SimulatedDisk)) -> usize {
    let mut losses = 0;
    for number in (20..200).step_by(20) {
        let disk = new_disk();
        sabotage(&disk);
        disk.crash_at(number);
        let history = script(&disk, AfterFailure::StayDown);
        for survival in [Survival::Nothing, Survival::Random(number)] {
            let left = disk.crash(survival);
            losses += usize::from(reopen(&left, &mut history.clone()).is_err());
        }
    }
    losses
}

#[test]
fn honest_syncs_lose_nothing() {
    assert_eq!(losses(|_| {}), 0);
}

#[test]
fn a_file_sync_that_does_nothing_is_found_out() {
    assert!(losses(|disk| disk.ignore_file_syncs(true)) >= 6);
}

#[test]
fn a_directory_sync_that_does_nothing_is_found_out() {
    assert!(losses(|disk| disk.ignore_dir_syncs(true)) >= 6);
}
