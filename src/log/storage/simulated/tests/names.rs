//! Names and directories: what a crash may take, and what it must leave.

use std::path::Path;

use super::{A, bytes_of_a, disk, disk_and_file, outcomes, set};
use crate::log::storage::Storage;
use crate::log::storage::simulated::{SimulatedDisk, Survival};

#[test]
fn a_file_without_directory_sync_may_vanish_though_it_was_synced() {
    let disk = disk();
    let (path, file) = disk.create_temp(Path::new("/log")).unwrap();
    file.write_at(b"data", 0).unwrap();
    file.sync_data().unwrap();

    let seen = outcomes(&disk, SimulatedDisk::tree);
    let name = format!("{} 4", path.display());
    let without = vec!["/log/".to_owned()];
    assert_eq!(seen, set([without, vec!["/log/".to_owned(), name.clone()]]));
    assert_eq!(disk.crash(Survival::Nothing).tree(), ["/log/"]);
}

#[test]
fn a_name_after_directory_sync_survives_every_crash_even_when_its_bytes_do_not() {
    let disk = disk();
    let (path, file) = disk.create_temp(Path::new("/log")).unwrap();
    file.write_at(b"data", 0).unwrap();
    disk.sync_dir(Path::new("/log")).unwrap();

    let seen = outcomes(&disk, |disk| disk.read_file(&path));
    assert_eq!(seen, set([b"".to_vec(), b"data".to_vec(), vec![0; 4]]));
}

#[test]
fn a_directory_that_does_not_last_takes_its_synced_files_along() {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new("/data")).unwrap();
    disk.create_dir(Path::new("/data/log")).unwrap();
    let (_, file) = disk.create_temp(Path::new("/data/log")).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/data/log")).unwrap();
    disk.sync_dir(Path::new("/data")).unwrap();

    assert_eq!(outcomes(&disk, |disk| disk.tree().len()), set([0, 3]));
    let next = disk.snapshot();
    next.sync_dir(Path::new("/")).unwrap();
    assert_eq!(outcomes(&next, |disk| disk.tree().len()), set([3]));
}

#[test]
fn rename_is_atomic_and_what_it_replaced_may_come_back() {
    let (disk, _) = disk_and_file(b"old");
    let (temp, file) = disk.create_temp(Path::new("/log")).unwrap();
    file.write_at(b"new", 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/log")).unwrap();
    disk.rename(&temp, Path::new(A)).unwrap();

    let look = |disk: &SimulatedDisk| (disk.read_file(A), disk.tree().len());
    let seen = outcomes(&disk, look);
    assert_eq!(seen, set([(b"old".to_vec(), 3), (b"new".to_vec(), 2)]));

    let next = disk.snapshot();
    next.sync_dir(Path::new("/log")).unwrap();
    assert_eq!(outcomes(&next, look), set([(b"new".to_vec(), 2)]));
}

#[test]
fn a_renamed_file_whose_bytes_were_not_synced_may_be_empty() {
    let (disk, _) = disk_and_file(b"old");
    let (temp, file) = disk.create_temp(Path::new("/log")).unwrap();
    file.write_at(b"new", 0).unwrap();
    disk.rename(&temp, Path::new(A)).unwrap();
    disk.sync_dir(Path::new("/log")).unwrap();

    let seen = outcomes(&disk, bytes_of_a);
    assert_eq!(seen, set([b"".to_vec(), b"new".to_vec(), vec![0; 3]]));
}

#[test]
fn a_removed_name_may_come_back() {
    let (disk, _) = disk_and_file(b"data");
    disk.remove(Path::new(A)).unwrap();
    assert_eq!(disk.tree(), ["/log/"]);

    let seen = outcomes(&disk, SimulatedDisk::tree);
    assert!(seen.contains(&vec!["/log/".to_owned(), "/log/a.seg 4".to_owned()]));
    assert_eq!(seen.len(), 2);

    let next = disk.snapshot();
    next.sync_dir(Path::new("/log")).unwrap();
    assert_eq!(outcomes(&next, |disk| disk.tree().len()), set([1]));
}

#[test]
fn a_file_that_was_moved_aside_for_another_is_never_lost() {
    let (disk, _) = disk_and_file(b"old");
    disk.rename(Path::new(A), Path::new("/log/aside")).unwrap();
    let (temp, _) = disk.create_temp(Path::new("/log")).unwrap();
    disk.rename(&temp, Path::new(A)).unwrap();

    let seen = outcomes(&disk, |disk| {
        let tree = disk.tree();
        tree.iter().filter(|line| line.ends_with(" 3")).count()
    });
    assert_eq!(seen, set([1]), "the one old file, under either name");
}

#[test]
fn names_of_different_files_last_independently_but_those_of_one_in_order() {
    let disk = disk();
    for name in ["/log/b", "/log/c"] {
        let (temp, _) = disk.create_temp(Path::new("/log")).unwrap();
        disk.rename(&temp, Path::new(name)).unwrap();
    }
    let seen = outcomes(&disk, |disk| disk.list(Path::new("/log")).unwrap());
    assert_eq!(seen.len(), 9, "absent, temporary or final, twice: {seen:?}");
    for names in seen {
        assert!(names.len() <= 2, "no file has two names: {names:?}");
    }
}

#[test]
fn temporary_names_never_meet_left_overs_of_an_earlier_life() {
    let disk = disk();
    let log = Path::new("/log");
    let (first, _) = disk.create_temp(log).unwrap();
    disk.write_file_durable("/log/.tmp-1", b"left over");
    let next = disk.crash(Survival::Everything);
    let (second, _) = next.create_temp(log).unwrap();
    assert_ne!(first, second);
    assert_eq!(next.read_file("/log/.tmp-1"), b"left over");
}

#[test]
fn a_linked_file_keeps_the_name_that_lasts() {
    let (disk, _) = disk_and_file(b"old");
    let (aside, second) = (Path::new("/aside"), Path::new("/aside/a"));
    disk.create_dir(aside).unwrap();
    disk.link(Path::new(A), second).unwrap();
    let look = |disk: &SimulatedDisk| (disk.read_file(A), disk.tree().len());
    // The directory, or it with the second name, may be gone.
    let seen = outcomes(&disk, look);
    let old = || b"old".to_vec();
    assert_eq!(seen, set([(old(), 2), (old(), 3), (old(), 4)]));

    let next = disk.snapshot();
    next.sync_dir(aside).unwrap();
    next.sync_dir(Path::new("/")).unwrap();
    next.remove(Path::new(A)).unwrap();
    let seen = outcomes(&next, |disk| disk.read_file(second));
    assert_eq!(seen, set([old()]));
}
