//! 202: the events are durable, and their verdicts are still to be asked for. Publishing
//! them again would answer that too, but would add duplicates.

use std::time::Duration;

use hyper::StatusCode;

use super::answer::{Acknowledgement, Meaning, log_id, not_taken, retry_after, verdicts};
use super::publisher::{Ended, Publisher};
use crate::cli::client::Answer;

/// What a verdict takes in an answer, at most, and what stands around.
const VERDICT_BYTES_MAX: usize = 128;
const ANSWER_BYTES_BASE: usize = 64 << 10;
/// The code that says that no event has such a seq.
const UNKNOWN_SEQ: &str = "unknown_seq";

const PENDING: &str = "verdicts; the events are durable";

/// What asking for verdicts gave.
enum Asked {
    /// These.
    Judged(Acknowledgement),
    /// Nobody knows them any more.
    Unknown,
    /// Not yet: why, and how long to wait at least.
    NotYet(Acknowledgement, String, Duration),
}

impl Publisher {
    /// Asks until there are verdicts. `None` if there is nobody to ask any more: another log
    /// answers, or this one knows nothing of these events.
    pub(super) async fn verdicts(
        &mut self,
        mut pending: Acknowledgement,
        path: &str,
        promise: &Answer,
    ) -> Result<Option<Acknowledgement>, Ended> {
        self.tally.pending = pending.received;
        // That takes a moment whenever the index is behind, which is nothing to be told.
        self.retry
            .wait_in_turn(PENDING, retry_after(promise))
            .await?;
        let bytes_max = ANSWER_BYTES_BASE + pending.received as usize * VERDICT_BYTES_MAX;
        loop {
            let asked = self.client.get(path, bytes_max);
            let asked = match self.retry.attempt(asked).await? {
                Ok(answer) => {
                    self.look_at_log(&answer);
                    self.read(pending, &answer, promise)?
                }
                Err(no_answer) => {
                    Asked::NotYet(pending, self.unanswered(&no_answer), Duration::ZERO)
                }
            };
            match asked {
                Asked::NotYet(same, reason, least_wait) => {
                    self.wait(&reason, least_wait).await?;
                    pending = same;
                }
                Asked::Judged(judged) => return Ok(Some(judged)),
                Asked::Unknown => {
                    self.tally.pending = 0;
                    return Ok(None);
                }
            }
        }
    }

    fn read(
        &self,
        mut pending: Acknowledgement,
        answer: &Answer,
        promise: &Answer,
    ) -> Result<Asked, Ended> {
        // A store that is still opening does not name its log.
        if log_id(answer).is_some_and(|answers| Some(answers) != log_id(promise)) {
            return Ok(Asked::Unknown);
        }
        // Without a log's id it is not from a store, and says nothing about the events.
        if answer.status == StatusCode::OK && log_id(answer).is_some() {
            let judged = verdicts(answer).unwrap_or_default();
            return Ok(match pending.judge(&judged) {
                Some(()) => Asked::Judged(pending),
                None => Asked::Unknown,
            });
        }
        if answer.status == StatusCode::ACCEPTED {
            let least_wait = retry_after(answer);
            return Ok(Asked::NotYet(pending, PENDING.into(), least_wait));
        }
        match not_taken(answer) {
            Meaning::Again { reason, least_wait } => Ok(Asked::NotYet(pending, reason, least_wait)),
            Meaning::Stop(hindrance) if hindrance.code != UNKNOWN_SEQ => {
                Err(self.hindered(&hindrance))
            }
            Meaning::Foreign(hindrance, least_wait) => {
                let reason = self.absent(&hindrance)?;
                Ok(Asked::NotYet(pending, reason, least_wait))
            }
            _ => Ok(Asked::Unknown),
        }
    }
}
