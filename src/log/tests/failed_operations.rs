//! Risk: one operation that fails loses what was acknowledged, or a failed sync is tried
//! again and believed.

use super::crash_points::{AfterFailure, script, start_again};
use super::harness::new_disk;
use crate::log::storage::simulated::{FailKind, OpKind, SimulatedDisk, Survival};

/// A sync of a segment that failed is not tried again, in the same run or the next, before
/// its bytes were written again or cut.
fn assert_no_sync_is_retried(disk: &SimulatedDisk, what: &str) {
    let mut failed = None;
    for operation in disk.operation_list() {
        match (&failed, operation.kind) {
            (None, OpKind::SyncData) if operation.touches(".seg") => {
                failed = operation.failure.is_some().then_some(operation.path);
            }
            (Some(path), OpKind::SyncData) if *path == operation.path => {
                panic!("{what}: retried\n{}", disk.operation_log());
            }
            (Some(path), OpKind::WriteAt | OpKind::SetLen) if *path == operation.path => {
                failed = None;
            }
            _ => {}
        }
    }
}

fn fail_everywhere(kind: FailKind) {
    for number in 1.. {
        for after_failure in [AfterFailure::Restart, AfterFailure::StayDown] {
            let what = format!("{kind:?} at operation {number}, {after_failure:?}");
            let disk = new_disk();
            disk.fail_at(number, kind);
            let history = script(&disk, after_failure);
            let operations = disk.operation_list();
            let Some(failed) = operations.get(number as usize - 1) else {
                assert!(number > 200, "only {number} operations");
                return;
            };
            assert!(failed.failure.is_some(), "{what}");
            assert_no_sync_is_retried(&disk, &what);
            let survivals = [
                Survival::Random(number),
                Survival::Nothing,
                Survival::PageCache,
            ];
            for survival in survivals {
                let what = format!("{what}, then {survival:?}");
                start_again(&disk.crash(survival), &history, number, &what);
            }
        }
    }
}

#[test]
fn any_operation_may_fail_once_with_an_io_error() {
    fail_everywhere(FailKind::Io);
}

#[test]
fn any_operation_may_fail_once_on_a_full_disk() {
    fail_everywhere(FailKind::NoSpace);
}
