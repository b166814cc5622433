//! Sends portions, one after the other, until every event of each is settled: acknowledged,
//! or refused for good.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answer::{Acknowledgement, EventFault, Hindrance, Meaning, Problem};
use super::answer::{log_id, meaning};
use super::check::event_id_in;
use super::portion::{Portion, Refusal};
use super::receipts::{ReceiptsError, ReceiptsFile};
use super::refused::{RefusedFileError, Reports};
use super::retry::{GaveUp, Retry};
use super::summary::Tally;
use super::voice::Voice;
use crate::cli::client::{Answer, Client};
use crate::event::ERRORS_LISTED_MAX;
use crate::index::fold::Verdict;

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
enum Sent {
    Acknowledged {
        judged: Acknowledgement,
        log_id: String,
    },
    Refused(Problem),
}

impl Publisher {
    /// Sends a portion until each of its events is settled. May be dropped at any point: the
    /// tally tells what was not.
    pub(super) async fn settle(&mut self, portion: &Portion) -> Result<(), Ended> {
        let events = portion.len();
        self.tally.read += (events + portion.refused.len()) as u64;
        for refusal in &portion.refused {
            self.tally.refused += 1;
            self.reports.refused(refusal)?;
        }
        self.tally.unacknowledged = events as u64;
        self.retry.begin();
        // Parts still to be sent, the next one last.
        let mut parts: Vec<Vec<usize>> = Vec::new();
        if events > 0 {
            parts.push((0..events).collect());
        }
        while let Some(part) = parts.pop() {
            match self.send(portion.body_of(&part), part.len()).await? {
                Sent::Acknowledged { judged, log_id } => {
                    self.acknowledged(portion, &part, &judged, &log_id)?;
                    // Why is listed for the first ones only; the others are sent once more, to
                    // learn it.
                    let left_out = &judged.refused_indexes;
                    self.refuse_listed(portion, &part, left_out, &judged.refused, &mut parts)?;
                }
                Sent::Refused(problem) => self.refused(portion, part, &problem, &mut parts)?,
            }
            self.show_progress(None);
        }
        Ok(())
    }

    fn acknowledged(
        &mut self,
        portion: &Portion,
        part: &[usize],
        answer: &Acknowledgement,
        log_id: &str,
    ) -> Result<(), Ended> {
        if let Some(receipts) = &mut self.receipts {
            receipts.write(log_id, &answer.receipts)?;
        }
        self.tally.acknowledged(answer);
        for receipt in &answer.receipts {
            if receipt.verdict == Some(Verdict::Conflict) {
                let place = portion.place_of(part[receipt.index]);
                self.reports
                    .conflict(place, receipt.seq, receipt.original_seq);
            }
        }
        Ok(())
    }

    /// None of this part was taken.
    fn refused(
        &mut self,
        portion: &Portion,
        mut part: Vec<usize>,
        problem: &Problem,
        parts: &mut Vec<Vec<usize>>,
    ) -> Result<(), Ended> {
        if problem.errors.iter().any(|fault| fault.index.is_some()) {
            // With `invalid=skip` that means that every event is at fault.
            let all: Vec<usize> = (0..part.len()).collect();
            return self.refuse_listed(portion, &part, &all, &problem.errors, parts);
        }
        if let [only] = part[..] {
            return self.refuse(portion, only, &problem.code, &problem.detail);
        }
        let second = part.split_off(part.len() / 2);
        parts.push(second);
        parts.push(part);
        Ok(())
    }

    fn refuse_listed(
        &mut self,
        portion: &Portion,
        part: &[usize],
        left_out: &[usize],
        faults: &[EventFault],
        parts: &mut Vec<Vec<usize>>,
    ) -> Result<(), Ended> {
        let mut unlisted = Vec::new();
        for &index in left_out {
            match faults.iter().find(|fault| fault.index == Some(index)) {
                Some(fault) => self.refuse(portion, part[index], &fault.code, &fault.detail)?,
                None => unlisted.push(part[index]),
            }
        }
        if unlisted.len() == part.len() {
            // The answer names none of them: they would be sent for ever.
            for index in unlisted {
                self.refuse(portion, index, "invalid_events", "no reason was given")?;
            }
            return Ok(());
        }
        let chunks = unlisted.chunks(ERRORS_LISTED_MAX).rev();
        parts.extend(chunks.map(<[usize]>::to_vec));
        Ok(())
    }

    fn refuse(
        &mut self,
        portion: &Portion,
        index: usize,
        code: &str,
        detail: &str,
    ) -> Result<(), Ended> {
        let text = portion.text_of(index);
        let refusal = Refusal {
            place: portion.place_of(index),
            event_id: event_id_in(text),
            code: code.to_owned(),
            detail: detail.to_owned(),
            text: Some(String::from_utf8_lossy(text).into_owned()),
        };
        self.tally.refused();
        Ok(self.reports.refused(&refusal)?)
    }

    /// Sends the same bytes until the answer is one that settles them.
    async fn send(&mut self, body: Bytes, events: usize) -> Result<Sent, Ended> {
        let path = match self.receipts {
            Some(_) => "/publish?invalid=skip&receipts=all",
            None => "/publish?invalid=skip",
        };
        let answer_bytes_max = ANSWER_BYTES_BASE + events * RECEIPT_BYTES_MAX;
        loop {
            let posted = self.client.post(path, body.clone(), answer_bytes_max);
            let (reason, least_wait) = match self.retry.attempt(posted).await? {
                Err(no_answer) => (no_answer.in_short(), Duration::ZERO),
                Ok(answer) => {
                    self.look_at_log(&answer);
                    match meaning(&answer, events) {
                        Meaning::Judged(judged) => return Ok(self.settled(judged, &answer)),
                        Meaning::Pending(pending, at) => {
                            self.retry.succeeded();
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
                    }
                }
            };
            self.wait(&reason, least_wait).await?;
            self.tally.retries += 1;
        }
    }

    fn settled(&mut self, judged: Acknowledgement, answer: &Answer) -> Sent {
        self.retry.succeeded();
        Sent::Acknowledged {
            judged,
            log_id: log_id(answer).unwrap_or_default().to_owned(),
        }
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
        match &self.tally.log_id {
            Some(known) if known == answers => return,
            Some(known) => {
                self.voice.say(&format!(
                    "warning: another log answers now: {answers}. What was acknowledged before is \
                     in {known}, and only there"
                ));
                self.tally.log_changed = true;
            }
            None => {}
        }
        self.tally.log_id = Some(answers.to_owned());
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

    /// Where those events stand that were sent, and whose outcome is not known.
    pub(super) fn tell_unacknowledged(&self, portion: &Portion) {
        let count = self.tally.unacknowledged;
        if count == 0 {
            return;
        }
        let first = self.reports.place(portion.place_of(0));
        let last = self.reports.place(portion.place_of(portion.len() - 1));
        self.voice.say(&format!(
            "not acknowledged: {count} events of the last batch, {first} to {last}. \
             Publish again from the start: what was kept is then a duplicate"
        ));
    }
}
