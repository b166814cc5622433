//! What the index must answer, computed in the most naive way.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use super::super::digest::{KeyDigest, PayloadDigest};
use super::super::fold::{
    Arrivals, Counters, FoldInput, FoldState, Judged, LoggedArrival, LoggedPayload,
    PayloadUnreadable, Payloads, Verdict,
};
use super::super::{Index, IndexError, NotStored, Order};
pub(super) use super::tiny::{open, tiny_options, tiny_shape};
use crate::event::{Event, KeyRule, PayloadKind, Seq};

pub(super) const LOG: [u8; 16] = [7; 16];

/// One event: topic, id, payload.
pub(super) type Sent = (u8, u16, u8);

/// One frame.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    Events(bool, Vec<Sent>),
    Hole(u64),
}

/// The log and all verdicts, in memory.
#[derive(Default)]
pub(super) struct Model {
    pub(super) frames: Vec<(Seq, Frame)>,
    payloads: Vec<String>,
    first: HashMap<KeyDigest, usize>,
    pub(super) judged: Vec<NotStored>,
    pub(super) topics: Vec<(String, Vec<Seq>)>,
    pub(super) state: FoldState,
}

impl Payloads for Model {
    fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
        let payload = &self.payloads[seq.get() as usize - 1];
        Ok(LoggedPayload::Sent(
            PayloadKind::Json,
            payload.clone().into_bytes(),
        ))
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

pub(super) fn arrivals(native: bool, sent: &[Sent]) -> (Arrivals, Vec<String>) {
    let payloads: Vec<String> = sent
        .iter()
        .map(|(_, _, payload)| payload.to_string())
        .collect();
    let events: Vec<Event<'_>> = sent
        .iter()
        .zip(&payloads)
        .map(|((topic, id, _), payload)| Event {
            topic: Cow::Owned(format!("topic {topic}")),
            event_id: Cow::Owned(id.to_string()),
            source: Cow::Borrowed("source"),
            timestamp: None,
            kind: PayloadKind::Json,
            payload: payload.as_bytes(),
            attributes: Vec::new(),
        })
        .collect();
    let rule = if native {
        KeyRule::TopicAndId
    } else {
        KeyRule::SourceAndId
    };
    let arrivals = Arrivals::of(rule, &events);
    drop(events);
    (arrivals, payloads)
}

impl Model {
    pub(super) fn applied(&self) -> Seq {
        Seq::new(self.judged.len() as u64)
    }

