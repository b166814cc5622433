//! Risks: arrivals of the log that are given with another's seq, or not all of them; a window that is
//! read for ever, or although a part of it cannot be read.

use super::super::ahead::tests::{unreadable, written};
use super::super::frames::FrameReader;
use super::*;

/// All arrivals, as a replay gives them.
fn all(log: &Arc<LiveLog>) -> Vec<LoggedArrival> {
    let mut reader = FrameReader::new(log.clone());
    let (mut all, mut next) = (Vec::new(), Seq::FIRST);
    while let Some(frame) = reader.read(next).expect("a log without damage") {
        let FoldInput::Arrivals(arrivals) = frame.input() else {
            unreachable!("there are no holes in this log")
        };
        all.extend(arrivals.list.iter().map(|arrival| {
            let seq = next;
            next = next.next();
            LoggedArrival {
                seq,
                key: arrival.key,
                payload: arrival.payload,
            }
        }));
    }
    all
}

#[test]
fn arrivals_are_those_of_whole_frames_with_the_seqs_that_they_have() {
    let (_disk, log) = written();
    let all = all(&log);
    let payloads = LogPayloads::new(log.clone());
    let mut begun_before = 0;
    for from in 1..=log.durable().get() {
        let upto = from + 9;
        let read = payloads.arrivals(Seq::new(from), Seq::new(upto));
        let read = read.expect("a log without damage");
        let (first, last) = (read[0].seq.get(), read[read.len() - 1].seq.get());
        assert_eq!(read, all[first as usize - 1..last as usize]);
        assert!(first <= from && last >= upto.min(log.durable().get()));
        // No frame has more than seven.
        assert!(from - first < 7 && last < upto + 7);
        begun_before += u64::from(first < from);
    }
    assert!(begun_before > 100, "{begun_before}");
    let beyond = payloads.arrivals(log.durable().next(), Seq::new(u64::MAX));
    assert_eq!(beyond, Some(Vec::new()));
}

#[test]
fn a_read_ends_where_it_is_long_enough_or_is_broken_off() {
    let (_disk, log) = written();
    let all = all(&log);
    let interrupted = Arc::new(AtomicBool::new(false));
    let payloads = LogPayloads::until(log.clone(), interrupted.clone());
    let read = payloads.arrivals(Seq::FIRST, log.durable());
    let read = read.expect("a log without damage");
    assert_eq!(read, all[..read.len()]);
    assert!((10..200).contains(&read.len()), "{}", read.len());
    interrupted.store(true, Ordering::Release);
    assert_eq!(
        payloads.arrivals(Seq::FIRST, log.durable()),
        Some(Vec::new())
    );
}

#[test]
fn of_a_window_with_a_frame_that_cannot_be_read_nothing_is_given() {
    let (disk, _) = written();
    let (log, _) = unreadable(&disk);
    let payloads = LogPayloads::new(log.clone());
    let mut reader = FrameReader::new(log.clone());
    let mut bad = Seq::FIRST;
    while let Ok(Some(frame)) = reader.read(bad) {
        bad = frame.next_seq();
    }
    let before = Seq::new(bad.get() - 8);
    assert_eq!(payloads.arrivals(before, bad), None);
    assert_eq!(payloads.arrivals(bad, bad), None);
    let read = payloads.arrivals(before, bad.previous());
    let read = read.expect("intact up to there");
    assert!(read.last().is_some_and(|last| last.seq == bad.previous()));
    // The fold's own read of it is an error as before.
    assert!(payloads.payload(bad).is_err());
}
