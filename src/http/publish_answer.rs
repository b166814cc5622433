//! The answer to a publish, written as text: a batch can have 100 000 receipts.

use std::sync::Arc;

use crate::event::{EventErrors, Seq};
use crate::index::fold::{Arrivals, Judged, Verdict};
use crate::render::json::{push_comma, push_display, push_numbers, push_string};
use crate::render::verdict::{VerdictCounts, push_verdict};

/// Which receipts a publisher wants.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Receipts {
    /// Of what was not stored.
    NotStored,
    /// All of them, with what is needed to prove them later.
    All,
}

/// An event's id.
pub(super) type EventName = Box<str>;

/// The answer to a batch that was judged, alone: for the benches.
#[doc(hidden)]
pub fn judged_text(arrivals: Arc<Arrivals>, judged: &[Judged]) -> Vec<u8> {
    PublishAnswer::new(judged.len(), arrivals, Receipts::NotStored).judged(judged)
}

/// What an answer needs of its request.
#[derive(Debug)]
pub(super) struct PublishAnswer {
    events: usize,
    arrivals: Arc<Arrivals>,
    receipts: Receipts,
    /// The ids, only if they are to be shown.
    pub(super) names: Vec<EventName>,
    /// The places of refused events among those sent; `None` if none could be.
    pub(super) refused_indexes: Option<Vec<usize>>,
    /// Why they were refused.
    pub(super) errors: EventErrors,
}

impl PublishAnswer {
    pub(super) fn new(events: usize, arrivals: Arc<Arrivals>, receipts: Receipts) -> PublishAnswer {
        PublishAnswer {
            events,
            arrivals,
            receipts,
            names: Vec::new(),
            refused_indexes: None,
            errors: EventErrors::default(),
        }
    }

    /// How many events the batch has.
    pub(super) fn received(&self) -> usize {
        self.events
    }

    /// Every event has its verdict.
    pub(super) fn judged(&self, judged: &[Judged]) -> Vec<u8> {
        let counts = VerdictCounts::of(judged);
        let first_seq = judged.first().map_or(Seq::ZERO, |judged| judged.seq);
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"{\"status\":\"ok\",\"message\":\"");
        let message = format!(
            "Processed {} events, dropped {} duplicates",
            counts.unique,
            counts.duplicates()
        );
        out.extend_from_slice(message.as_bytes());
        out.push(b'"');
        self.push_counts(&mut out, &counts, first_seq);
        let mut first = true;
        let mut indexes = self.sent_indexes();
        for (position, judged) in judged.iter().enumerate() {
            let index = indexes.next().unwrap_or(position);
            if self.receipts == Receipts::All || judged.verdict != Verdict::Stored {
                push_comma(&mut out, &mut first);
                self.push_receipt(
                    &mut out,
                    position,
                    index,
                    Some(judged.verdict),
                    judged.seq,
                    judged.original_seq,
                );
            }
        }
        self.push_end(&mut out);
        out
    }

    /// The batch is durable, its first event at `first_seq`, and not yet judged.
    pub(super) fn pending(&self, first_seq: Seq) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.events * 64);
        out.extend_from_slice(b"{\"status\":\"pending\",\"message\":\"");
        let message = format!(
            "{} events are durable; their verdicts are not known yet",
            self.events
        );
        out.extend_from_slice(message.as_bytes());
        out.push(b'"');
        self.push_counts(&mut out, &VerdictCounts::default(), first_seq);
        let mut first = true;
        let mut seq = first_seq;
        for (position, index) in self.sent_indexes().take(self.events).enumerate() {
            push_comma(&mut out, &mut first);
            self.push_receipt(&mut out, position, index, None, seq, Seq::ZERO);
            seq = seq.next();
        }
        self.push_end(&mut out);
        out
    }

    /// For each event of the batch its place among those sent: all places but the
    /// refused ones.
    fn sent_indexes(&self) -> impl Iterator<Item = usize> {
        let refused = self.refused_indexes.as_deref().unwrap_or(&[]);
        let mut refused = refused.iter().copied().peekable();
        (0..).filter(move |&index| refused.next_if_eq(&index).is_none())
    }

    fn push_counts(&self, out: &mut Vec<u8>, counts: &VerdictCounts, first_seq: Seq) {
        let received = self.events as u64;
        push_numbers(
            out,
            &[
                ("received", received),
                ("unique", counts.unique),
                ("duplicates", counts.duplicates()),
                ("conflicts", counts.conflict),
                ("first_seq", first_seq.get()),
                ("last_seq", first_seq.plus(received).previous().get()),
            ],
        );
        out.extend_from_slice(b",\"receipts\":[");
    }

    fn push_receipt(
        &self,
        out: &mut Vec<u8>,
        position: usize,
        index: usize,
        verdict: Option<Verdict>,
        seq: Seq,
        original_seq: Seq,
    ) {
        out.extend_from_slice(b"{\"index\":");
        push_display(out, index);
        push_verdict(out, verdict, seq, original_seq);
        if self.receipts == Receipts::All
            && let (Some(arrival), Some(name)) =
                (self.arrivals.list.get(position), self.names.get(position))
        {
            out.extend_from_slice(b",\"topic\":");
            push_string(
                out,
                self.arrivals
                    .topics
                    .get(arrival.topic as usize)
                    .map_or("", |topic| topic),
            );
            out.extend_from_slice(b",\"event_id\":");
            push_string(out, name);
            out.extend_from_slice(b",\"payload_digest\":\"");
            push_display(out, arrival.payload);
            out.push(b'"');
        }
        out.push(b'}');
    }

    fn push_end(&self, out: &mut Vec<u8>) {
        out.push(b']');
        if let Some(indexes) = &self.refused_indexes {
            out.extend_from_slice(b",\"refused\":");
            // Plain data into memory: it cannot fail.
            let _ = serde_json::to_writer(&mut *out, self.errors.listed());
            push_numbers(
                out,
                &[
                    ("refused_total", indexes.len() as u64),
                    ("refused_errors_total", self.errors.total() as u64),
                ],
            );
            out.extend_from_slice(b",\"refused_indexes\":");
            let _ = serde_json::to_writer(&mut *out, indexes);
        }
        out.push(b'}');
    }
}

#[cfg(test)]
#[path = "publish_answer_tests.rs"]
mod tests;