    /// Takes a frame into the log and judges it.
    pub(super) fn take(&mut self, frame: Frame) {
        self.frames.push((self.applied().next(), frame.clone()));
        match frame {
            Frame::Hole(count) => {
                self.state.take_hole(count);
                for _ in 0..count {
                    self.payloads.push(String::new());
                    self.push(
                        Verdict::Lost,
                        Seq::ZERO,
                        KeyDigest([0; 16]),
                        PayloadDigest([0; 16]),
                    );
                }
            }
            Frame::Events(native, sent) => {
                let (arrivals, payloads) = arrivals(native, &sent);
                for (arrival, payload) in arrivals.list.iter().zip(payloads) {
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
                    } else if self.payloads[first] == self.payloads[place] {
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

    /// Applies all frames that the index has not yet, and checks the verdicts.
    pub(super) fn replay_into(&self, index: &Index) -> Result<(), IndexError> {
        let from = index.applied();
        assert!(
            from == Seq::ZERO
                || from == self.applied()
                || self.frames.iter().any(|(first, _)| *first == from.next()),
            "the watermark {from} is not on a frame boundary"
        );
        for (first, frame) in self.frames.iter().filter(|(first, _)| *first > from) {
            self.apply(index, *first, frame)?;
        }
        Ok(())
    }

    fn apply(&self, index: &Index, first: Seq, frame: &Frame) -> Result<(), IndexError> {
        let arrivals = match frame {
            Frame::Events(native, sent) => Some(arrivals(*native, sent).0),
            Frame::Hole(_) => None,
        };
        let input = match (&arrivals, frame) {
            (Some(arrivals), _) => FoldInput::Arrivals(arrivals),
            (None, Frame::Hole(count)) => FoldInput::Hole(*count),
            (None, Frame::Events(..)) => unreachable!("events have arrivals"),
        };
        let judged = loop {
            match index.apply(first, input, self) {
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

    /// Asks the index everything. An error is passed on, a wrong answer panics.
    pub(super) fn compare(&self, index: &Index) -> Result<(), IndexError> {
        self.compare_upto(index, self.applied(), self.state)
    }

    fn compare_upto(
        &self,
        index: &Index,
        applied: Seq,
        state: FoldState,
    ) -> Result<(), IndexError> {
        assert_eq!(index.state(), state);
        assert_eq!(index.applied(), applied);
        let all: Vec<Judged> = self.judged.iter().map(|one| one.judged).collect();
        assert_eq!(index.verdicts(Seq::FIRST, Seq::new(u64::MAX))?, all);
        self.compare_keys(index)?;
        let end = applied.get();
        for (after, upto) in [
            (0, u64::MAX),
            (end / 3, end / 2),
            (end / 2, end - end / 9),
            (end, end),
            (5, 4),
        ] {
            for (order, limit) in [
                (Order::Ascending, usize::MAX),
                (Order::Descending, usize::MAX),
                (Order::Ascending, 3),
                (Order::Descending, 3),
                (Order::Ascending, 0),
            ] {
                self.compare_window(index, Seq::new(after), Seq::new(upto), order, limit)?;
            }
        }
        let topics = index.topics(0, usize::MAX);
        let counts: Vec<(&str, usize, Seq)> = self
            .topics
            .iter()
            .map(|(name, seqs)| (name.as_str(), seqs.len(), seqs[0]))
            .collect();
        let found: Vec<(&str, usize, Seq)> = topics
            .iter()
            .map(|topic| (&*topic.name, topic.stored as usize, topic.first_seq))
            .collect();
        assert_eq!(found, counts);
        assert!(topics.iter().zip(1..).all(|(topic, no)| topic.no == no));
        assert_eq!(index.topics_total(), self.topics.len() as u64);
        let mut names: Vec<Box<str>> = counts.iter().map(|(name, ..)| (*name).into()).collect();
        names.push("nobody's".into());
        let census = index.topic_census(&names);
        assert_eq!(census.unknown, [names.len() - 1]);
        assert_eq!(
            (census.total, census.applied),
            (self.topics.len() as u64, index.applied())
        );
        Ok(())
    }

    fn compare_keys(&self, index: &Index) -> Result<(), IndexError> {
        for (key, place) in &self.first {
            let first = index.first_of(*key)?.expect("a stored key is known");
            assert_eq!(first.seq, Seq::new(*place as u64 + 1));
            assert_eq!(first.payload, self.judged[*place].payload);
            let mut other = *key;
            other.0[15] ^= 1;
            assert_eq!(index.first_of(other)?, None);
        }
        Ok(())
    }

    fn compare_window(
        &self,
        index: &Index,
        after: Seq,
        upto: Seq,
        order: Order,
        limit: usize,
    ) -> Result<(), IndexError> {
        let inside = |seq: &Seq| *seq > after && *seq <= upto;
        for (name, seqs) in &self.topics {
            let found = index.topic_seqs(name, after, upto, order, limit)?;
            let expected = in_order(seqs.iter().copied().filter(inside).collect(), order, limit);
            assert_eq!(found, Some(expected), "{name} in ({after}, {upto}]");
        }
        assert_eq!(
            index.topic_seqs("nobody's", after, upto, order, limit)?,
            None
        );
        for only in [
            None,
            Some(Verdict::Duplicate),
            Some(Verdict::Conflict),
            Some(Verdict::Lost),
        ] {
            let found = index.not_stored(after, upto, order, limit, only)?;
            let wanted = |one: &&NotStored| {
                let verdict = one.judged.verdict;
                inside(&one.judged.seq)
                    && verdict != Verdict::Stored
                    && only.is_none_or(|only| verdict == only)
            };
            let expected = in_order(
                self.judged.iter().filter(wanted).copied().collect(),
                order,
                limit,
            );
            assert_eq!(found, expected, "{only:?} in ({after}, {upto}]");
        }
        Ok(())
    }

    /// Counted from the list of verdicts, without the fold.
    pub(super) fn counted(&self) -> Counters {
        let count = |verdict| {
            self.judged
                .iter()
                .filter(|one| one.judged.verdict == verdict)
                .count() as u64
        };
        Counters {
            unique: count(Verdict::Stored),
            duplicates: count(Verdict::Duplicate) + count(Verdict::Conflict),
            conflicts: count(Verdict::Conflict),
            lost: count(Verdict::Lost),
        }
    }
}

fn in_order<T>(mut all: Vec<T>, order: Order, limit: usize) -> Vec<T> {
    if order == Order::Descending {
        all.reverse();
    }
    all.truncate(limit);
    all
}

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
