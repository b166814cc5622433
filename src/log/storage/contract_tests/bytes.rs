//! Reads, writes and cuts of one file.

use super::*;

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
fn a_handle_outlives_the_name() {
    on_both(|storage, dir| {
        put(storage, dir, "name", b"data");
        let reader = storage.open(&dir.join("name")).unwrap();
        storage.remove(&dir.join("name")).unwrap();
        assert_eq!(contents(&*reader), b"data");
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
