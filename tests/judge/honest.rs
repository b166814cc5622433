//! A history as an honest store makes it, for tests to damage.

use std::collections::HashMap;

use crate::checker::{Violation, check};
use crate::history::{Attempt, Figures, Logged, Mark, Outcome, Sent, Span, Told};

/// A history: three publishers, four batches of three events each by turns, of which every
/// second is answered, the others are unknown and were repeated.
pub(crate) struct History {
    pub(crate) log: Vec<Logged>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) figures: Figures,
}

pub(crate) const BATCH: usize = 3;

pub(crate) fn honest() -> History {
    let mut history = History {
        log: Vec::new(),
        attempts: Vec::new(),
        figures: Figures {
            received: 0,
            unique: 0,
            duplicates: 0,
            conflicts: 0,
            lost: 0,
            pending: 0,
        },
    };
    for batch in 0..4 {
        for publisher in 0..3 {
            let events: Vec<Sent> = (0..BATCH)
                .map(|place| sent(publisher, batch, place))
                .collect();
            if batch % 2 == 1 {
                history.send(publisher, batch, 0, &events, Fate::KeptAndUnknown);
                history.send(publisher, batch, 1, &events, Fate::Gone);
                history.send(publisher, batch, 2, &events, Fate::Durable);
            } else {
                history.send(publisher, batch, 0, &events, Fate::Judged);
            }
        }
    }
    history.judge();
    history
}

/// The last event of each batch repeats the first id of the publisher: with another payload
/// in batch 3, the same otherwise.
pub(crate) fn sent(publisher: u32, batch: u32, place: usize) -> Sent {
    let is_repeated = place == BATCH - 1;
    let id = if is_repeated {
        0
    } else {
        batch * 10 + place as u32
    };
    let is_other = is_repeated && batch == 3;
    Sent {
        topic: "t".to_owned(),
        event_id: format!("{publisher}-{id}"),
        payload: format!(r#"{{"id":{id},"other":{is_other}}}"#),
    }
}

#[derive(Copy, Clone)]
pub(crate) enum Fate {
    Judged,
    Durable,
    KeptAndUnknown,
    Gone,
}

impl History {
    pub(crate) fn send(
        &mut self,
        publisher: u32,
        batch: u32,
        attempt: u32,
        events: &[Sent],
        fate: Fate,
    ) {
        let mark = Mark {
            publisher,
            batch,
            attempt,
        };
        let first_seq = self.log.len() as u64 + 1;
        if !matches!(fate, Fate::Gone) {
            self.log.extend(events.iter().map(|sent| Logged {
                sent: sent.clone(),
                source: mark.to_string(),
                told: Told {
                    seq: 0,
                    verdict: String::new(),
                    original_seq: None,
                },
            }));
        }
        let outcome = match fate {
            Fate::Judged => Outcome::Judged(Vec::new()),
            Fate::Durable => Outcome::Durable { first_seq },
            Fate::KeptAndUnknown | Fate::Gone => Outcome::Unknown,
        };
        self.attempts.push(Attempt {
            mark,
            events: events.into(),
            outcome,
            span: Span::default(),
        });
    }

    /// Makes seqs, verdicts, receipts and figures agree with the events as they stand now: a
    /// store that damages its log and is consistent in it.
    pub(crate) fn judge(&mut self) {
        let mut first: HashMap<String, (u64, String)> = HashMap::new();
        let figures = &mut self.figures;
        (figures.unique, figures.duplicates, figures.conflicts) = (0, 0, 0);
        for (seq, logged) in (1..).zip(&mut self.log) {
            let (original, payload) = first
                .entry(logged.sent.event_id.clone())
                .or_insert_with(|| (seq, logged.sent.payload.clone()));
            let verdict = if *original == seq {
                figures.unique += 1;
                "stored"
            } else if *payload == logged.sent.payload {
                figures.duplicates += 1;
                "duplicate"
            } else {
                figures.duplicates += 1;
                figures.conflicts += 1;
                "conflict"
            };
            logged.told = Told {
                seq,
                verdict: verdict.to_owned(),
                original_seq: Some(*original),
            };
        }
        figures.received = self.log.len() as u64;
        for attempt in &mut self.attempts {
            let source = attempt.mark.to_string();
            let kept = self.log.iter().filter(|logged| logged.source == source);
            let kept: Vec<Told> = kept.map(|logged| logged.told.clone()).collect();
            match (&mut attempt.outcome, kept.first()) {
                (Outcome::Judged(told), Some(_)) => *told = kept,
                (Outcome::Durable { first_seq }, Some(first)) => *first_seq = first.seq,
                _ => {}
            }
        }
    }

    pub(crate) fn range(&self, publisher: u32, batch: u32, attempt: u32) -> std::ops::Range<usize> {
        let mark = Mark {
            publisher,
            batch,
            attempt,
        };
        let source = mark.to_string();
        let start = self.log.iter().position(|logged| logged.source == source);
        let start = start.expect("kept");
        start..start + BATCH
    }

    pub(crate) fn check(&self) -> Vec<Violation> {
        check(&self.log, &self.attempts, self.figures)
    }
}
