//! Compares a store with what publishers did, by a model so naive that it can be believed.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::history::{Attempt, Figures, Logged, Mark, Outcome, Told};

/// What must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the fields are for who reads the failure")]
pub(crate) enum Violation {
    /// The seqs do not run 1, 2, 3 ….
    Hole { due: u64, found: u64 },
    /// An event, or its bytes, that nobody sent there.
    NotSent { seq: u64 },
    /// A part of a batch.
    HalfBatch { mark: Mark, seq: u64 },
    /// A request that was kept twice.
    Doubled { mark: Mark },
    /// A publisher's batches in another order than sent.
    OutOfOrder { first: Mark, then: Mark },
    /// Refused as not written, and there.
    KeptThoughRefused { mark: Mark },
    /// Acknowledged, and not there.
    LostAck { mark: Mark },
    /// Acknowledged, and not where or what it was said to be.
    NotAsTold { mark: Mark, seq: u64 },
    /// Not the verdict of the model.
    WrongVerdict { expected: Told, found: Told },
    /// A counter that is not what the log amounts to.
    WrongFigures { expected: Figures, found: Figures },
    /// A batch that was never acknowledged though it was repeated to the end.
    NeverAcknowledged { mark: Mark },
}

/// Checks everything; `log` is the whole of it in order.
pub(crate) fn check(log: &[Logged], attempts: &[Attempt], figures: Figures) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_seqs(log, &mut violations);
    check_verdicts(log, figures, &mut violations);
    let places = check_batches(log, attempts, &mut violations);
    check_acknowledged(log, attempts, &places, &mut violations);
    violations
}

/// Checks that publishers who repeated every batch until it was taken got there.
#[allow(
    dead_code,
    reason = "not every test binary that has it settles what was begun"
)]
pub(crate) fn check_settled(attempts: &[Attempt]) -> Vec<Violation> {
    let name = |mark: Mark| (mark.publisher, mark.batch);
    let settled: HashSet<_> = attempts
        .iter()
        .filter(|attempt| attempt.outcome.is_acknowledged())
        .map(|attempt| name(attempt.mark))
        .collect();
    attempts
        .iter()
        .filter(|attempt| attempt.mark.attempt == 0 && !settled.contains(&name(attempt.mark)))
        .map(|attempt| Violation::NeverAcknowledged { mark: attempt.mark })
        .collect()
}

fn check_seqs(log: &[Logged], violations: &mut Vec<Violation>) {
    for (due, logged) in (1..).zip(log) {
        let found = logged.told.seq;
        if found != due {
            violations.push(Violation::Hole { due, found });
            return;
        }
    }
}

/// The model: the first event with a key is kept, for ever.
fn check_verdicts(log: &[Logged], found: Figures, violations: &mut Vec<Violation>) {
    let mut first: HashMap<(&str, &str), &Logged> = HashMap::new();
    let mut expected = Figures {
        received: log.len() as u64,
        unique: 0,
        duplicates: 0,
        conflicts: 0,
        lost: 0,
        pending: 0,
    };
    for logged in log {
        let key = (logged.sent.topic.as_str(), logged.sent.event_id.as_str());
        let original = *first.entry(key).or_insert(logged);
        let verdict = if std::ptr::eq(original, logged) {
            expected.unique += 1;
            "stored"
        } else {
            expected.duplicates += 1;
            if same_json(&original.sent.payload, &logged.sent.payload) {
                "duplicate"
            } else {
                expected.conflicts += 1;
                "conflict"
            }
        };
        let told = Told {
            seq: logged.told.seq,
            verdict: verdict.to_owned(),
            original_seq: Some(original.told.seq),
        };
        if told != logged.told {
            violations.push(Violation::WrongVerdict {
                expected: told,
                found: logged.told.clone(),
            });
        }
    }
    if expected != found {
        violations.push(Violation::WrongFigures { expected, found });
    }
}

/// The payloads of these tests hold no number that a float would round.
fn same_json(a: &str, b: &str) -> bool {
    let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    a == b || value(a) == value(b)
}

/// Where each request's events begin in the log, for those that are there.
fn check_batches(
    log: &[Logged],
    attempts: &[Attempt],
    violations: &mut Vec<Violation>,
) -> HashMap<Mark, usize> {
    let sent: HashMap<Mark, &Attempt> = attempts.iter().map(|a| (a.mark, a)).collect();
    assert_eq!(sent.len(), attempts.len(), "marks are unique");
    let mut places = HashMap::new();
    let mut latest: HashMap<u32, Mark> = HashMap::new();
    let mut batches = HashSet::new();
    let mut at = 0;
    while let Some(head) = log.get(at) {
        let run = log[at..]
            .iter()
            .take_while(|logged| logged.source == head.source)
            .count();
        let attempt = Mark::parse(&head.source).and_then(|mark| sent.get(&mark));
        let Some(attempt) = attempt else {
            violations.push(Violation::NotSent { seq: head.told.seq });
            at += run;
            continue;
        };
        let mark = attempt.mark;
        let run = run.min(attempt.events.len());
        if run < attempt.events.len() {
            let seq = head.told.seq;
            violations.push(Violation::HalfBatch { mark, seq });
        } else {
            let altered = log[at..at + run]
                .iter()
                .zip(attempt.events.iter())
                .find(|(logged, sent)| logged.sent != **sent);
            if let Some((logged, _)) = altered {
                let seq = logged.told.seq;
                violations.push(Violation::NotSent { seq });
            }
        }
        if places.insert(mark, at).is_some() {
            violations.push(Violation::Doubled { mark });
        }
        let is_there = !batches.insert((mark.publisher, mark.batch));
        let latest = latest.entry(mark.publisher).or_insert(mark);
        // A request that nobody answered may have been on its way all the time. Where its batch was
        // taken from another one before, it changes no order.
        let is_late = is_there && matches!(attempt.outcome, Outcome::Unknown);
        if *latest <= mark {
            *latest = mark;
        } else if !is_late {
            let first = std::mem::replace(latest, mark);
            violations.push(Violation::OutOfOrder { first, then: mark });
        }
        at += run;
    }
    places
}

fn check_acknowledged(
    log: &[Logged],
    attempts: &[Attempt],
    places: &HashMap<Mark, usize>,
    violations: &mut Vec<Violation>,
) {
    for attempt in attempts {
        let mark = attempt.mark;
        if matches!(attempt.outcome, Outcome::Refused(_)) && places.contains_key(&mark) {
            violations.push(Violation::KeptThoughRefused { mark });
        }
        let Some(first_seq) = attempt.outcome.first_seq() else {
            continue;
        };
        let Some(&place) = places.get(&mark) else {
            violations.push(Violation::LostAck { mark });
            continue;
        };
        if log[place].told.seq != first_seq {
            let seq = first_seq;
            violations.push(Violation::NotAsTold { mark, seq });
            continue;
        }
        if let Outcome::Judged(told) = &attempt.outcome {
            let kept = log[place..].iter().map(|logged| &logged.told);
            if let Some((told, _)) = told.iter().zip(kept).find(|(told, kept)| told != kept) {
                let seq = told.seq;
                violations.push(Violation::NotAsTold { mark, seq });
            }
        }
    }
}
