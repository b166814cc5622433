//! Risks: what is remembered of the log for repeats in its order becomes a verdict that the runs
//! would not give; it is loaded over and over in vain; repeats in order cost a read each after
//! all.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::super::fold::{
    FoldInput, LoggedArrival, LoggedPayload, PayloadUnreadable, Payloads, Verdict,
};
use super::super::neighbours::Reach;
use super::super::options::Shape;
use super::super::{Index, IndexOptions};
use super::model::{Frame, LOG, Model, Sent, arrivals, tiny_options, tiny_shape};
use super::tiny::tiny_reach;
use crate::event::Seq;

/// One that flushes only when it is told to, in runs that are not merged.
fn quiet(directory: &Path, reach: Reach) -> Index {
    let options = IndexOptions {
        delta_events_max: 100_000,
        flush_at_events: 100_000,
        flush_after: Duration::from_secs(1000),
        ..tiny_options()
    };
    let shape = Shape {
        merge_ratio: 100,
        reach,
        ..tiny_shape()
    };
    Index::open_shaped(directory, LOG, options, shape).unwrap()
}

fn without() -> Reach {
    Reach {
        kept_max: 0,
        ..tiny_reach()
    }
}

/// How often the log was read, and how many keys were known from it.
fn figures(index: &Index) -> (u64, u64) {
    let figures = index.applying.lock().unwrap().figures;
    (figures.loads, figures.answers)
}

fn blocks_read(index: &Index) -> u64 {
    let runs = index.shared.read().runs.clone();
    let reads = runs
        .iter()
        .map(|run| run.file.reads.load(Ordering::Relaxed));
    reads.sum()
}

fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

/// New events, holes, and what came before once more: in its order, with gaps, with events that are
/// new, changed or repeated among them, in frames of other sizes.
fn with_old_order(seed: u64) -> Model {
    let mut next = random(seed);
    let mut model = Model::default();
    let mut sent: Vec<Sent> = Vec::new();
    let mut fresh = 0;
    for _ in 0..40 {
        let mut portion: Vec<Sent> = Vec::new();
        let again = next(3) > 0 && !sent.is_empty();
        let (mut place, length) = (next(sent.len().max(1) as u64) as usize, 5 + next(30));
        for _ in 0..length {
            let old = if again {
                sent.get(place).copied()
            } else {
                None
            };
            place += 1 + (next(10) == 0) as usize;
            portion.push(match (old, next(12)) {
                (Some((topic, id, _)), 0) => (topic, id, 1),
                (Some(_), 1) if !portion.is_empty() => portion[next(portion.len() as u64) as usize],
                (Some(old), 2..) => old,
                _ => {
                    fresh += 1;
                    (1, fresh, 0)
                }
            });
        }
        sent.extend(&portion);
        let mut left = &portion[..];
        while !left.is_empty() {
            let (frame, rest) = left.split_at(left.len().min(1 + next(12) as usize));
            model.take(Frame::Events(true, frame.to_vec()));
            left = rest;
        }
        if next(4) == 0 {
            model.take(Frame::Hole(1 + next(9)));
        }
    }
    model
}

#[test]
fn verdicts_are_the_same_with_and_without_what_is_remembered_of_the_log() {
    let (mut loads, mut answers) = (0, 0);
    for seed in 0..40 {
        let model = with_old_order(seed);
        for reach in [tiny_reach(), without()] {
            let is_off = reach.kept_max == 0;
            let directory = tempfile::tempdir().unwrap();
            let shape = Shape {
                reach,
                ..tiny_shape()
            };
            let index = Index::open_shaped(directory.path(), LOG, tiny_options(), shape).unwrap();
            model.replay_into(&index).unwrap();
            let of_this = figures(&index);
            assert!(!is_off || of_this == (0, 0));
            (loads, answers) = (loads + of_this.0, answers + of_this.1);
            assert_eq!(index.state(), model.state);
            index.flush_now().unwrap();
            model.compare(&index).unwrap();
        }
    }
    assert!(loads > 200 && answers > 1000, "{loads} {answers}");
}

/// So many new events with these ids, ten to a frame, and flushed: they are in one run.
fn stored(index: &Index, ids: std::ops::Range<u16>) -> Model {
    let mut model = Model::default();
    let all: Vec<Sent> = ids.map(|id| (1, id, 0)).collect();
    for frame in all.chunks(10) {
        model.take(Frame::Events(true, frame.to_vec()));
    }
    model.replay_into(index).unwrap();
    index.flush_now().unwrap();
    index.wait_until_loaded(Duration::from_secs(20));
    model
}

