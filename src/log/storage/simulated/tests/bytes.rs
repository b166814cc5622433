//! Bytes and lengths: what a crash may take, and what it must leave.

use std::collections::BTreeSet;
use std::path::Path;

use super::{A, BLOCK, SEEDS, bytes_of_a, disk_and_file, disk_with, outcomes, set};
use crate::log::storage::Storage;
use crate::log::storage::simulated::{Options, Survival};

#[test]
fn an_unsynced_write_may_vanish() {
    let (disk, file) = disk_and_file(b"old");
    file.write_at(b"new", 0).unwrap();

    assert_eq!(disk.read_file(A), b"new");
    assert_eq!(disk.read_file_durable(A), b"old");
    let seen = outcomes(&disk, bytes_of_a);
    assert_eq!(seen, set([b"old".to_vec(), b"new".to_vec()]));
}

#[test]
fn a_synced_write_survives_every_crash() {
    let (disk, file) = disk_and_file(b"old");
    file.write_at(&[7; 3 * BLOCK], 100).unwrap();
    file.set_len(2_000).unwrap();
    file.sync_data().unwrap();

    let mut expected = b"old".to_vec();
    expected.resize(100, 0);
    expected.resize(100 + 3 * BLOCK, 7);
    expected.resize(2_000, 0);
    assert_eq!(outcomes(&disk, bytes_of_a), set([expected]));
}

#[test]
fn a_block_may_be_any_version_written_since_the_last_sync() {
    let (disk, file) = disk_and_file(b"0");
    for version in [b"1", b"2", b"3"] {
        file.write_at(version, 0).unwrap();
    }
    let seen = outcomes(&disk, bytes_of_a);
    assert_eq!(seen, set([b"0", b"1", b"2", b"3"].map(|v| v.to_vec())));
}

#[test]
fn blocks_of_one_write_persist_independently() {
    let (disk, file) = disk_and_file(&[0; 3 * BLOCK]);
    file.write_at(&[1; 3 * BLOCK], 0).unwrap();

    let seen = outcomes(&disk, |disk| {
        let bytes = disk.read_file(A);
        let blocks = bytes.chunks(BLOCK).map(|block| {
            assert!(
                block.iter().all(|byte| *byte == block[0]),
                "a block is never torn"
            );
            block[0]
        });
        blocks.collect::<Vec<u8>>()
    });
    assert_eq!(seen.len(), 8, "every combination of three blocks: {seen:?}");
}

#[test]
fn the_block_size_is_where_writes_tear() {
    let disk = disk_with(Options {
        block_size_bytes: 2,
        ..Options::default()
    });
    disk.write_file_durable(A, b"....");
    disk.open_rw(Path::new(A))
        .unwrap()
        .write_at(b"abc", 1)
        .unwrap();
    let seen = outcomes(&disk, bytes_of_a);
    assert_eq!(
        seen,
        set(["....", ".a..", "..bc", ".abc"].map(|v| v.as_bytes().to_vec()))
    );
}

#[test]
fn a_length_may_last_without_the_bytes_and_then_zeros_are_read() {
    let (disk, file) = disk_and_file(b"");
    file.write_at(b"data", 0).unwrap();
    let seen = outcomes(&disk, bytes_of_a);
    assert_eq!(seen, set([b"".to_vec(), b"data".to_vec(), vec![0; 4]]));
}

#[test]
fn a_cut_may_be_undone_but_bytes_behind_a_lasting_cut_never_come_back() {
    let (disk, file) = disk_and_file(b"secret");
    file.set_len(2).unwrap();
    file.set_len(6).unwrap();
    let seen = outcomes(&disk, bytes_of_a);
    let expected = [b"secret".to_vec(), b"se".to_vec(), b"se\0\0\0\0".to_vec()];
    assert_eq!(seen, set(expected.clone()));

    let (disk, file) = disk_and_file(b"secret");
    file.set_len(2).unwrap();
    file.set_len(6).unwrap();
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk, bytes_of_a), set([expected[2].clone()]));
}

#[test]
fn a_block_written_after_a_cut_has_zeros_behind_its_end_even_if_the_cut_is_undone() {
    let (disk, file) = disk_and_file(b"secret");
    file.set_len(2).unwrap();
    file.write_at(b"S", 0).unwrap();
    let expected = ["secret", "Se\0\0\0\0", "se", "Se"];
    let seen = outcomes(&disk, bytes_of_a);
    assert_eq!(seen, set(expected.map(|bytes| bytes.as_bytes().to_vec())));
}

#[test]
fn after_a_kill_everything_is_read_but_a_power_cut_may_still_take_it() {
    let (disk, file) = disk_and_file(b"old");
    file.write_at(b"new", 0).unwrap();
    let (temp, _) = disk.create_temp(Path::new("/log")).unwrap();

    let restarted = disk.crash(Survival::PageCache);
    assert_eq!(restarted.read_file(A), b"new");
    assert_eq!(restarted.read_file(&temp), b"");
    restarted.open(Path::new(A)).unwrap().sync_data().unwrap();
    let seen = outcomes(&restarted, |disk| (disk.read_file(A), disk.tree().len()));
    assert_eq!(seen, set([(b"new".to_vec(), 2), (b"new".to_vec(), 3)]));

    let file = disk
        .crash(Survival::PageCache)
        .open_rw(Path::new(A))
        .unwrap();
    assert_eq!(file.len().unwrap(), 3);
    let seen = outcomes(&disk.crash(Survival::PageCache), bytes_of_a);
    assert_eq!(seen, set([b"old".to_vec(), b"new".to_vec()]));
}

#[test]
fn the_same_seed_gives_the_same_crash() {
    let (disk, file) = disk_and_file(&[0; 8 * BLOCK]);
    file.write_at(&[1; 8 * BLOCK], 0).unwrap();
    let seen = (0..SEEDS).map(|seed| {
        let once = disk.crash(Survival::Random(seed)).read_file(A);
        assert_eq!(
            once,
            disk.crash(Survival::Random(seed)).read_file(A),
            "seed {seed}"
        );
        once
    });
    assert!(seen.collect::<BTreeSet<_>>().len() > 50, "seeds differ");
}
