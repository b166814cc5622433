//! Risk: a batch that repeats known events in other words takes a read of the log for each, in
//! an order that no reader can make cheap; or cannot be broken off.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::digest::{KeyDigest, PayloadDigest};
use super::super::fold::{
    Arrival, Arrivals, FoldInput, LoggedPayload, PayloadUnreadable, Payloads, Verdict,
};
use super::super::{Index, IndexError, IndexOptions, Order};
use crate::event::{PayloadKind, Seq};

const EVENTS: u64 = 500;

/// Says of every payload that it is `1`, and remembers who was asked for.
#[derive(Default)]
struct Asked {
    seqs: Mutex<Vec<Seq>>,
    interrupt_after: Option<AtomicUsize>,
}

impl Payloads for Asked {
    fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
        self.seqs.lock().unwrap().push(seq);
        Ok(LoggedPayload::Sent(PayloadKind::Json, b"1".to_vec()))
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt_after
            .as_ref()
            .is_some_and(|left| left.fetch_sub(1, Ordering::Relaxed) == 0)
    }
}

fn arrivals(keys: impl Iterator<Item = u64>, payload: u8) -> Arrivals {
    let arrival = |key: u64| Arrival {
        key: KeyDigest((u128::from(key) << 64).to_le_bytes()),
        payload: PayloadDigest([payload; 16]),
        topic: 0,
    };
    Arrivals {
        list: keys.map(arrival).collect(),
        topics: vec!["topic".into()],
        ..Arrivals::default()
    }
}

#[test]
fn first_payloads_are_read_once_each_in_the_order_of_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(directory.path(), [0; 16], IndexOptions::default()).unwrap();
    let first = arrivals(0..EVENTS, 1);
    let asked = Asked::default();
    let input = FoldInput::Arrivals(&first);
    index.apply(Seq::FIRST, input, &asked).unwrap();
    assert!(asked.seqs.lock().unwrap().is_empty());

    // Mixed, and each of them twice.
    let mixed = (0..2 * EVENTS).map(|number| number * 7919 % EVENTS);
    let again = arrivals(mixed, 2);
    let next = Seq::new(EVENTS + 1);
    let judged = index
        .apply(next, FoldInput::Arrivals(&again), &asked)
        .unwrap();
    assert!(judged.iter().all(|one| one.verdict == Verdict::Duplicate));
    let seqs = asked.seqs.lock().unwrap().clone();
    let (firsts, own) = seqs.split_at(EVENTS as usize);
    assert!(firsts.iter().copied().eq((1..=EVENTS).map(Seq::new)));
    assert!(
        own.iter()
            .copied()
            .eq((EVENTS + 1..=3 * EVENTS).map(Seq::new))
    );
}

#[test]
fn a_frame_that_is_broken_off_has_changed_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(directory.path(), [0; 16], IndexOptions::default()).unwrap();
    let first = arrivals(0..EVENTS, 1);
    let input = FoldInput::Arrivals(&first);
    index.apply(Seq::FIRST, input, &Asked::default()).unwrap();
    let before = index.state();
    let again = arrivals(0..EVENTS, 2);
    for checks in [0, 3, EVENTS as usize + 3] {
        let asked = Asked {
            interrupt_after: Some(AtomicUsize::new(checks)),
            ..Asked::default()
        };
        let applied = index.apply(Seq::new(EVENTS + 1), FoldInput::Arrivals(&again), &asked);
        assert!(matches!(applied, Err(IndexError::Interrupted)));
        assert_eq!(index.state(), before);
    }
    let upto = Seq::new(3 * EVENTS);
    let listed = index.not_stored(Seq::ZERO, upto, Order::Ascending, 10, None);
    assert!(listed.unwrap().is_empty());
}