#[test]
fn repeats_in_the_old_order_do_not_read_a_block_each() {
    // Frame by frame, in large frames, and event by event.
    for size in [10, 150, 1] {
        let mut reads = Vec::new();
        for reach in [without(), tiny_reach()] {
            let directory = tempfile::tempdir().unwrap();
            let index = quiet(directory.path(), reach);
            let mut model = stored(&index, 0..400);
            let before = blocks_read(&index);
            let again: Vec<Sent> = (50..350).map(|id| (1, id, 0)).collect();
            for frame in again.chunks(size) {
                model.take(Frame::Events(true, frame.to_vec()));
            }
            model.replay_into(&index).unwrap();
            reads.push(blocks_read(&index) - before);
            assert!(figures(&index).1 <= 300);
        }
        // A frame of 150 reads each block once for several keys.
        assert!(reads[1] * 3 < reads[0] * 2, "{size}: {reads:?}");
        assert!(size > 10 || reads[1] * 3 < reads[0], "{size}: {reads:?}");
    }
}

#[test]
fn publishers_that_take_turns_are_all_answered() {
    let directory = tempfile::tempdir().unwrap();
    let reach = Reach {
        kept_max: 80,
        ..tiny_reach()
    };
    let index = quiet(directory.path(), reach);
    let mut model = stored(&index, 0..400);
    for turn in 0..60 {
        for publisher in 0..4 {
            model.take(Frame::Events(true, vec![(1, publisher * 100 + turn, 0)]));
        }
    }
    model.replay_into(&index).unwrap();
    let (loads, answers) = figures(&index);
    assert!(answers > 150 && loads < 40, "{loads} {answers}");
}

#[test]
fn a_repeat_or_a_conflict_in_what_is_loaded_is_not_taken_for_the_first() {
    for is_flushed in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let index = quiet(directory.path(), tiny_reach());
        let mut model = stored(&index, 0..20);
        let event = |id: u16| (1, id, 0);
        // 3 again as it was, 4 in other words.
        let mixed = vec![
            event(30),
            event(31),
            event(32),
            event(33),
            event(3),
            (1, 4, 1),
            event(34),
        ];
        model.take(Frame::Events(true, mixed.clone()));
        model.replay_into(&index).unwrap();
        // With the notes of the repeats in the delta, the keys are all the same in memory.
        if is_flushed {
            index.flush_now().unwrap();
        }
        let before = figures(&index).0;
        for sent in mixed.into_iter().chain([(1, 3, 1), event(4), event(3)]) {
            model.take(Frame::Events(true, vec![sent]));
        }
        model.replay_into(&index).unwrap();
        assert!(!is_flushed || figures(&index).0 > before);
        let last = model.judged[model.judged.len() - 1].judged;
        assert_eq!(
            (last.verdict, last.original_seq),
            (Verdict::Duplicate, Seq::new(4))
        );
        index.flush_now().unwrap();
        model.compare(&index).unwrap();
    }
}

#[test]
fn the_notes_of_what_is_not_flushed_count_too() {
    let directory = tempfile::tempdir().unwrap();
    let index = quiet(directory.path(), tiny_reach());
    let mut model = stored(&index, 0..40);
    // Right behind what is in the run, and in the deltas only: repeats, once in other words.
    model.take(Frame::Events(true, (0..6).map(|id| (1, id, 1)).collect()));
    // Loads a window that reaches into them.
    model.take(Frame::Events(true, (34..40).map(|id| (1, id, 0)).collect()));
    for id in 0..6 {
        model.take(Frame::Events(true, vec![(1, id, 1)]));
    }
    model.replay_into(&index).unwrap();
    assert!(figures(&index).0 > 0);
    model.compare(&index).unwrap();
}

/// What a log gives for a window.
#[derive(Copy, Clone, PartialEq)]
enum Gives {
    Nothing,
    OtherPayloads,
    /// Also what was not applied yet.
    All,
}

struct OddLog<'m> {
    model: &'m Model,
    gives: Gives,
    asked: AtomicUsize,
}

