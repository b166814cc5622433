//! Risk: a difference between two indexes that is not seen, or seen where there is none.

use std::borrow::Cow;

use tempfile::TempDir;

use super::*;
use crate::event::{Event, KeyRule, PayloadKind};
use crate::index::fold::{
    Arrivals, FoldInput, LoggedArrival, LoggedPayload, PayloadUnreadable, Payloads,
};
use crate::index::{Beside, Index, IndexOptions};

const LOG: [u8; 16] = [3; 16];

/// Topic, id and payload.
type Sent = (&'static str, &'static str, &'static str);

const SENT: [Sent; 7] = [
    ("a", "1", "1"),
    ("a", "1", "1"),
    ("b", "2", "2"),
    ("b", "2", "9"),
    ("a", "3", "3"),
    ("c", "4", "4"),
    ("a", "5", "5"),
];

struct Log(Vec<Sent>);

impl Payloads for Log {
    fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
        let (_, _, payload) = self.0[seq.get() as usize - 1];
        let bytes = payload.as_bytes().to_vec();
        Ok(LoggedPayload::Sent(PayloadKind::Json, bytes))
    }

    fn arrivals(&self, _: Seq, _: Seq) -> Option<Vec<LoggedArrival>> {
        None
    }
}

/// An index of these events, a frame each, and what it was after each of them.
fn index_of(sent: &[Sent], flush_each: bool) -> (TempDir, StoredIndex, Vec<FoldState>) {
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(directory.path(), LOG, IndexOptions::default()).unwrap();
    let log = Log(sent.to_vec());
    let mut states = vec![FoldState::default()];
    for (seq, (topic, id, payload)) in (1..).zip(sent) {
        let event = Event {
            topic: Cow::Borrowed(topic),
            event_id: Cow::Borrowed(id),
            source: Cow::Borrowed(""),
            timestamp: None,
            kind: PayloadKind::Json,
            payload: payload.as_bytes(),
            attributes: Vec::new(),
        };
        let arrivals = Arrivals::of(KeyRule::TopicAndId, [&event]);
        let input = FoldInput::Arrivals(&arrivals);
        index.apply(Seq::new(seq), input, &log).unwrap();
        states.push(index.state());
        if flush_each {
            index.flush_now().unwrap();
        }
    }
    index.close().unwrap();
    drop(index);
    let stored = StoredIndex::open(
        directory.path(),
        LOG,
        &|| Beside::Nobody,
        &tempfile::tempdir,
    )
    .unwrap();
    (directory, stored.expect("an index"), states)
}

fn compared(found: &[Sent], expected: &[Sent]) -> Comparison {
    let (_found_dir, found, _) = index_of(found, true);
    let (_expected_dir, expected, states) = index_of(expected, false);
    let expected_state = states.get(found.flushed().get() as usize).copied();
    let compared = Compared {
        found: &found,
        upto: found.flushed(),
        expected: &expected,
        expected_state,
    };
    compare(compared, &mut |_| {}).unwrap()
}

#[test]
fn equal_indexes_are_equal_in_however_many_pieces_they_lie() {
    let comparison = compared(&SENT, &SENT);
    assert!(comparison.is_equal(), "{comparison:?}");
    assert_eq!(comparison.differences.total(), 0);
    // Five keys, two that were not stored, three topics, and the keys again in these.
    assert_eq!((comparison.rows, comparison.upto), (15, Seq::new(7)));
    assert!(compared(&[], &[]).is_equal());
}

#[test]
fn an_index_is_compared_as_far_as_it_goes() {
    for end in 0..SENT.len() {
        let comparison = compared(&SENT[..end], &SENT);
        assert!(comparison.is_equal(), "{end}: {comparison:?}");
        assert_eq!(comparison.upto, Seq::new(end as u64));
    }
}

/// What is found where one event was taken for another, so that every block of it is intact.
fn with(seq: usize, event: Sent) -> (DifferenceCounts, String) {
    let mut sent = SENT;
    sent[seq - 1] = event;
    let comparison = compared(&sent, &SENT);
    assert!(!comparison.is_equal());
    let first = comparison.first.expect("a difference");
    (comparison.differences, first.to_string())
}

#[test]
fn every_kind_of_difference_is_counted_and_the_first_is_told() {
    let (counts, first) = with(5, ("a", "3", "33"));
    let keys = DifferenceCounts {
        state: 1,
        keys: 1,
        ..DifferenceCounts::default()
    };
    assert_eq!(counts, keys);
    assert!(
        first.starts_with("key ") && first.contains(": seq 5 "),
        "{first}"
    );

    // A duplicate that was taken for a new event.
    let (counts, first) = with(2, ("a", "9", "1"));
    let all = DifferenceCounts {
        state: 2,
        keys: 1,
        not_stored: 1,
        topics: 0,
        postings: 1,
    };
    assert_eq!(counts, all);
    assert!(
        first.contains("seq 2") && first.contains("nothing"),
        "{first}"
    );

    // A conflict for a duplicate: no row of a stored event differs.
    let (counts, first) = with(4, ("b", "2", "2"));
    let not_stored = DifferenceCounts {
        state: 2,
        not_stored: 1,
        ..DifferenceCounts::default()
    };
    assert_eq!(counts, not_stored);
    assert!(first.contains("seq 4, duplicate of 3"), "{first}");
    assert!(first.contains("seq 4, conflict of 3"), "{first}");

    // The name of a topic, and with it the key.
    let (counts, _) = with(6, ("d", "4", "4"));
    let topic = DifferenceCounts {
        state: 1,
        keys: 2,
        topics: 1,
        ..DifferenceCounts::default()
    };
    assert_eq!(counts, topic);
}

#[test]
fn an_end_within_a_frame_is_told() {
    let (_found_dir, found, _) = index_of(&SENT, true);
    let (_expected_dir, expected, _) = index_of(&SENT, false);
    let compared = Compared {
        found: &found,
        upto: found.flushed(),
        expected: &expected,
        expected_state: None,
    };
    let comparison = compare(compared, &mut |_| {}).unwrap();
    assert_eq!(comparison.first, Some(Difference::Watermark(Seq::new(7))));
}

#[test]
fn damage_is_laid_to_the_index_that_has_it() {
    let (found_dir, found, _) = index_of(&SENT, true);
    let (_expected_dir, expected, states) = index_of(&SENT, false);
    let of = |found, expected| Compared {
        found,
        upto: Seq::new(u64::MAX),
        expected,
        expected_state: states.last().copied(),
    };
    let runs = std::fs::read_dir(found_dir.path()).unwrap();
    for path in runs.map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|ending| ending == "run") {
            let bytes = std::fs::read(&path).unwrap();
            let zeros = vec![0; bytes.len()];
            std::fs::write(&path, zeros).unwrap();
        }
    }
    let told = compare(of(&found, &expected), &mut |_| {});
    assert!(matches!(told, Err(CompareError::Found(_))), "{told:?}");
    let told = compare(of(&expected, &found), &mut |_| {});
    assert!(matches!(told, Err(CompareError::Expected(_))), "{told:?}");
}
