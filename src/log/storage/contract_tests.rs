//! What every storage does, whichever it is: each test runs on the real file system and
//! on the simulated disk, so that what is proven on the one is believed of the other.

use std::io::ErrorKind;
use std::path::Path;

use super::simulated::{Rng, SimulatedDisk};
use super::{FileSystem, Storage, StorageFile, TEMP_PREFIX};

/// Runs a test on both, in an empty directory each.
fn on_both(test: impl Fn(&dyn Storage, &Path)) {
    let real = tempfile::tempdir().expect("a test needs a directory");
    test(&FileSystem, real.path());
    let disk = SimulatedDisk::new();
    let dir = Path::new("/store");
    disk.create_dir(dir).expect("nothing is planned to fail");
    test(&disk, dir);
}

/// Puts a file with these bytes into the directory.
fn put(storage: &dyn Storage, dir: &Path, name: &str, bytes: &[u8]) {
    let (temp, file) = storage.create_temp(dir).unwrap();
    file.write_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
    storage.rename(&temp, &dir.join(name)).unwrap();
    storage.sync_dir(dir).unwrap();
}

fn contents(file: &dyn StorageFile) -> Vec<u8> {
    let mut bytes = vec![0xEE; file.len().unwrap() as usize + 10];
    let count = file.read_at(&mut bytes, 0).unwrap();
    bytes.truncate(count);
    bytes
}

fn names(storage: &dyn Storage, dir: &Path) -> Vec<String> {
    let mut names = storage.list(dir).unwrap();
    names.sort();
    names
}

#[test]
fn what_is_missing_is_not_found() {
    on_both(|storage, dir| {
        let (missing, there) = (dir.join("missing"), dir.join("there"));
        let below = missing.join("below");
        put(storage, dir, "there", b"");
        let errors = [
            storage.open(&missing).unwrap_err(),
            storage.open_rw(&missing).unwrap_err(),
            storage.map(&missing).unwrap_err(),
            storage.rename(&missing, &dir.join("other")).unwrap_err(),
            storage.rename(&missing, &there).unwrap_err(),
            storage.remove(&missing).unwrap_err(),
            storage.list(&missing).unwrap_err(),
            storage.sync_dir(&missing).unwrap_err(),
            storage.create_temp(&missing).unwrap_err(),
            storage.create_dir(&below).unwrap_err(),
            storage.free_bytes(&missing).unwrap_err(),
            storage.open(&below).unwrap_err(),
        ];
        for (number, error) in errors.iter().enumerate() {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{number}: {storage:?}");
        }
        assert_eq!(names(storage, dir), ["there"]);
    });
}

#[test]
fn a_file_in_the_place_of_a_directory_is_an_error() {
    on_both(|storage, dir| {
        put(storage, dir, "file", b"");
        let file = dir.join("file");
        let error = storage.create_dir(&file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        for error in [
            storage.list(&file).unwrap_err(),
            storage.create_temp(&file).unwrap_err(),
            storage.open(&file.join("below")).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::NotADirectory, "{storage:?}");
        }
    });
}

#[test]
fn a_directory_in_the_place_of_a_file_is_an_error_and_stays() {
    on_both(|storage, dir| {
        put(storage, dir, "file", b"");
        let below = dir.join("below");
        storage.create_dir(&below).unwrap();
        storage.open_rw(&below).unwrap_err();
        storage.remove(&below).unwrap_err();
        storage.rename(&dir.join("file"), &below).unwrap_err();
        assert!(!storage.create_dir(&below).unwrap());
        assert_eq!(names(storage, dir), ["file"]);
    });
}

#[test]
fn create_dir_tells_whether_it_made_it() {
    on_both(|storage, dir| {
        let below = dir.join("below");
        assert!(storage.create_dir(&below).unwrap());
        assert!(!storage.create_dir(&below).unwrap());
        storage.sync_dir(dir).unwrap();
        assert!(storage.create_dir(&below.join("deeper")).unwrap());
    });
}

#[test]
fn list_gives_plain_files_of_this_directory_only() {
    on_both(|storage, dir| {
        let below = dir.join("below");
        storage.create_dir(&below).unwrap();
        put(storage, &below, "deep", b"");
        put(storage, dir, "b", b"");
        put(storage, dir, "a", b"");
        assert_eq!(names(storage, dir), ["a", "b"]);
        assert_eq!(names(storage, &below), ["deep"]);
    });
}

#[test]
fn temporary_files_are_empty_distinct_and_told_by_their_names() {
    on_both(|storage, dir| {
        let (first, file) = storage.create_temp(dir).unwrap();
        let (second, _) = storage.create_temp(dir).unwrap();
        assert_ne!(first, second);
        assert_eq!(file.len().unwrap(), 0);
        for path in [&first, &second] {
            assert_eq!(path.parent(), Some(dir));
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with(TEMP_PREFIX), "{name}");
            assert!(names(storage, dir).contains(&name.to_owned()));
        }
    });
}

