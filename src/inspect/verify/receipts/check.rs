//! Receipts, held against the log and its verdicts.

use std::io;

use serde_json::{Value, json};

use super::record::Record;
use super::sorted::Sorted;
use crate::event::{KeyRule, Seq};
use crate::index::digest::PayloadDigest;
use crate::index::fold::{Arrivals, FoldInput, Judged, Verdict};
use crate::log::LogId;
use crate::render::verdict::verdict_name;

/// How many broken ones are kept; all are counted.
const BROKEN_LISTED_MAX: usize = 100;

/// What came of all receipts.
#[derive(Clone, Debug, Default)]
pub struct ReceiptsChecked {
    /// How many there are.
    pub count: u64,
    /// How many of them hold.
    pub proven: u64,
    /// How many of those promise an event and no verdict.
    pub pending: u64,
    /// How many do not hold.
    pub broken_count: u64,
    /// The first of these.
    pub broken: Vec<BrokenReceipt>,
    /// The last line breaks off, as after a kill of who wrote it, and was left out.
    pub cut_line: Option<u64>,
}

/// A receipt that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenReceipt {
    /// In which line it stands.
    pub line: u64,
    /// What was promised.
    pub topic: Box<str>,
    /// What was promised.
    pub event_id: Box<str>,
    /// What was promised.
    pub payload: PayloadDigest,
    /// What was promised; none if it was pending.
    pub verdict: Option<Verdict>,
    /// What was promised.
    pub seq: Seq,
    /// What was promised; zero if it was pending.
    pub original_seq: Seq,
    /// What is so instead.
    pub why: Broken,
}

/// Why a receipt does not hold.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is of another log.
    OtherLog(LogId),
    /// The log ends before it.
    BeyondEnd(Seq),
    /// Its seq is damaged or missing.
    Lost,
    /// Another event stands there.
    OtherEvent,
    /// The event there is known by its source, and the receipt names none.
    NoSource,
    /// The event stands there with another payload.
    OtherPayload(PayloadDigest),
    /// The verdict on it is another one.
    OtherVerdict(Judged),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::OtherLog(log_id) => write!(f, "it is of log {log_id}"),
            Broken::BeyondEnd(last) => write!(f, "the log ends with seq {last}"),
            Broken::Lost => write!(f, "that seq is damaged or missing"),
            Broken::OtherEvent => write!(f, "another event has that seq"),
            Broken::NoSource => write!(
                f,
                "the event there is known by its source, and the receipt names none"
            ),
            Broken::OtherPayload(digest) => write!(f, "its payload has the digest {digest}"),
            Broken::OtherVerdict(judged) => write!(
                f,
                "the verdict is {} of {}",
                verdict_name(Some(judged.verdict)),
                judged.original_seq
            ),
        }
    }
}

impl Broken {
    /// A name for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Broken::OtherLog(_) => "other_log",
            Broken::BeyondEnd(_) => "beyond_end",
            Broken::Lost => "lost",
            Broken::OtherEvent => "other_event",
            Broken::NoSource => "no_source",
            Broken::OtherPayload(_) => "other_payload",
            Broken::OtherVerdict(_) => "other_verdict",
        }
    }
}

impl BrokenReceipt {
    fn of(record: Record, why: Broken) -> BrokenReceipt {
        BrokenReceipt {
            line: record.line,
            topic: record.topic,
            event_id: record.event_id,
            payload: record.payload,
            verdict: record.verdict,
            seq: record.seq,
            original_seq: record.original_seq,
            why,
        }
    }

    /// As JSON: what was promised, in which `line`, and why it does not hold.
    pub fn json(&self) -> Value {
        json!({
            "kind": self.why.kind(),
            "why": self.why.to_string(),
            "line": self.line,
            "topic": *self.topic,
            "event_id": *self.event_id,
            "payload_digest": self.payload.to_string(),
            "verdict": verdict_name(self.verdict),
            "seq": self.seq,
            "original_seq": (self.original_seq > Seq::ZERO).then_some(self.original_seq),
        })
    }
}

impl std::fmt::Display for BrokenReceipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let BrokenReceipt {
            line,
            topic,
            event_id,
            seq,
            why,
            ..
        } = self;
        let verdict = verdict_name(self.verdict);
        write!(f, "line {line}: {verdict} as seq {seq}")?;
        if self.original_seq > Seq::ZERO && self.original_seq != self.seq {
            write!(f, ", of {}", self.original_seq)?;
        }
        write!(f, ", topic {topic:?}, event_id {event_id:?}: {why}")
    }
}

impl ReceiptsChecked {
    pub(super) fn broken(&mut self, record: Record, why: Broken) {
        self.count += 1;
        self.broken_count += 1;
        if self.broken.len() < BROKEN_LISTED_MAX {
            self.broken.push(BrokenReceipt::of(record, why));
        }
    }

    fn held(&mut self, record: &Record) {
        self.count += 1;
        self.proven += 1;
        self.pending += u64::from(record.verdict.is_none());
    }
}

/// Receipts that are held against the log as it is folded, from front to back.
#[derive(Debug)]
pub(in crate::inspect::verify) struct ReceiptCheck {
    pub(super) sorted: Sorted,
    pub(super) checked: ReceiptsChecked,
}

