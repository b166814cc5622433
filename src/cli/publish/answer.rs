//! What an answer means for the batch that was sent.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderName, LOCATION, RETRY_AFTER};
use serde::{Deserialize, Deserializer};

use crate::cli::client::Answer;
use crate::index::fold::Verdict;

const LOG_ID: HeaderName = HeaderName::from_static("oncelog-log-id");

/// However long a server asks to be left alone, it is asked again after this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Codes of faults in the request as such, which other events would not change.
const NOT_THE_EVENTS: [&str; 2] = ["malformed_request", "invalid_query"];

/// What to do.
#[derive(Debug)]
pub(super) enum Meaning {
    /// Durable and judged.
    Judged(Acknowledgement),
    /// Durable; the verdicts are to be had at this path.
    Pending(Acknowledgement, String),
    /// The same again, after this time at least.
    Again {
        reason: String,
        least_wait: Duration,
    },
    /// None of these events was taken: for good, or because of others among them.
    Refused(Problem),
    /// It concerns every batch.
    Stop(Hindrance),
    /// No store said this, but something in its place: the wrong address, or a proxy whose
    /// store is away for a while.
    Foreign(Hindrance, Duration),
}

/// What stands in the way of all batches.
#[derive(Debug)]
pub(super) struct Hindrance {
    pub(super) status: u16,
    /// The server's name for it, and its words; empty if it has none.
    pub(super) code: String,
    pub(super) detail: String,
}

/// The answer to a batch that was taken.
#[derive(Debug, Deserialize)]
pub(super) struct Acknowledgement {
    pub(super) received: u64,
    pub(super) unique: u64,
    /// Conflicts among them.
    pub(super) duplicates: u64,
    pub(super) conflicts: u64,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    pub(super) receipts: Vec<Receipt>,
    /// Why events were left out: the first errors.
    #[serde(default)]
    pub(super) refused: Vec<EventFault>,
    /// All that were left out.
    #[serde(default)]
    pub(super) refused_indexes: Vec<usize>,
}

/// What became of one event.
#[derive(Debug, Deserialize)]
pub(super) struct Receipt {
    pub(super) index: usize,
    #[serde(deserialize_with = "verdict_or_pending")]
    pub(super) verdict: Option<Verdict>,
    pub(super) seq: u64,
    pub(super) original_seq: Option<u64>,
    /// This and the two that follow only if all receipts were asked for.
    #[serde(default)]
    pub(super) topic: String,
    #[serde(default)]
    pub(super) event_id: String,
    #[serde(default)]
    pub(super) payload_digest: String,
}

/// A verdict as `GET /receipts` tells it.
#[derive(Debug, Deserialize)]
pub(super) struct JudgedSeq {
    pub(super) seq: u64,
    pub(super) verdict: Verdict,
    pub(super) original_seq: Option<u64>,
}

/// What is wrong with one event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct EventFault {
    pub(super) index: Option<usize>,
    pub(super) code: String,
    pub(super) detail: String,
}

/// An error's document, as only a store writes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) detail: String,
    /// Gateways have a code and a detail too, but not this.
    pub(super) retry: String,
    #[serde(default)]
    pub(super) errors: Vec<EventFault>,
}

impl Acknowledgement {
    /// Whether it can be the answer to so many events.
    fn is_of(&self, sent: usize) -> bool {
        let seqs = self.last_seq.checked_sub(self.first_seq);
        self.received > 0
            && seqs == Some(self.received - 1)
            && self.received as usize + self.refused_indexes.len() == sent
            && self.refused_indexes.iter().all(|&index| index < sent)
            && self.receipts.iter().all(|receipt| receipt.index < sent)
    }

    /// Puts in the verdicts of all its seqs, which must be those.
    pub(super) fn judge(&mut self, judged: &[JudgedSeq]) -> Option<()> {
        let is_whole = judged.len() == self.receipts.len()
            && judged.len() as u64 == self.received
            && !judged.iter().any(|one| one.verdict == Verdict::Lost);
        if !is_whole {
            return None;
        }
        for (receipt, judged) in self.receipts.iter_mut().zip(judged) {
            if receipt.seq != judged.seq {
                return None;
            }
            receipt.verdict = Some(judged.verdict);
            receipt.original_seq = judged.original_seq;
        }
        let count = |verdict| judged.iter().filter(|one| one.verdict == verdict).count() as u64;
        self.unique = count(Verdict::Stored);
        self.conflicts = count(Verdict::Conflict);
        self.duplicates = count(Verdict::Duplicate) + self.conflicts;
        Some(())
    }
}

