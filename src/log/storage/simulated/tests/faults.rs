//! Planned crashes and failures, and a disk that is full.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use super::{A, BLOCK, SEEDS, bytes_of_a, disk, disk_and_file, disk_with, outcomes, set};
use crate::log::storage::simulated::{FailKind, OpKind, Options, Survival};
use crate::log::storage::{Storage, is_disk_full};

#[test]
fn after_a_crash_old_handles_are_dead_and_cannot_touch_the_new_disk() {
    let (disk, file) = disk_and_file(b"old");
    assert!(!disk.is_dead());
    let next = disk.crash(Survival::Everything);
    assert!(disk.is_dead() && !next.is_dead());

    let before = disk.operations();
    file.write_at(b"new", 0).unwrap_err();
    file.set_len(0).unwrap_err();
    file.sync_data().unwrap_err();
    file.read_at(&mut [0], 0).unwrap_err();
    file.len().unwrap_err();
    let (log, a) = (Path::new("/log"), Path::new(A));
    disk.create_dir(Path::new("/other")).unwrap_err();
    disk.list(log).unwrap_err();
    disk.create_temp(log).unwrap_err();
    disk.open(a).unwrap_err();
    disk.open_rw(a).unwrap_err();
    disk.rename(a, Path::new("/log/b")).unwrap_err();
    disk.remove(a).unwrap_err();
    disk.sync_dir(log).unwrap_err();
    disk.free_bytes(log).unwrap_err();

    assert_eq!(disk.operations(), before);
    assert_eq!(next.tree(), ["/log/", "/log/a.seg 3"]);
    assert_eq!(next.read_file(A), b"old");
    assert_eq!(next.operations(), 0);
}

#[test]
fn a_planned_crash_stops_everything_from_that_operation_on() {
    let (disk, file) = disk_and_file(b"0");
    disk.crash_at(disk.operations() + 2);
    file.write_at(b"1", 0).unwrap();
    let error = file.write_at(b"2", 0).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Other, "crashed")
    );
    assert!(disk.is_dead());
    file.read_at(&mut [0], 0).unwrap_err();
    file.sync_data().unwrap_err();
    assert_eq!(
        outcomes(&disk, bytes_of_a),
        set([b"0".to_vec(), b"1".to_vec()])
    );

    let (disk, file) = disk_and_file(b"");
    disk.crash_at(1);
    file.sync_data()
        .expect_err("its time was over before it was planned");
}

#[test]
fn a_crash_halfway_leaves_a_first_part_of_the_blocks_pending() {
    let seen = (0..SEEDS).map(|seed| {
        let disk = disk_with(Options {
            seed,
            ..Options::default()
        });
        disk.write_file_durable(A, b"");
        let file = disk.open_rw(Path::new(A)).unwrap();
        disk.crash_halfway_at(disk.operations() + 1);
        file.write_at(&[1; 2 * BLOCK], 0).unwrap_err();
        assert_eq!(disk.read_file_durable(A), b"");
        let left = disk.crash(Survival::Everything).read_file(A);
        assert!(left.iter().all(|byte| *byte == 1));
        left.len()
    });
    assert_eq!(seen.collect::<BTreeSet<_>>(), set([0, BLOCK, 2 * BLOCK]));
}

#[test]
fn a_failed_write_may_have_changed_any_of_its_blocks_and_fails_once() {
    let seen = (0..SEEDS).map(|seed| {
        let disk = disk_with(Options {
            seed,
            ..Options::default()
        });
        disk.write_file_durable(A, &[0; 2 * BLOCK]);
        let file = disk.open_rw(Path::new(A)).unwrap();
        disk.fail_at(disk.operations() + 1, FailKind::NoSpace);
        assert!(is_disk_full(
            &file.write_at(&[1; 2 * BLOCK], 0).unwrap_err()
        ));
        assert_eq!(disk.read_file_durable(A), [0; 2 * BLOCK]);
        let live = disk.read_file(A);
        file.write_at(&[1; 2 * BLOCK], 0).unwrap();
        (live[0], live[BLOCK])
    });
    assert_eq!(
        seen.collect::<BTreeSet<_>>(),
        set([(0, 0), (0, 1), (1, 0), (1, 1)])
    );
}