impl ReceiptCheck {
    /// Holds those of a stretch of the log against it: what was folded from this seq on, by which
    /// rule its events are known, and with which verdicts.
    ///
    /// # Errors
    /// The receipts cannot be read back.
    pub(in crate::inspect::verify) fn part(
        &mut self,
        first: Seq,
        rule: Option<KeyRule>,
        input: FoldInput<'_>,
        judged: &[Judged],
    ) -> io::Result<()> {
        let next = first.plus(input.count());
        while let Some(record) = self.sorted.next_before(next)? {
            let place = record.seq.since(first) as usize;
            let why = match (input, rule, judged.get(place)) {
                (FoldInput::Arrivals(arrivals), Some(rule), Some(judged)) => {
                    why_not(&record, rule, arrivals, place, judged)
                }
                _ => Some(Broken::Lost),
            };
            match why {
                Some(why) => self.checked.broken(record, why),
                None => self.checked.held(&record),
            }
        }
        Ok(())
    }

    /// What came of them, at the log's end.
    ///
    /// # Errors
    /// As [`ReceiptCheck::part`].
    pub(in crate::inspect::verify) fn finish(mut self, last: Seq) -> io::Result<ReceiptsChecked> {
        while let Some(record) = self.sorted.take()? {
            self.checked.broken(record, Broken::BeyondEnd(last));
        }
        Ok(self.checked)
    }
}

/// Why a receipt does not hold, if it does not: held against the arrival in this place.
fn why_not(
    record: &Record,
    rule: KeyRule,
    arrivals: &Arrivals,
    place: usize,
    judged: &Judged,
) -> Option<Broken> {
    let arrival = &arrivals.list[place];
    let topic = arrivals.topics.get(arrival.topic as usize);
    let is_as_promised = record.verdict.is_none_or(|verdict| {
        (verdict, record.original_seq) == (judged.verdict, judged.original_seq)
    });
    if rule == KeyRule::SourceAndId && record.source.is_empty() {
        Some(Broken::NoSource)
    } else if topic != Some(&record.topic) || arrival.key != record.key(rule) {
        Some(Broken::OtherEvent)
    } else if arrival.payload != record.payload {
        Some(Broken::OtherPayload(arrival.payload))
    } else if !is_as_promised {
        Some(Broken::OtherVerdict(*judged))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ReceiptLines, read};
    use super::*;
    use crate::event::{Event, PayloadKind};

    /// What is said of a receipt for the event (`t`, `s`, `1`), which is known by this rule.
    fn broken(rule: KeyRule, names: &str) -> Vec<&'static str> {
        let event = Event {
            topic: "t".into(),
            event_id: "1".into(),
            source: "s".into(),
            timestamp: None,
            kind: PayloadKind::Json,
            payload: b"{}",
            attributes: Vec::new(),
        };
        let digest = PayloadDigest::of(event.kind, event.payload);
        let line = format!(
            r#"{{{names},"payload_digest":"{digest}","verdict":"stored","seq":1,"original_seq":1}}"#
        );
        let lines = ReceiptLines {
            name: "test",
            lines: &mut line.as_bytes(),
        };
        let scratch = tempfile::tempdir().expect("a directory");
        let mut check =
            read(lines, LogId([0; 16]), scratch.path(), &mut |_| {}).expect("a receipt");
        let judged = [Judged {
            seq: Seq::FIRST,
            verdict: Verdict::Stored,
            original_seq: Seq::FIRST,
        }];
        let arrivals = Arrivals::of(rule, [&event]);
        let input = FoldInput::Arrivals(&arrivals);
        check
            .part(Seq::FIRST, Some(rule), input, &judged)
            .expect("receipts");
        let checked = check.finish(Seq::FIRST).expect("receipts");
        assert_eq!(checked.count, 1, "{names}");
        checked
            .broken
            .iter()
            .map(|broken| broken.why.kind())
            .collect()
    }

    #[test]
    fn a_receipt_is_held_against_what_its_event_is_known_by() {
        let by_topic = KeyRule::TopicAndId;
        assert!(broken(by_topic, r#""topic":"t","event_id":"1""#).is_empty());
        assert!(broken(by_topic, r#""topic":"t","source":"s","event_id":"1""#).is_empty());
        assert_eq!(
            broken(by_topic, r#""topic":"x","event_id":"1""#),
            ["other_event"]
        );
        assert_eq!(
            broken(by_topic, r#""topic":"t","event_id":"2""#),
            ["other_event"]
        );

        let by_source = KeyRule::SourceAndId;
        assert!(broken(by_source, r#""topic":"t","source":"s","event_id":"1""#).is_empty());
        for names in [
            r#""topic":"x","source":"s","event_id":"1""#,
            r#""topic":"t","source":"x","event_id":"1""#,
            r#""topic":"t","source":"s","event_id":"2""#,
        ] {
            assert_eq!(broken(by_source, names), ["other_event"], "{names}");
        }
        assert_eq!(
            broken(by_source, r#""topic":"t","event_id":"1""#),
            ["no_source"]
        );
    }
}
