//! Frames that are larger than the delta, out of their order, or whose first payload cannot be
//! read.

use super::super::super::fold::{FoldInput, LoggedPayload, PayloadUnreadable, Payloads};
use super::super::super::{Index, IndexError};
use super::super::model::{Frame, LOG, Model, open};
use super::{arrivals_of, new_events};
use crate::event::Seq;

#[test]
fn a_frame_larger_than_the_delta_is_taken_when_the_delta_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    let mut model = Model::default();
    model.take(new_events(0, 5));
    model.take(new_events(10, 300));
    model.take(Frame::Events(true, vec![(9, 12, 0); 300]));
    model.replay_into(&index).unwrap();
    model.compare(&index).unwrap();
}

#[test]
fn an_unreadable_first_payload_changes_nothing() {
    struct Unreadable;
    impl Payloads for Unreadable {
        fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
            let source = Box::new(std::io::Error::other("bad sector"));
            Err(PayloadUnreadable { seq, source })
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    let mut arrivals = arrivals_of(3);
    index
        .apply(Seq::FIRST, FoldInput::Arrivals(&arrivals), &Unreadable)
        .unwrap();
    let state = index.state();
    arrivals.list[0].key.0[0] ^= 1;
    arrivals.list[2].payload.0[0] ^= 1;
    let refused = index.apply(Seq::new(4), FoldInput::Arrivals(&arrivals), &Unreadable);
    assert!(
        matches!(refused, Err(IndexError::Payload(_))),
        "{refused:?}"
    );
    assert_eq!(index.state(), state);
    assert_eq!(index.first_of(arrivals.list[0].key).unwrap(), None);
}

#[test]
fn frames_out_of_order_or_beyond_the_last_seq_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    let model = Model::default();
    let early = index.apply(Seq::new(2), FoldInput::Hole(1), &model);
    assert!(matches!(early, Err(IndexError::NotNext { .. })));
    let endless = index.apply(Seq::FIRST, FoldInput::Hole(u64::MAX), &model);
    assert!(matches!(endless, Err(IndexError::TooManySeqs { .. })));
    // A hole that long is one entry, and can be asked about.
    index
        .apply(Seq::FIRST, FoldInput::Hole(i64::MAX as u64 - 10), &model)
        .unwrap();
    index.flush_now().unwrap();
    let last = index
        .verdicts(Seq::new(i64::MAX as u64 - 12), Seq::new(u64::MAX))
        .unwrap();
    assert_eq!(last.len(), 3);
    drop(index);
    assert_eq!(
        Index::flushed_of(directory.path(), LOG).unwrap(),
        Some(Seq::new(i64::MAX as u64 - 10))
    );
}