#[test]
fn a_temporary_file_outlives_its_handle() {
    on_both(|storage, dir| {
        let (path, file) = storage.create_temp(dir).unwrap();
        file.write_at(b"kept", 0).unwrap();
        drop(file);
        assert_eq!(contents(&*storage.open(&path).unwrap()), b"kept");
    });
}

#[test]
fn a_file_may_be_read_by_others_like_any_that_a_program_makes() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let usual = std::fs::File::create(dir.path().join("usual")).unwrap();
    let (temp, _) = FileSystem.create_temp(dir.path()).unwrap();
    let mode = |metadata: std::fs::Metadata| metadata.permissions().mode() & 0o777;
    let usual = mode(usual.metadata().unwrap());
    assert_eq!(mode(std::fs::metadata(temp).unwrap()), usual & 0o644);
}

#[test]
fn rename_replaces_and_open_handles_keep_their_files() {
    on_both(|storage, dir| {
        put(storage, dir, "name", b"old");
        let old = storage.open(&dir.join("name")).unwrap();
        let (temp, new) = storage.create_temp(dir).unwrap();
        new.write_at(b"new", 0).unwrap();
        storage.rename(&temp, &dir.join("name")).unwrap();
        new.write_at(b"!", 3).unwrap();

        assert_eq!(names(storage, dir), ["name"]);
        assert_eq!(
            contents(&*storage.open(&dir.join("name")).unwrap()),
            b"new!"
        );
        assert_eq!(contents(&*old), b"old");
    });
}

#[test]
fn a_link_is_a_second_name_which_outlives_the_first_and_replaces_nothing() {
    on_both(|storage, dir| {
        put(storage, dir, "name", b"old");
        let below = dir.join("below");
        storage.create_dir(&below).unwrap();
        let second = below.join("second");
        storage.link(&dir.join("name"), &second).unwrap();
        let error = storage.link(&dir.join("name"), &second).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{storage:?}");
        let error = storage.link(&dir.join("none"), &below.join("third"));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
        put(storage, dir, "name", b"new");
        assert_eq!(contents(&*storage.open(&second).unwrap()), b"old");
        storage.remove(&dir.join("name")).unwrap();
        assert_eq!(names(storage, dir), Vec::<String>::new());
        assert_eq!(names(storage, &below), ["second"]);
        assert_eq!(contents(&*storage.open(&second).unwrap()), b"old");
    });
}

#[test]
fn a_rename_to_its_own_name_changes_nothing() {
    on_both(|storage, dir| {
        put(storage, dir, "name", b"data");
        storage
            .rename(&dir.join("name"), &dir.join("name"))
            .unwrap();
        assert_eq!(
            contents(&*storage.open(&dir.join("name")).unwrap()),
            b"data"
        );
    });
}

