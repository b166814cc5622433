//! What every storage does, whichever it is: each test runs on the real file system and
//! on the simulated disk, so that what is proven on the one is believed of the other.

mod bytes;

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