/// The log that answers, if the answer names it.
pub(super) fn log_id(answer: &Answer) -> Option<&str> {
    answer.headers.get(LOG_ID)?.to_str().ok()
}

/// What the answer to so many events means.
pub(super) fn meaning(answer: &Answer, sent: usize) -> Meaning {
    match answer.status {
        StatusCode::OK | StatusCode::ACCEPTED => acknowledged(answer, sent),
        _ => not_taken(answer),
    }
}

fn acknowledged(answer: &Answer, sent: usize) -> Meaning {
    let read: Option<Acknowledgement> = serde_json::from_slice(&answer.body).ok();
    let read = read.filter(|read| read.is_of(sent));
    match (read, log_id(answer)) {
        (Some(read), Some(_)) if answer.status == StatusCode::OK => Meaning::Judged(read),
        (Some(read), Some(_)) => {
            let at = answer.headers.get(LOCATION);
            let at = at.and_then(|at| at.to_str().ok()).map(str::to_owned);
            let path = at.filter(|at| at.starts_with('/')).unwrap_or_else(|| {
                format!("/receipts?from={}&to={}", read.first_seq, read.last_seq)
            });
            Meaning::Pending(read, path)
        }
        (None, Some(_)) => again("an answer that is not understood", answer),
        (_, None) => foreign(answer, "the answer names no log: this is no oncelog"),
    }
}

/// What an answer means that acknowledges nothing.
pub(super) fn not_taken(answer: &Answer) -> Meaning {
    let status = answer.status.as_u16();
    let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
    if let Some(problem) = &problem
        && problem.retry == "same_ids"
    {
        return again(&format!("{status} {}", problem.code), answer);
    }
    match (status, problem) {
        (408 | 425 | 429, _) | (500 | 502..=504 | 506..=599, None) => {
            again(&format!("status {status}"), answer)
        }
        (400 | 413 | 422, Some(problem)) if !NOT_THE_EVENTS.contains(&problem.code.as_str()) => {
            Meaning::Refused(problem)
        }
        // Something before the store has a limit of its own.
        (413, None) => Meaning::Refused(Problem {
            code: "body_too_large".into(),
            detail: "answered 413".into(),
            retry: String::new(),
            errors: Vec::new(),
        }),
        (_, Some(Problem { code, detail, .. })) => Meaning::Stop(Hindrance {
            status,
            code,
            detail,
        }),
        (_, None) if answer.status.is_success() => {
            foreign(answer, "this is no answer of an oncelog")
        }
        (_, None) => foreign(answer, ""),
    }
}

fn foreign(answer: &Answer, detail: &str) -> Meaning {
    let hindrance = Hindrance {
        status: answer.status.as_u16(),
        code: String::new(),
        detail: detail.to_owned(),
    };
    Meaning::Foreign(hindrance, retry_after(answer))
}

fn again(reason: &str, answer: &Answer) -> Meaning {
    Meaning::Again {
        reason: reason.to_owned(),
        least_wait: retry_after(answer),
    }
}

/// The least wait that the server asks for, within reason; zero if none.
pub(super) fn retry_after(answer: &Answer) -> Duration {
    let seconds = answer.headers.get(RETRY_AFTER);
    let seconds = seconds.and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0)).min(RETRY_AFTER_MAX)
}

/// The verdicts in an answer of `GET /receipts`.
pub(super) fn verdicts(answer: &Answer) -> Option<Vec<JudgedSeq>> {
    #[derive(Deserialize)]
    struct Receipts {
        receipts: Vec<JudgedSeq>,
    }
    let read: Receipts = serde_json::from_slice(&answer.body).ok()?;
    Some(read.receipts)
}

fn verdict_or_pending<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Verdict>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Pending,
        #[serde(untagged)]
        Verdict(Verdict),
    }
    Ok(match Word::deserialize(from)? {
        Word::Pending => None,
        Word::Verdict(verdict) => Some(verdict),
    })
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
