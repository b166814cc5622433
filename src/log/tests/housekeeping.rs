//! Risk: left-overs pile up, segments are wasted, a batch is too large for its segment.

use super::harness::{Publisher, in_log, names, new_disk, open, options, reopen};
use super::history::{History, Outcome};
use crate::event::Seq;
use crate::log::inventory::TORN_PREFIX;
use crate::log::storage::TEMP_PREFIX;
use crate::log::storage::simulated::{FailKind, OpKind, Survival};

#[test]
fn left_over_temporary_files_are_removed_at_start() {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    publisher.publish(&mut history, 1, 50);
    let left = disk.crash(Survival::PageCache);
    drop(publisher);
    left.write_file_durable(in_log(".tmp-of-someone"), b"never became anything");
    reopen(&left, &mut history).unwrap();
    assert_eq!(names(&left, TEMP_PREFIX), [""; 0]);
}

#[test]
fn a_clean_stop_leaves_no_spare_and_goes_on_in_the_same_segment() {
    let (disk, mut history) = (new_disk(), History::default());
    for _ in 0..4 {
        let opened = reopen(&disk, &mut history).unwrap();
        assert_eq!(opened.unclean, None);
        let mut publisher = Publisher::start(opened);
        publisher.publish(&mut history, 1, 50);
        publisher.stop();
        assert_eq!(names(&disk, TEMP_PREFIX), [""; 0]);
        assert_eq!(names(&disk, ".seg").len(), 1);
    }
    // Also without a single batch.
    Publisher::start(reopen(&disk, &mut history).unwrap()).stop();
    assert_eq!(reopen(&disk, &mut history).unwrap().unclean, None);
}

#[test]
fn an_unclean_segment_without_frames_is_replaced() {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    disk.fail_when(
        |operation| operation.kind == OpKind::WriteAt && operation.offset == 64,
        1,
        FailKind::Io,
    );
    let outcome = publisher.publish(&mut history, 3, 400);
    assert_eq!(outcome, Outcome::Unknown);
    publisher.stop();
    let segments = names(&disk, ".seg");
    assert_eq!(segments.len(), 1, "it has its name");
    let before = disk.read_file(in_log(&segments[0]));

    let opened = reopen(&disk, &mut history).unwrap();
    assert_eq!(opened.next_seq, Seq::FIRST);
    assert!(opened.unclean.is_some());
    let mut publisher = Publisher::start(opened);
    let outcome = publisher.publish(&mut history, 1, 50);
    assert_eq!(outcome, Outcome::Acknowledged(Seq::FIRST));
    assert_eq!(names(&disk, ".seg"), segments);
    assert_ne!(disk.read_file(in_log(&segments[0]))[..64], before[..64]);
    let left = disk.crash(Survival::Nothing);
    drop(publisher);
    reopen(&left, &mut history).unwrap();
}

#[test]
fn a_batch_larger_than_a_segment_gets_one_of_its_own() {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).unwrap());
    for bytes in [50, 20_000, 50, 4096 - 64, 9_000, 50] {
        let outcome = publisher.publish(&mut history, 1, bytes);
        assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");
    }
    publisher.stop();
    assert_eq!(names(&disk, ".seg").len(), 6);
    reopen(&disk.crash(Survival::Nothing), &mut history).unwrap();
}

#[test]
fn saved_torn_bytes_are_bounded_and_the_newest_stay() {
    let (mut disk, mut history) = (new_disk(), History::default());
    let mut newest = String::new();
    for life in 0..12 {
        let mut publisher = Publisher::start(reopen(&disk, &mut history).unwrap());
        publisher.publish(&mut history, 1, 50);
        let left = disk.crash(Survival::PageCache);
        drop(publisher);
        disk = left;
        let last = in_log(&names(&disk, ".seg").pop().unwrap());
        let mut bytes = disk.read_file(&last);
        bytes[1000..1010].copy_from_slice(b"torn bytes");
        disk.write_file_durable(&last, &bytes);
        let unclean = reopen(&disk, &mut history).unwrap().unclean.unwrap();
        let (_, saved) = unclean.torn.expect("there were torn bytes");
        newest = saved.to_string_lossy().into_owned();
        let torn = names(&disk, TORN_PREFIX);
        assert_eq!(torn.len(), 8.min(life + 1));
        assert_eq!(torn.last().map(|name| in_log(name)), Some(newest.clone()));
    }
    assert!(disk.read_file(newest).ends_with(b"torn bytes"));
}

#[test]
fn torn_bytes_at_the_same_place_of_two_segments_are_both_saved() {
    let (disk, mut history) = (new_disk(), History::default());
    for torn in [&b"first"[..], b"second", b"second"] {
        let mut publisher = Publisher::start(reopen(&disk, &mut history).unwrap());
        disk.fail_when(
            |operation| operation.kind == OpKind::WriteAt && operation.offset == 64,
            1,
            FailKind::Io,
        );
        publisher.publish(&mut history, 1, 50);
        publisher.stop();
        let mut bytes = disk.read_file(in_log(&names(&disk, ".seg")[0]));
        bytes[64..].fill(0);
        bytes[64..64 + torn.len()].copy_from_slice(torn);
        disk.write_file_durable(in_log(&names(&disk, ".seg")[0]), &bytes);
    }
    reopen(&disk, &mut history).unwrap();
    let mut saved: Vec<Vec<u8>> = names(&disk, TORN_PREFIX)
        .iter()
        .map(|name| disk.read_file(in_log(name)))
        .collect();
    saved.sort();
    assert_eq!(saved, [b"first".to_vec(), b"second".to_vec()]);
}
