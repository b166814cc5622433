//! The trap of the sync that failed once and then says that all is well.

use std::path::Path;

use super::{A, BLOCK, bytes_of_a, disk_and_file, outcomes, set};
use crate::log::storage::Storage;
use crate::log::storage::simulated::{FailKind, Survival};

#[test]
fn a_failed_sync_then_a_good_one_does_not_save_the_data() {
    let (disk, file) = disk_and_file(b"old");
    file.write_at(b"new", 0).unwrap();
    disk.fail_at(disk.operations() + 1, FailKind::Io);
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(5));
    file.sync_data().unwrap();

    assert_eq!(disk.read_file(A), b"new", "the page cache still shows it");
    let seen = outcomes(&disk, bytes_of_a);
    assert_eq!(seen, set([b"old".to_vec(), b"new".to_vec()]));
}

#[test]
fn after_a_failed_sync_the_length_may_last_and_the_bytes_be_zeros() {
    let (disk, file) = disk_and_file(b"");
    file.write_at(b"new", 0).unwrap();
    disk.fail_at(disk.operations() + 1, FailKind::Io);
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    assert_eq!(
        outcomes(&disk, bytes_of_a),
        set([b"new".to_vec(), vec![0; 3]])
    );
}

#[test]
fn after_a_failed_sync_the_same_bytes_written_again_are_saved_by_the_next() {
    let (disk, file) = disk_and_file(b"");
    file.write_at(&[9; 2 * BLOCK], 0).unwrap();
    disk.fail_at(disk.operations() + 1, FailKind::Io);
    file.sync_data().unwrap_err();
    file.write_at(&[9; BLOCK], BLOCK as u64).unwrap();
    file.sync_data().unwrap();

    let seen = outcomes(&disk, |disk| {
        let bytes = disk.read_file(A);
        assert_eq!(bytes[BLOCK..], [9; BLOCK]);
        bytes[0]
    });
    assert_eq!(
        seen,
        set([0, 9]),
        "only the block that was not written again is in doubt"
    );
}

#[test]
fn after_a_failed_sync_other_bytes_that_are_synced_leave_no_trace_of_the_first() {
    let (disk, file) = disk_and_file(b"old");
    file.write_at(b"1st", 0).unwrap();
    disk.fail_at(disk.operations() + 1, FailKind::Io);
    file.sync_data().unwrap_err();
    file.write_at(b"2nd", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk, bytes_of_a), set([b"2nd".to_vec()]));
}

#[test]
fn blocks_that_were_given_up_do_not_outlive_a_cut() {
    let (disk, file) = disk_and_file(b"");
    file.write_at(b"secret", 0).unwrap();
    disk.fail_at(disk.operations() + 1, FailKind::Io);
    file.sync_data().unwrap_err();
    file.set_len(2).unwrap();
    file.set_len(6).unwrap();
    file.sync_data().unwrap();
    assert_eq!(
        outcomes(&disk, bytes_of_a),
        set([b"se\0\0\0\0".to_vec(), vec![0; 6]])
    );
}

#[test]
fn a_kill_does_not_heal_a_failed_sync() {
    let (disk, file) = disk_and_file(b"old");
    file.write_at(b"new", 0).unwrap();
    disk.fail_at(disk.operations() + 1, FailKind::Io);
    file.sync_data().unwrap_err();

    let restarted = disk.crash(Survival::PageCache);
    restarted.open(Path::new(A)).unwrap().sync_data().unwrap();
    assert_eq!(
        outcomes(&restarted, bytes_of_a).len(),
        2,
        "pages were clean"
    );

    let restarted = disk.crash(Survival::PageCache);
    let rewriting = restarted.open_rw(Path::new(A)).unwrap();
    rewriting.write_at(b"new", 0).unwrap();
    rewriting.sync_data().unwrap();
    assert_eq!(outcomes(&restarted, bytes_of_a), set([b"new".to_vec()]));
}

#[test]
fn sabotaged_syncs_say_ok_and_save_nothing() {
    let (disk, file) = disk_and_file(b"old");
    disk.ignore_file_syncs(true);
    file.write_at(b"new", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(
        disk.snapshot().crash(Survival::Nothing).read_file(A),
        b"old"
    );
    disk.ignore_file_syncs(false);
    file.sync_data().unwrap();
    assert_eq!(
        disk.snapshot().crash(Survival::Nothing).read_file(A),
        b"new"
    );

    disk.ignore_dir_syncs(true);
    disk.create_temp(Path::new("/log")).unwrap();
    disk.sync_dir(Path::new("/log")).unwrap();
    assert_eq!(
        disk.crash(Survival::Nothing).tree(),
        ["/log/", "/log/a.seg 3"]
    );
}