#[test]
fn a_failed_operation_on_names_changes_nothing() {
    let (disk, _) = disk_and_file(b"old");
    let before = disk.tree();
    disk.fail_when(
        |_| true,
        u64::MAX,
        FailKind::Kind(ErrorKind::PermissionDenied),
    );
    let log = Path::new("/log");
    disk.create_dir(Path::new("/other")).unwrap_err();
    disk.create_temp(log).unwrap_err();
    disk.rename(Path::new(A), Path::new("/log/b")).unwrap_err();
    disk.sync_dir(log).unwrap_err();
    let error = disk.remove(Path::new(A)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(disk.tree(), before);

    disk.heal();
    disk.remove(Path::new(A)).unwrap();
    disk.fail_at(disk.operations() + 1, FailKind::RawOs(5));
    disk.sync_dir(log).unwrap_err();
    assert_eq!(
        disk.crash(Survival::Nothing).tree(),
        before,
        "a failed sync saves nothing"
    );
}

#[test]
fn rules_hit_only_what_they_name_and_only_so_often() {
    let (disk, file) = disk_and_file(b"");
    let (_, other) = disk.create_temp(Path::new("/log")).unwrap();
    disk.fail_when(
        |op| op.kind == OpKind::WriteAt && op.touches(".seg"),
        2,
        FailKind::Io,
    );
    file.sync_data().unwrap();
    other.write_at(b"1", 0).unwrap();
    file.write_at(b"1", 0).unwrap_err();
    file.write_at(b"1", 0).unwrap_err();
    file.write_at(b"1", 0).unwrap();

    disk.fail_when(|op| op.grows_bytes > 0, u64::MAX, FailKind::NoSpace);
    file.write_at(b"2", 0).unwrap();
    assert!(is_disk_full(&file.write_at(b"22", 0).unwrap_err()));
    file.set_len(0).unwrap();
    assert!(is_disk_full(&file.set_len(100).unwrap_err()));
    disk.heal();
    file.set_len(100).unwrap();
}

#[test]
fn a_full_disk_refuses_growth_but_never_overwriting() {
    let disk = disk_with(Options {
        capacity_bytes: Some(1_000),
        ..Options::default()
    });
    let log = Path::new("/log");
    disk.write_file_durable(A, &[0; 600]);
    let file = disk.open_rw(Path::new(A)).unwrap();
    assert_eq!(disk.free_bytes(log).unwrap(), 400);

    assert!(is_disk_full(&file.set_len(1_001).unwrap_err()));
    assert_eq!(file.len().unwrap(), 600);
    let error = file.write_at(&[1; 1_200], 0).unwrap_err();
    assert!(is_disk_full(&error));
    assert!(file.len().unwrap() <= 1_000, "what fits may be there");
    file.set_len(1_000).unwrap();
    assert_eq!(disk.free_bytes(log).unwrap(), 0);
    file.write_at(&[2; 1_000], 0).unwrap();
    assert!(is_disk_full(&file.write_at(&[2], 1_000).unwrap_err()));
    file.write_at(&[], 5_000).unwrap();

    disk.set_capacity(Some(1_001));
    file.write_at(&[2], 1_000).unwrap();
}

#[test]
fn a_removed_file_holds_its_room_until_the_last_handle_is_gone() {
    let disk = disk_with(Options {
        capacity_bytes: Some(100),
        ..Options::default()
    });
    let log = Path::new("/log");
    disk.write_file_durable(A, &[0; 60]);
    let file = disk.open(Path::new(A)).unwrap();
    disk.remove(Path::new(A)).unwrap();
    assert_eq!(disk.free_bytes(log).unwrap(), 40);
    assert_eq!(disk.snapshot().free_bytes(log).unwrap(), 100);
    drop(file);
    assert_eq!(disk.free_bytes(log).unwrap(), 100);

    let (temp, new) = disk.create_temp(log).unwrap();
    new.set_len(30).unwrap();
    disk.write_file_durable(A, &[0; 50]);
    disk.rename(&temp, Path::new(A)).unwrap();
    assert_eq!(
        disk.free_bytes(log).unwrap(),
        70,
        "what a rename replaced is free"
    );
    let restarted = disk.crash(Survival::Everything);
    assert_eq!(restarted.free_bytes(log).unwrap(), 70);
}

#[test]
fn damage_can_be_planted_and_outlives_every_crash() {
    let disk = disk();
    disk.write_file_durable(A, b"abc");
    disk.flip_bit(A, 1, 0);
    disk.truncate_durable(A, 2);
    assert_eq!(outcomes(&disk, bytes_of_a), set([b"ac".to_vec()]));
}

#[test]
fn a_bad_sector_is_an_error_and_not_bytes() {
    let (disk, file) = disk_and_file(&[1; 1_000]);
    disk.make_unreadable(A, 500..501);
    assert_eq!(file.read_at(&mut [0; 500], 0).unwrap(), 500);
    file.read_at(&mut [0; 500], 1).unwrap_err();
    assert_eq!(file.read_at(&mut [0; 500], 501).unwrap(), 499);
    let next = disk.crash(Survival::Everything);
    next.open(Path::new(A))
        .unwrap()
        .read_at(&mut [0; 1], 500)
        .unwrap_err();
    next.make_readable(A);
    let file = next.open(Path::new(A)).unwrap();
    assert_eq!(file.read_at(&mut [0; 1_000], 0).unwrap(), 1_000);
}

#[test]
fn a_snapshot_is_independent_and_may_crash_alone() {
    let (disk, file) = disk_and_file(b"old");
    file.write_at(b"new", 0).unwrap();
    disk.crash_at(disk.operations() + 1);
    let copy = disk.snapshot();
    assert_eq!(
        outcomes(&copy, bytes_of_a).len(),
        2,
        "pending changes are copied"
    );
    assert!(copy.is_dead() && !disk.is_dead());

    let copy = disk.snapshot();
    let copied_file = copy.open_rw(Path::new(A)).unwrap();
    copied_file.write_at(b"2nd", 0).unwrap();
    assert_eq!((copy.operations(), disk.read_file(A)), (1, b"new".to_vec()));
}

#[test]
fn the_operation_log_tells_what_happened_in_order() {
    let (disk, file) = disk_and_file(b"");
    file.write_at(b"abc", 4).unwrap();
    disk.rename(Path::new(A), Path::new("/log/b")).unwrap();
    disk.fail_at(5, FailKind::NoSpace);
    file.set_len(9).unwrap_err();
    file.sync_data().unwrap();
    disk.crash_at(7);
    disk.remove(Path::new("/log/b")).unwrap_err();

    let expected = "\
#1 CreateDir /log
#2 SyncDir /
#3 WriteAt /log/a.seg at 4, 3 bytes
#4 Rename /log/a.seg to /log/b
#5 SetLen /log/b to 9 bytes: failed, No space left on device (os error 28)
#6 SyncData /log/b
#7 Remove /log/b: failed, crashed
";
    assert_eq!(disk.operation_log(), expected);
    let growth: Vec<u64> = disk
        .operation_list()
        .iter()
        .map(|op| op.grows_bytes)
        .collect();
    assert_eq!(growth, [0, 0, 7, 0, 2, 0, 0]);
}
