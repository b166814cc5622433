//! What the index must answer, computed in the most naive way.

use std::borrow::Cow;
mod compare;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::canonical::canonical_digest;
use super::digest::{KeyDigest, PayloadDigest};
use super::fold::{
    Arrivals, FoldInput, FoldState, Judged, LoggedArrival, LoggedPayload, PayloadUnreadable,
    Payloads, Verdict,
};
#[cfg(test)]
pub(super) use super::tiny::{LOG, open, tiny_options, tiny_shape};
use super::{Index, IndexError, NotStored};
use crate::event::{Event, KeyRule, PayloadKind, Seq};

/// One event: topic, id, payload.
pub(crate) type Sent = (u8, u16, u8);

/// A payload and what it is.
pub(crate) type Payload = (PayloadKind, Vec<u8>);

/// What the payloads of [`Sent`] are.
#[derive(Clone, Default)]
pub(crate) enum Palette {
    /// JSON numbers, which are equal as bytes.
    #[default]
    Numbers,
    /// These, and which are equal. At least one.
    Given(Vec<Payload>, fn(&Payload, &Payload) -> bool),
}

impl Palette {
    pub(crate) fn payload(&self, number: u8) -> Payload {
        match self {
            Palette::Numbers => (PayloadKind::Json, number.to_string().into_bytes()),
            Palette::Given(payloads, _) => payloads[usize::from(number) % payloads.len()].clone(),
        }
    }

    fn are_equal(&self, one: u8, other: u8) -> bool {
        match self {
            Palette::Numbers => one == other,
            Palette::Given(_, are_equal) => are_equal(&self.payload(one), &self.payload(other)),
        }
    }
}

/// One frame.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    Events(bool, Vec<Sent>),
    Hole(u64),
}

/// The log and all verdicts, in memory.
#[derive(Default)]
pub(crate) struct Model {
    pub(super) palette: Palette,
    pub(super) frames: Vec<(Seq, Frame)>,
    /// By their places: those whose payloads were dropped.
    erased: HashSet<usize>,
    /// By seq: the number of its payload.
    payloads: Vec<u8>,
    first: HashMap<KeyDigest, usize>,
    pub(crate) judged: Vec<NotStored>,
    pub(super) topics: Vec<(String, Vec<Seq>)>,
    pub(crate) state: FoldState,
}

impl Payloads for Model {
    fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
        let (kind, payload) = self.palette.payload(self.payloads[seq.get() as usize - 1]);
        let frame = self.frames.partition_point(|(first, _)| *first <= seq) - 1;
        Ok(match self.erased.contains(&frame) {
            true => LoggedPayload::Erased(canonical_digest(kind, &payload)),
            false => LoggedPayload::Sent(kind, payload),
        })
    }

    /// Also of frames that the index has not been given yet, as a log has them in a replay.
    fn arrivals(&self, from: Seq, upto: Seq) -> Option<Vec<LoggedArrival>> {
        let mut read = Vec::new();
        for (number, (first, _)) in self.frames.iter().enumerate() {
            let next = self.frames.get(number + 1);
            let next = next.map_or(self.applied().next(), |(next, _)| *next);
            if next > from && *first <= upto {
                let frame = &self.judged[first.get() as usize - 1..next.get() as usize - 1];
                let there = frame
                    .iter()
                    .filter(|one| one.judged.verdict != Verdict::Lost);
                read.extend(there.map(|one| LoggedArrival {
                    seq: one.judged.seq,
                    key: one.key,
                    payload: one.payload,
                }));
            }
        }
        Some(read)
    }
}

#[cfg(test)]
pub(super) fn arrivals(native: bool, sent: &[Sent]) -> Arrivals {
    arrivals_of(native, sent, &Palette::Numbers)
}

fn arrivals_of(native: bool, sent: &[Sent], palette: &Palette) -> Arrivals {
    let payloads: Vec<Payload> = sent
        .iter()
        .map(|(_, _, payload)| palette.payload(*payload))
        .collect();
    let events: Vec<Event<'_>> = sent
        .iter()
        .zip(&payloads)
        .map(|((topic, id, _), (kind, payload))| Event {
            topic: Cow::Owned(format!("topic {topic}")),
            event_id: Cow::Owned(id.to_string()),
            source: Cow::Borrowed("source"),
            timestamp: None,
            kind: *kind,
            payload,
            attributes: Vec::new(),
        })
        .collect();
    let rule = if native {
        KeyRule::TopicAndId
    } else {
        KeyRule::SourceAndId
    };
    Arrivals::of(rule, &events)
}

impl Model {
    /// One whose payloads are these.
    pub(crate) fn with(palette: Palette) -> Model {
        Model {
            palette,
            ..Model::default()
        }
    }

    pub(crate) fn applied(&self) -> Seq {
        Seq::new(self.judged.len() as u64)
    }