impl Payloads for OddLog<'_> {
    fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
        self.model.payload(seq)
    }

    fn arrivals(&self, from: Seq, upto: Seq) -> Option<Vec<LoggedArrival>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut read = self.model.arrivals(from, upto)?;
        match self.gives {
            Gives::Nothing => return None,
            Gives::OtherPayloads => read.iter_mut().for_each(|one| one.payload.0[0] ^= 1),
            Gives::All => read = self.model.arrivals(Seq::FIRST, self.model.applied())?,
        }
        Some(read)
    }
}

impl OddLog<'_> {
    /// Applies the frames that the index has not yet, and checks the verdicts; gives how often a
    /// window was asked for.
    fn replay_into(&self, index: &Index) -> usize {
        let from = index.applied();
        for (first, frame) in self.model.frames.iter().filter(|(first, _)| *first > from) {
            let Frame::Events(native, sent) = frame else {
                unreachable!("there are no holes in this history")
            };
            let arrivals = arrivals(*native, sent);
            let judged = index.apply(*first, FoldInput::Arrivals(&arrivals), self);
            let judged = judged.unwrap();
            let expected = &self.model.judged[first.get() as usize - 1..][..judged.len()];
            let expected = expected.iter().map(|one| one.judged);
            assert!(judged.iter().copied().eq(expected));
        }
        self.asked.load(Ordering::Relaxed)
    }
}

#[test]
fn a_window_that_cannot_be_read_or_is_not_what_the_run_says_is_done_without() {
    for gives in [Gives::Nothing, Gives::OtherPayloads] {
        let directory = tempfile::tempdir().unwrap();
        let index = quiet(directory.path(), tiny_reach());
        let mut model = stored(&index, 0..400);
        for id in 0..200 {
            model.take(Frame::Events(true, vec![(1, id, 0)]));
        }
        let log = OddLog {
            model: &model,
            gives,
            asked: AtomicUsize::new(0),
        };
        let asked = log.replay_into(&index);
        assert_eq!(figures(&index).1, 0);
        // 200 repeats, and a rest of 20 after each failure.
        assert!((5..=10).contains(&asked), "{asked}");
        assert_eq!(index.damage(), None);
        model.compare(&index).unwrap();
    }
}

#[test]
fn what_the_log_has_and_was_not_applied_yet_is_not_known() {
    let directory = tempfile::tempdir().unwrap();
    // A window may have all that there is.
    let reach = Reach {
        load_max: 1000,
        kept_max: 1000,
        ..tiny_reach()
    };
    let index = quiet(directory.path(), reach);
    let mut model = stored(&index, 0..40);
    for id in (30..36).chain(40..60).chain([50]) {
        model.take(Frame::Events(true, vec![(1, id, 0)]));
    }
    let log = OddLog {
        model: &model,
        gives: Gives::All,
        asked: AtomicUsize::new(0),
    };
    assert!(log.replay_into(&index) > 0);
    assert!(figures(&index).1 > 0);
    model.compare(&index).unwrap();
}

#[test]
fn loads_that_do_not_pay_come_to_rest() {
    let directory = tempfile::tempdir().unwrap();
    let reach = Reach {
        load_cost: 10,
        credit_max: 40,
        rest: 100,
        ..tiny_reach()
    };
    let index = quiet(directory.path(), reach);
    let mut model = stored(&index, 0..2000);
    // Three in order, then elsewhere: a load after each three would answer none.
    for group in 0..300u32 {
        for place in 0..3 {
            let id = (group * 611 % 1990) as u16 + place;
            model.take(Frame::Events(true, vec![(1, id, 0)]));
        }
    }
    model.replay_into(&index).unwrap();
    let (loads, _) = figures(&index);
    assert!((4..30).contains(&loads), "{loads}");
}

#[test]
fn what_is_not_asked_for_any_more_is_forgotten_and_can_be_had_again() {
    let directory = tempfile::tempdir().unwrap();
    let index = quiet(directory.path(), tiny_reach());
    let mut model = stored(&index, 0..100);
    let again = |model: &mut Model| {
        for id in 10..30 {
            model.take(Frame::Events(true, vec![(1, id, 0)]));
        }
        model.replay_into(&index).unwrap();
    };
    again(&mut model);
    let loaded = figures(&index);
    assert!(!index.applying.lock().unwrap().is_empty());
    for id in 1000..1062 {
        model.take(Frame::Events(true, vec![(1, id, 0)]));
    }
    model.replay_into(&index).unwrap();
    assert!(index.applying.lock().unwrap().is_empty());
    again(&mut model);
    let reloaded = figures(&index);
    assert!(reloaded.0 > loaded.0 && reloaded.1 > loaded.1);
}
