//! Frames of events, holes and dropped payloads, with flushes, clean stops and crashes between
//! them: the index answers all that it can be asked like a plain map does, and one that is made
//! anew from the same frames is the same.

use super::exact::Exact;
use super::input::Input;
use crate::event::PayloadKind;
use crate::index::Index;
use crate::index::model::{Frame, Model, Palette, Payload};
use crate::index::tiny::{LOG, open_of};

const PAYLOADS_MAX: u8 = 12;
const STEPS_MAX: usize = 60;

/// A byte says how many payloads follow, each after its kind and its length; then come the steps.
pub fn fold(data: &[u8]) {
    let mut input = Input(data);
    let payloads = (0..=input.byte() % PAYLOADS_MAX).map(|_| {
        let kind = match input.byte() % 8 {
            0 => PayloadKind::Bytes,
            _ => PayloadKind::Json,
        };
        let length = usize::from(input.byte());
        (kind, input.take(length).to_vec())
    });
    let palette = Palette::Given(payloads.collect(), are_equal);
    let mut model = Model::with(palette);
    let directory = tempfile::tempdir().expect("a directory");
    let opened = || open_of(directory.path(), LOG).expect("nothing else has touched it");
    let mut index = opened();
    for _ in 0..STEPS_MAX {
        if input.is_over() {
            break;
        }
        let step = input.byte();
        match step % 16 {
            0 => model.take(Frame::Hole(1 + u64::from(input.byte()))),
            1 => index.flush_now().expect("a flush"),
            2 => {
                index.close().expect("a flush");
                index = opened();
                assert_eq!(index.applied(), model.applied());
            }
            3 => {
                drop(index);
                index = opened();
                assert_eq!(index.applied(), index.flushed());
            }
            4 => model.compare(&index).expect("answers"),
            5 => model.erase(usize::from(input.byte())),
            _ => model.take(events(step >> 4, &mut input)),
        }
        model.replay_into(&index).expect("it takes any frame");
    }
    is_as_anew(&model, &index);
}

/// As many as the number says, and in which key space.
fn events(number: u8, input: &mut Input<'_>) -> Frame {
    let sent = (0..1 + number / 2).map(|_| {
        // Few, so that they come again.
        let (topic, id) = (input.byte() % 6, u16::from(input.byte() % 64));
        (topic, id, input.byte())
    });
    Frame::Events(number.is_multiple_of(2), sent.collect())
}

/// By the words of the specification: JSON by its value, all else by its bytes, and what is not
/// of one kind never.
fn are_equal(one: &Payload, other: &Payload) -> bool {
    let value = |(kind, bytes): &Payload| match kind {
        PayloadKind::Json => Exact::of(bytes),
        PayloadKind::Bytes => None,
    };
    match (value(one), value(other)) {
        (None, None) => one == other,
        (one, other) => one == other,
    }
}

fn is_as_anew(model: &Model, index: &Index) {
    model.compare(index).expect("answers");
    assert_eq!(index.state().counters, model.counted());
    let directory = tempfile::tempdir().expect("a directory");
    let anew = open_of(directory.path(), LOG).expect("a new one");
    model.replay_into(&anew).expect("it takes any frame");
    assert_eq!(anew.state(), index.state());
    assert_eq!(index.damage(), None);
}