#[test]
fn a_removed_file_lives_on_in_its_handles_only() {
    on_both(|storage, dir| {
        put(storage, dir, "name", b"data");
        let file = storage.open_rw(&dir.join("name")).unwrap();
        storage.remove(&dir.join("name")).unwrap();
        file.write_at(b"more", 4).unwrap();
        file.sync_data().unwrap();
        assert_eq!(contents(&*file), b"datamore");
        assert!(names(storage, dir).is_empty());
        let error = storage.remove(&dir.join("name")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn reads_are_short_only_where_the_file_ends() {
    on_both(|storage, dir| {
        put(storage, dir, "name", b"abcdef");
        let file = storage.open(&dir.join("name")).unwrap();
        let mut buffer = *b"....";
        assert_eq!(file.read_at(&mut buffer, 1).unwrap(), 4);
        assert_eq!(&buffer, b"bcde");
        assert_eq!(file.read_at(&mut buffer, 4).unwrap(), 2);
        assert_eq!(&buffer, b"efde", "the rest of the buffer is left alone");
        assert_eq!(file.read_at(&mut buffer, 6).unwrap(), 0);
        assert_eq!(file.read_at(&mut buffer, 1 << 40).unwrap(), 0);
        assert_eq!(file.read_at(&mut [], 0).unwrap(), 0);
    });
}

#[test]
fn an_offset_or_a_length_that_no_file_can_have_is_an_error() {
    on_both(|storage, dir| {
        put(storage, dir, "name", b"abc");
        let file = storage.open_rw(&dir.join("name")).unwrap();
        file.read_at(&mut [0; 4], u64::MAX).unwrap_err();
        file.write_at(b"x", u64::MAX).unwrap_err();
        file.set_len(u64::MAX).unwrap_err();
        assert_eq!(contents(&*file), b"abc");
    });
}

#[test]
fn writing_beyond_the_end_leaves_zeros_between_and_overwriting_keeps_the_length() {
    on_both(|storage, dir| {
        let (_, file) = storage.create_temp(dir).unwrap();
        file.write_at(b"b", 3).unwrap();
        file.write_at(b"a", 0).unwrap();
        file.write_at(b"", 100).unwrap();
        assert_eq!(contents(&*file), b"a\0\0b");
        assert_eq!(file.len().unwrap(), 4);
    });
}

#[test]
fn what_was_cut_off_reads_as_zeros_when_the_file_grows_again() {
    on_both(|storage, dir| {
        let (_, file) = storage.create_temp(dir).unwrap();
        file.write_at(b"secret", 0).unwrap();
        file.set_len(2).unwrap();
        assert_eq!(contents(&*file), b"se");
        file.set_len(4).unwrap();
        file.write_at(b"x", 5).unwrap();
        assert_eq!(contents(&*file), b"se\0\0\0x");
    });
}

#[test]
fn a_handle_for_reading_cannot_write_but_may_sync() {
    on_both(|storage, dir| {
        put(storage, dir, "name", b"data");
        let file = storage.open(&dir.join("name")).unwrap();
        file.write_at(b"x", 0).unwrap_err();
        file.set_len(0).unwrap_err();
        file.sync_data().unwrap();
        assert_eq!(contents(&*file), b"data");
    });
}

#[test]
fn handles_on_one_file_see_each_others_writes_before_any_sync() {
    on_both(|storage, dir| {
        put(storage, dir, "name", b"data");
        let writer = storage.open_rw(&dir.join("name")).unwrap();
        let reader = storage.open(&dir.join("name")).unwrap();
        writer.write_at(b"DATA!", 0).unwrap();
        assert_eq!(contents(&*reader), b"DATA!");
    });
}

#[test]
fn a_mapping_has_all_bytes_even_none() {
    on_both(|storage, dir| {
        let bytes: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        put(storage, dir, "full", &bytes);
        put(storage, dir, "empty", b"");
        assert_eq!(&storage.map(&dir.join("full")).unwrap()[..], &bytes);
        assert!(storage.map(&dir.join("empty")).unwrap().is_empty());
    });
}

#[test]
fn a_mapping_outlives_the_name() {
    on_both(|storage, dir| {
        put(storage, dir, "name", b"data");
        let map = storage.map(&dir.join("name")).unwrap();
        storage.remove(&dir.join("name")).unwrap();
        assert_eq!(&map[..], b"data");
    });
}

#[test]
fn a_path_may_be_written_in_more_than_one_way() {
    on_both(|storage, dir| {
        storage.create_dir(&dir.join("below")).unwrap();
        put(storage, &dir.join("."), "name", b"data");
        let path = dir.join("below").join("..").join("name");
        assert_eq!(contents(&*storage.open(&path).unwrap()), b"data");
    });
}

#[test]
fn free_bytes_are_told() {
    on_both(|storage, dir| assert!(storage.free_bytes(dir).unwrap() > 0));
}

#[test]
fn two_threads_write_their_own_parts_of_one_file() {
    on_both(|storage, dir| {
        let (_, file) = storage.create_temp(dir).unwrap();
        std::thread::scope(|scope| {
            for half in 0..2_u64 {
                let file = &file;
                scope.spawn(move || {
                    for step in 0..50 {
                        file.write_at(&[half as u8 + 1; 100], (half * 50 + step) * 100)
                            .unwrap();
                        file.sync_data().unwrap();
                    }
                });
            }
        });
        let bytes = contents(&*file);
        assert_eq!(bytes.len(), 10_000);
        assert!(bytes[..5_000].iter().all(|byte| *byte == 1));
        assert!(bytes[5_000..].iter().all(|byte| *byte == 2));
    });
}

/// Random reads and writes give the same bytes on both.
#[test]
fn both_agree_on_any_sequence_of_writes_cuts_and_reads() {
    let real = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new();
    for seed in 0..50 {
        let mut rng = Rng::new(seed);
        let (_, expected) = FileSystem.create_temp(real.path()).unwrap();
        let (_, simulated) = disk.create_temp(Path::new("/")).unwrap();
        for step in 0..40 {
            let offset = rng.below(3_000);
            match rng.below(4) {
                0 => {
                    expected.set_len(offset).unwrap();
                    simulated.set_len(offset).unwrap();
                }
                1 => simulated.sync_data().unwrap(),
                _ => {
                    let bytes = vec![step + 1; rng.below(1_500) as usize];
                    expected.write_at(&bytes, offset).unwrap();
                    simulated.write_at(&bytes, offset).unwrap();
                }
            }
            assert_eq!(
                contents(&*expected),
                contents(&*simulated),
                "seed {seed}, step {step}"
            );
        }
    }
    disk.sync_dir(Path::new("/")).unwrap();
    let live = disk.list(Path::new("/")).unwrap();
    for name in live {
        let path = Path::new("/").join(name);
        disk.open(&path).unwrap().sync_data().unwrap();
        assert_eq!(
            disk.read_file(&path),
            disk.read_file_durable(&path),
            "{path:?}"
        );
    }
}
