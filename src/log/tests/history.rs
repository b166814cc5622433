//! What was published, what was said about it, and the judge: whether a log that was opened
//! again holds what it must hold.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::event::{Batch, Event, EventLimits, KeyRule, PayloadKind, Seq};
use crate::log::codec::encode_events;
use crate::log::format::FrameType;
use crate::log::frame::PreparedPayload;
use crate::log::storage::simulated::Rng;
use crate::log::{LiveLog, LogError, PreparedBatch};

/// What a publisher knows about a batch.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Durable, its first event with this seq.
    Acknowledged(Seq),
    /// All of it may be there, or nothing.
    Unknown,
    /// Nothing of it is there.
    NotWritten,
    /// Nothing of it is there: there was no room.
    NoRoom,
}

#[derive(Clone, Debug)]
struct Sent {
    payload: Vec<u8>,
    count: u32,
    outcome: Outcome,
    answered: bool,
}

/// What a log did that it must not do.
#[derive(Debug)]
#[expect(dead_code, reason = "the fields are what a failing test prints")]
pub(super) enum Violation {
    /// It does not open.
    Refused(LogError),
    /// It cannot be read.
    Unreadable(LogError),
    /// Seqs are not 1, 2, 3 …
    Chain { due: Seq, found: Seq },
    /// A frame that nobody sent, or not so.
    Altered { seq: Seq },
    /// A batch stands elsewhere than was said, or twice, or was said not to be there.
    Misplaced {
        ticket: usize,
        seq: Seq,
        outcome: Outcome,
    },
    /// An acknowledged batch is gone.
    Lost { ticket: usize, seq: Seq },
    /// What is said to be durable is not what can be read.
    Watermark {
        durable: Seq,
        next_seq: Seq,
        due: Seq,
    },
}

/// Everything that was ever published to one log, over all its lives.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    sent: Vec<Sent>,
}

impl History {
    /// One more batch, unlike all others. Its outcome is unknown for now.
    pub(super) fn next_batch(&mut self, events: u32, bytes: usize) -> (usize, PreparedBatch) {
        let ticket = self.sent.len();
        let payload = batch_payload(ticket as u64, events, bytes);
        self.sent.push(Sent {
            payload: payload.clone(),
            count: events,
            outcome: Outcome::Unknown,
            answered: false,
        });
        let batch = PreparedBatch {
            payload: PreparedPayload::new(payload),
            key_rule: KeyRule::TopicAndId,
            count: events,
        };
        (ticket, batch)
    }

    /// What its publisher was told.
    pub(super) fn settle(&mut self, ticket: usize, outcome: Outcome) {
        let sent = &mut self.sent[ticket];
        assert!(!sent.answered, "a batch has one answer");
        (sent.outcome, sent.answered) = (outcome, true);
    }

    /// Whether its publisher was told anything.
    pub(super) fn is_answered(&self, ticket: usize) -> bool {
        self.sent[ticket].answered
    }

    /// What is known about it.
    pub(super) fn outcome(&self, ticket: usize) -> Outcome {
        self.sent[ticket].outcome
    }

    /// The last seq that was acknowledged; zero for none.
    pub(super) fn last_acknowledged(&self) -> Seq {
        let lasts = self.sent.iter().filter_map(|sent| match sent.outcome {
            Outcome::Acknowledged(first) => Some(first.plus(u64::from(sent.count)).previous()),
            _ => None,
        });
        lasts.max().unwrap_or(Seq::ZERO)
    }

    /// The batches that are in the log, in order: first seq, payload.
    pub(super) fn in_order(&self) -> Vec<(Seq, &[u8])> {
        let placed = self.sent.iter().filter_map(|sent| match sent.outcome {
            Outcome::Acknowledged(first) => Some((first, &sent.payload[..])),
            _ => None,
        });
        let mut placed: Vec<_> = placed.collect();
        placed.sort_unstable();
        placed
    }

    /// Holds a log against all that was published: each acknowledged batch stands whole at
    /// its seqs, byte for byte; one of unknown outcome is there whole or not at all; nothing
    /// else is there; seqs are 1, 2, 3 … up to the end.
    ///
    /// What was unknown is decided by this: readers may have seen it.
    pub(super) fn judge(&mut self, live: &Arc<LiveLog>, next_seq: Seq) -> Result<(), Violation> {
        let by_payload: HashMap<&[u8], usize> = self
            .sent
            .iter()
            .enumerate()
            .map(|(ticket, sent)| (&sent.payload[..], ticket))
            .collect();
        let mut found: HashMap<usize, Seq> = HashMap::new();
        let mut due = Seq::FIRST;
        let mut frames = live.frames(Seq::FIRST, Seq::new(u64::MAX));
        while let Some(frame) = frames.next_frame().map_err(Violation::Unreadable)? {
            let seq = frame.header.first_seq;
            if seq != due {
                return Err(Violation::Chain { due, found: seq });
            }
            let events = frames.events(&frame).map_err(Violation::Unreadable)?;
            let ticket = match by_payload.get(frames.payload()) {
                Some(ticket)
                    if frame.frame_type == Some(FrameType::Events)
                        && frame.header.count == self.sent[*ticket].count
                        && events.len() == frame.header.count as usize =>
                {
                    *ticket
                }
                _ => return Err(Violation::Altered { seq }),
            };
            let outcome = self.sent[ticket].outcome;
            let may_be_here = match outcome {
                Outcome::Acknowledged(first) => first == seq,
                Outcome::Unknown => true,
                Outcome::NotWritten | Outcome::NoRoom => false,
            };
            if !may_be_here || found.insert(ticket, seq).is_some() {
                return Err(Violation::Misplaced {
                    ticket,
                    seq,
                    outcome,
                });
            }
            due = frame.header.next_seq();
        }
        let durable = live.durable();
        if next_seq != due || durable.next() != due {
            return Err(Violation::Watermark {
                durable,
                next_seq,
                due,
            });
        }
        for (ticket, sent) in self.sent.iter().enumerate() {
            if let Outcome::Acknowledged(seq) = sent.outcome
                && !found.contains_key(&ticket)
            {
                return Err(Violation::Lost { ticket, seq });
            }
        }
        for (ticket, sent) in self.sent.iter_mut().enumerate() {
            sent.answered = true;
            if sent.outcome == Outcome::Unknown {
                sent.outcome = match found.get(&ticket) {
                    Some(seq) => Outcome::Acknowledged(*seq),
                    None => Outcome::NotWritten,
                };
            }
        }
        Ok(())
    }
}

/// What a batch of so many events, each with a payload of so many bytes, is in the log.
fn batch_payload(seed: u64, events: u32, bytes: usize) -> Vec<u8> {
    let mut chance = Rng::new(seed);
    let payloads: Vec<String> = (0..events)
        .map(|_| {
            let letters = (0..bytes).map(|_| char::from(b'a' + chance.below(26) as u8));
            format!("\"{}\"", letters.collect::<String>())
        })
        .collect();
    let events = payloads.iter().enumerate().map(|(place, payload)| Event {
        topic: Cow::Borrowed("t"),
        event_id: Cow::Owned(format!("{seed}-{place}")),
        source: Cow::Borrowed(""),
        timestamp: None,
        kind: PayloadKind::Json,
        payload: payload.as_bytes(),
        attributes: Vec::new(),
    });
    let limits = EventLimits::default();
    let batch = Batch::new(KeyRule::TopicAndId, events.collect(), &limits);
    encode_events(&batch.expect("these events are valid")).expect("it is small")
}
