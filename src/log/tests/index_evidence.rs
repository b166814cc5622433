//! Risk: the index knows seqs that the log has lost, and they are given to other events.

use super::damage::image;
use super::harness::{new_disk, open, with_index};
use super::stores;
use crate::event::Seq;
use crate::log::LogError;
use crate::log::storage::simulated::SimulatedDisk;

#[track_caller]
fn assert_behind(disk: &SimulatedDisk, end: u64, flushed: u64, what: &str) {
    let before = image(disk);
    match open(disk, with_index(Some(flushed))) {
        Err(LogError::BehindIndex {
            log_end,
            index_flushed,
        }) => assert_eq!(
            (log_end, index_flushed),
            (Seq::new(end), Seq::new(flushed)),
            "{what}"
        ),
        other => panic!("{what}: {other:?}"),
    }
    assert_eq!(image(disk), before, "{what}");
}

#[test]
fn an_index_that_is_ahead_of_the_log_is_refused_in_every_state() {
    for store in stores::all() {
        let all = store.history.last_acknowledged().get();
        for ahead in [1, 2, 1000] {
            assert_behind(&store.disk.snapshot(), all, all + ahead, store.name);
        }
        let exact = open(&store.disk.snapshot(), with_index(Some(all)));
        assert!(exact.is_ok(), "{}: {exact:?}", store.name);
    }
}

#[test]
fn an_index_proves_that_the_last_segment_is_missing() {
    for store in stores::all() {
        let all = store.history.last_acknowledged().get();
        let last = store.segments.last().unwrap();
        let disk = store.disk.snapshot();
        crate::log::storage::Storage::remove(&disk, last.path.as_ref()).unwrap();
        assert_behind(&disk.snapshot(), last.id - 1, all, store.name);
    }
}

#[test]
fn an_index_proves_that_all_segments_are_missing() {
    assert_behind(&new_disk(), 0, 1, "empty");
    assert!(open(&new_disk(), with_index(Some(0))).is_ok());
}