    /// Takes a frame into the log and judges it.
    pub(crate) fn take(&mut self, frame: Frame) {
        self.frames.push((self.applied().next(), frame.clone()));
        match frame {
            Frame::Hole(count) => {
                self.state.take_hole(count);
                for _ in 0..count {
                    self.payloads.push(0);
                    self.push(
                        Verdict::Lost,
                        Seq::ZERO,
                        KeyDigest([0; 16]),
                        PayloadDigest([0; 16]),
                    );
                }
            }
            Frame::Events(native, sent) => {
                let arrivals = arrivals_of(native, &sent, &self.palette);
                for (arrival, (.., payload)) in arrivals.list.iter().zip(sent) {
                    self.payloads.push(payload);
                    let (place, seq) = (self.judged.len(), self.applied().next());
                    let first = *self.first.entry(arrival.key).or_insert(place);
                    let original = Seq::new(first as u64 + 1);
                    let verdict = if first == place {
                        let name = &arrivals.topics[arrival.topic as usize];
                        match self.topics.iter_mut().find(|(known, _)| **known == **name) {
                            Some((_, seqs)) => seqs.push(seq),
                            None => self.topics.push((name.to_string(), vec![seq])),
                        }
                        Verdict::Stored
                    } else if self.palette.are_equal(self.payloads[first], payload) {
                        Verdict::Duplicate
                    } else {
                        Verdict::Conflict
                    };
                    self.push(verdict, original, arrival.key, arrival.payload);
                    let judged = self.judged[place].judged;
                    self.state.take(judged, arrival.key, arrival.payload);
                }
            }
        }
    }

    fn push(
        &mut self,
        verdict: Verdict,
        original_seq: Seq,
        key: KeyDigest,
        payload: PayloadDigest,
    ) {
        let judged = Judged {
            seq: self.applied().next(),
            verdict,
            original_seq,
        };
        self.judged.push(NotStored {
            judged,
            key,
            payload,
        });
    }

    /// Drops the payloads of the frame at this place, if there is one.
    pub(crate) fn erase(&mut self, frame: usize) {
        if let Some((_, Frame::Events(..))) = self.frames.get(frame) {
            self.erased.insert(frame);
        }
    }

    /// Applies all frames that the index has not yet, and checks the verdicts.
    pub(crate) fn replay_into(&self, index: &Index) -> Result<(), IndexError> {
        let from = index.applied();
        assert!(
            from == Seq::ZERO
                || from == self.applied()
                || self.frames.iter().any(|(first, _)| *first == from.next()),
            "the watermark {from} is not on a frame boundary"
        );
        for (place, (first, _)) in self.frames.iter().enumerate() {
            if *first > from {
                self.apply(index, place)?;
            }
        }
        Ok(())
    }

    fn apply(&self, index: &Index, place: usize) -> Result<(), IndexError> {
        let (first, frame) = &self.frames[place];
        let mut arrivals = match frame {
            Frame::Events(native, sent) => Some(arrivals_of(*native, sent, &self.palette)),
            Frame::Hole(_) => None,
        };
        if let (Some(arrivals), Frame::Events(_, sent)) = (&mut arrivals, frame)
            && self.erased.contains(&place)
        {
            let payloads = sent
                .iter()
                .map(|(.., payload)| self.palette.payload(*payload));
            let digests = payloads.map(|(kind, payload)| canonical_digest(kind, &payload));
            arrivals.canonicals = digests.collect();
        }
        let input = match (&arrivals, frame) {
            (Some(arrivals), _) => FoldInput::Arrivals(arrivals),
            (None, Frame::Hole(count)) => FoldInput::Hole(*count),
            (None, Frame::Events(..)) => unreachable!("events have arrivals"),
        };
        let judged = loop {
            match index.apply(*first, input, self) {
                Err(IndexError::DeltaFull) => {
                    index.wait_for_room(input.count(), Duration::from_secs(5))
                }
                other => break other?,
            }
        };
        if arrivals.is_some() {
            let from = first.get() as usize - 1;
            let expected: Vec<Judged> = self.judged[from..from + judged.len()]
                .iter()
                .map(|one| one.judged)
                .collect();
            assert_eq!(judged, expected);
        }
        Ok(())
    }
}

#[cfg(test)]
/// A history with everything in it: repeats, conflicts, topics, holes, both key spaces.
pub(super) fn history(frames: usize) -> Model {
    let mut model = Model::default();
    let mut state = 1u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..frames {
        let frame = match next(12) {
            0 => Frame::Hole(1 + next(9)),
            kind => {
                let events = 1 + next(9);
                let sent = (0..events)
                    .map(|_| (next(5) as u8, next(80) as u16, next(8) as u8 / 6))
                    .collect();
                Frame::Events(kind > 2, sent)
            }
        };
        model.take(frame);
    }
    model
}
