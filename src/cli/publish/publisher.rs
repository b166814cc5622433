//! Sends the same bytes until there is an answer that settles them.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answer::{Acknowledgement, Hindrance, Meaning, Problem};
use super::answer::{log_id, meaning};
use super::receipts::{ReceiptsError, ReceiptsFile};
use super::refused::{RefusedFileError, Reports};
use super::retry::{GaveUp, Retry};
use super::summary::Tally;
use crate::cli::client::{Answer, Client, NoAnswer};
use crate::cli::voice::Voice;

/// Of an answer: what a receipt can take (two names with every byte escaped, and the rest),
/// and what stands around them, with a hundred errors.
const RECEIPT_BYTES_MAX: usize = 2 << 10;
const ANSWER_BYTES_BASE: usize = 1 << 20;

/// Why publishing ends before the input does.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("nothing was acknowledged for as long as --give-up-after allows")]
    GaveUp,
    #[error("{0}")]
    Hindrance(String),
    #[error(transparent)]
    Receipts(#[from] ReceiptsError),
    #[error(transparent)]
    RefusedFile(#[from] RefusedFileError),
}

impl From<GaveUp> for Ended {
    fn from(_: GaveUp) -> Ended {
        Ended::GaveUp
    }
}

/// What is needed to send, and what came of it.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) client: Client,
    pub(super) has_token: bool,
    pub(super) retry: Retry,
    pub(super) receipts: Option<ReceiptsFile>,
    pub(super) reports: Reports,
    pub(super) tally: Tally,
    pub(super) voice: Voice,
    pub(super) began: Instant,
}

/// What became of a request.
pub(super) enum Sent {
    Acknowledged {
        judged: Acknowledgement,
        log_id: String,
    },
    Refused(Problem),
}

impl Publisher {
    /// Sends the same bytes until the answer is one that settles them.
    pub(super) async fn send(&mut self, body: Bytes, events: usize) -> Result<Sent, Ended> {
        let path = match self.receipts {
            Some(_) => "/publish?invalid=skip&receipts=all",
            None => "/publish?invalid=skip",
        };
        let answer_bytes_max = ANSWER_BYTES_BASE + events * RECEIPT_BYTES_MAX;
        loop {
            let posted = self.client.post(path, body.clone(), answer_bytes_max);
            let (reason, least_wait) = match self.retry.attempt(posted).await? {
                Err(no_answer) => (self.unanswered(&no_answer), Duration::ZERO),
                Ok(answer) => {
                    self.look_at_log(&answer);
                    match meaning(&answer, events) {
                        Meaning::Judged(judged) => return Ok(self.settled(judged, &answer)),
                        Meaning::Pending(pending, at) => {
                            self.retry.succeeded();
                            self.client.allow_the_usual_time();
                            match self.verdicts(pending, &at, &answer).await? {
                                Some(judged) => return Ok(self.settled(judged, &answer)),
                                None => ("verdicts that nobody knows".into(), Duration::ZERO),
                            }
                        }
                        Meaning::Refused(problem) => {
                            self.retry.succeeded();
                            return Ok(Sent::Refused(problem));
                        }
                        Meaning::Again { reason, least_wait } => (reason, least_wait),
                        Meaning::Stop(hindrance) => return Err(self.hindered(&hindrance)),
                        Meaning::Foreign(hindrance, least_wait) => {
                            (self.absent(&hindrance)?, least_wait)
                        }
                    }
                }
            };
            self.wait(&reason, least_wait).await?;
            self.tally.retries += 1;
        }
    }

    fn settled(&mut self, judged: Acknowledgement, answer: &Answer) -> Sent {
        self.retry.succeeded();
        self.client.allow_the_usual_time();
        Sent::Acknowledged {
            judged,
            log_id: log_id(answer).unwrap_or_default().to_owned(),
        }
    }

    /// There was no answer: why. The next attempt gets longer if it came too late: as long as
    /// none comes in time, each would add the same events as duplicates.
    pub(super) fn unanswered(&mut self, no_answer: &NoAnswer) -> String {
        if let NoAnswer::Late(_) = no_answer {
            self.client.allow_twice_the_time();
        }
        no_answer.in_short()
    }

    /// Waits before the next attempt, and says why.
    pub(super) async fn wait(&mut self, reason: &str, least: Duration) -> Result<(), Ended> {
        self.show_progress(Some(reason));
        Ok(self.retry.wait(reason, least).await?)
    }

    /// Another log than before: what was acknowledged is in the other one.
    pub(super) fn look_at_log(&mut self, answer: &Answer) {
        let Some(answers) = log_id(answer) else {
            return;
        };
        if let Some(known) = &self.tally.log_id
            && known != answers
        {
            self.voice.say(&format!(
                "warning: another log answers now: {answers}. What was acknowledged before is \
                 in {known}, and only there"
            ));
        }
        self.tally.answered_by(answers);
    }

    /// Something else answers in the store's place. That passes if a store has answered here
    /// before: then this is what is waited for.
    pub(super) fn absent(&self, hindrance: &Hindrance) -> Result<String, Ended> {
        match self.tally.log_id {
            Some(_) => Ok(format!("status {}, not from the store", hindrance.status)),
            None => Err(self.hindered(hindrance)),
        }
    }

    /// What to do about what stands in the way.
    pub(super) fn hindered(&self, hindrance: &Hindrance) -> Ended {
        let url = self.client.target().url();
        let status = hindrance.status;
        let advice = match status {
            401 if self.has_token => "the token in --token-file is not the server's",
            401 => "give the server's token with --token-file FILE",
            403 => "something before the store forbids it",
            300..=399 => "it is elsewhere: give its own address as --url",
            404 | 405 => "no store is at this address: look at --url",
            _ => "this concerns every batch, so nothing more was sent",
        };
        let detail = match (hindrance.code.as_str(), hindrance.detail.as_str()) {
            ("", "") => String::new(),
            ("", detail) => format!(" ({detail})"),
            (code, detail) => format!(" ({code}: {detail})"),
        };
        Ended::Hindrance(format!("{url} answers {status}{detail}: {advice}"))
    }

    pub(super) fn show_progress(&self, waits_for: Option<&str>) {
        let elapsed = self.began.elapsed();
        self.voice
            .progress(|| self.tally.progress(elapsed, waits_for));
    }
}
