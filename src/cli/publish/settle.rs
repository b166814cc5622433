//! A portion is sent in as few parts as it takes, until each of its events is settled:
//! acknowledged, or refused for good. A part that is refused as a whole is halved, until the
//! events at fault are alone.

use super::answer::{Acknowledgement, EventFault, Problem};
use super::check::event_id_in;
use super::portion::{Portion, Refusal};
use super::publisher::{Ended, Publisher, Sent};
use crate::event::ERRORS_LISTED_MAX;
use crate::index::fold::Verdict;

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
