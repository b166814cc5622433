//! Risk: what was looked up before a frame's turn is believed of what flushes and merges have
//! changed since: a repeated event is stored again.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::fold::FoldInput;
use super::super::{Foresight, Index, IndexError};
use super::model::{Frame, Model, arrivals, open};
use crate::event::Seq;

/// New events, each repeated some frames later, and once more much later.
fn repeating(frames: u16) -> Model {
    let mut model = Model::default();
    for number in 0..frames {
        let ago = |frames: u16| number.saturating_sub(frames) * 3;
        let ids = [number * 3, number * 3 + 1, number * 3 + 2];
        let again = [ago(1), ago(4) + 1, ago(7) + 2, ago(40)];
        let sent = ids.iter().chain(&again).map(|id| (1, *id, 0)).collect();
        model.take(Frame::Events(true, sent));
    }
    model
}

/// Applies a frame with what was foreseen of it, and checks its verdicts.
fn apply(index: &Index, model: &Model, number: usize, foresight: Option<&Foresight>) {
    let (first, frame) = &model.frames[number];
    let Frame::Events(native, sent) = frame else {
        unreachable!("there are no holes in this history")
    };
    let arrivals = arrivals(*native, sent);
    let input = FoldInput::Arrivals(&arrivals);
    let judged = loop {
        match index.apply_foreseen(*first, input, foresight, model) {
            Err(IndexError::DeltaFull) => {
                index.wait_for_room(input.count(), Duration::from_secs(5));
            }
            other => break other.unwrap(),
        }
    };
    let expected = &model.judged[first.get() as usize - 1..];
    let expected = expected.iter().map(|one| one.judged);
    assert!(judged.iter().copied().eq(expected.take(judged.len())));
}

fn foresee(index: &Index, model: &Model, number: usize) -> Option<Foresight> {
    let (first, frame) = &model.frames[number];
    let Frame::Events(native, sent) = frame else {
        unreachable!("there are no holes in this history")
    };
    index.foresee(*first, &arrivals(*native, sent))
}

#[test]
fn what_was_looked_up_frames_before_gives_the_verdicts_of_a_look_up_now() {
    let model = repeating(400);
    for ahead in [1, 5, 30] {
        let directory = tempfile::tempdir().unwrap();
        let index = open(directory.path()).unwrap();
        let mut foreseen = VecDeque::new();
        let mut known_before = 0;
        for number in 0..model.frames.len() {
            while foreseen.len() < ahead && number + foreseen.len() < model.frames.len() {
                foreseen.push_back(foresee(&index, &model, number + foreseen.len()));
            }
            let foresight = foreseen.pop_front().flatten();
            let found = |foresight: &Foresight| foresight.found().len();
            known_before += foresight.as_ref().map_or(0, found);
            apply(&index, &model, number, foresight.as_ref());
            if number % 3 == 0 {
                index.flush_now().unwrap();
            }
        }
        assert!(known_before > 300, "{known_before}");
        model.compare(&index).unwrap();
    }
}

#[test]
fn what_another_index_has_is_not_believed() {
    let model = repeating(60);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let full = open(one.path()).unwrap();
    model.replay_into(&full).unwrap();
    full.flush_now().unwrap();
    let index = open(two.path()).unwrap();
    for number in 0..model.frames.len() {
        let foresight = foresee(&full, &model, number);
        assert!(
            foresight
                .as_ref()
                .is_some_and(|seen| !seen.found().is_empty())
        );
        apply(&index, &model, number, foresight.as_ref());
    }
    assert_eq!(index.applied(), Seq::new(60 * 7));
    index.flush_now().unwrap();
    model.compare(&index).unwrap();
}

#[test]
fn what_was_foreseen_of_another_frame_is_not_believed() {
    let model = repeating(60);
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    for number in 0..model.frames.len() {
        let other = match number % 2 {
            // As many events, at another place.
            1 => foresee(&index, &model, number - 1),
            // At the same place, and one event more: the first of all, which is known.
            _ => {
                let (first, frame) = &model.frames[number];
                let Frame::Events(native, sent) = frame else {
                    unreachable!("there are no holes in this history")
                };
                let longer = [&[(1, 0, 0)], &sent[..]].concat();
                index.foresee(*first, &arrivals(*native, &longer))
            }
        };
        let is_empty = other.as_ref().is_none_or(|seen| seen.found().is_empty());
        assert!(number == 0 || !is_empty, "{number}: nothing to believe");
        apply(&index, &model, number, other.as_ref());
        index.flush_now().unwrap();
    }
    model.compare(&index).unwrap();
}
