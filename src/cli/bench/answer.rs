//! An answer of `POST /publish`, held against what was sent.

use serde::Deserialize;

use super::shape::Sent;
use super::target::{Counts, Outcome};
use crate::index::fold::Verdict;

const JUDGED: u16 = 200;

/// The parts that are looked at.
#[derive(Deserialize)]
struct Acknowledgement {
    received: u64,
    unique: u64,
    duplicates: u64,
    conflicts: u64,
    first_seq: u64,
    last_seq: u64,
    receipts: Vec<Receipt>,
}

/// Of an event that was not stored; of a batch that is pending, of every event.
#[derive(Deserialize)]
struct Receipt {
    index: usize,
    #[serde(default)]
    original_seq: Option<u64>,
    verdict: Word,
    seq: u64,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Word {
    Pending,
    #[serde(untagged)]
    Verdict(Verdict),
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

/// Reads it: every count, and for every event of a repeated id, and for no other, a receipt
/// that says `duplicate`.
pub fn read_answer(status: u16, body: &[u8], sent: &[Sent]) -> Outcome {
    let mut outcome = Outcome {
        status,
        ..Outcome::default()
    };
    if !outcome.is_acknowledged() {
        outcome.words = refusal(body);
        return outcome;
    }
    let Ok(answer) = serde_json::from_slice::<Acknowledgement>(body) else {
        outcome.difference = Some("an answer that is not understood".into());
        return outcome;
    };
    outcome.difference = answer.difference(sent, status == JUDGED);
    outcome.verdicts = (status == JUDGED).then_some(Counts {
        unique: answer.unique,
        duplicates: answer.duplicates,
        conflicts: answer.conflicts,
    });
    outcome
}

fn refusal(body: &[u8]) -> String {
    match serde_json::from_slice::<Problem>(body) {
        Ok(Problem { code, detail }) => format!("{code}: {detail}"),
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned(),
    }
}

impl Acknowledgement {
    fn difference(&self, sent: &[Sent], is_judged: bool) -> Option<String> {
        let count = sent.len() as u64;
        if self.received != count {
            let received = self.received;
            return Some(format!(
                "sent {count} events, and the answer says {received}"
            ));
        }
        let seqs = self.last_seq.checked_sub(self.first_seq);
        if count == 0 || seqs != Some(count - 1) || self.first_seq == 0 {
            return Some("the seqs of an answer are not as many as its events".into());
        }
        if !is_judged {
            return None;
        }
        let mut receipts = self.receipts.iter().peekable();
        for (index, event) in sent.iter().enumerate() {
            let receipt = receipts.next_if(|receipt| receipt.index == index);
            let is_right = match receipt {
                None => !event.is_repeat,
                Some(receipt) => {
                    let seq = self.first_seq + index as u64;
                    event.is_repeat
                        && receipt.seq == seq
                        && receipt.verdict == Word::Verdict(Verdict::Duplicate)
                        && receipt.original_seq.is_some_and(|first| first < seq)
                }
            };
            if !is_right {
                return Some(match event.is_repeat {
                    true => "an id that was acknowledged before was not a duplicate".into(),
                    false => "an id that was sent for the first time was not stored".into(),
                });
            }
        }
        receipts
            .next()
            .map(|_| "receipts for events that were not sent".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Sent = Sent {
        number: 1,
        is_repeat: false,
    };
    const REPEAT: Sent = Sent {
        number: 0,
        is_repeat: true,
    };
    const SENT: [Sent; 3] = [FRESH, REPEAT, FRESH];

    fn body(duplicates: u64, receipts: &str) -> String {
        let unique = 3 - duplicates;
        format!(
            r#"{{"received":3,"unique":{unique},"duplicates":{duplicates},"conflicts":0,"first_seq":7,"last_seq":9,"receipts":[{receipts}]}}"#
        )
    }

    fn read(status: u16, body: &str) -> Outcome {
        read_answer(status, body.as_bytes(), &SENT)
    }

    #[test]
    fn an_answer_that_says_what_was_sent_is_right() {
        let receipt = r#"{"index":1,"verdict":"duplicate","seq":8,"original_seq":2}"#;
        let outcome = read(200, &body(1, receipt));
        assert_eq!(outcome.difference, None);
        assert_eq!(outcome.verdicts, Some(Counts::due(&SENT)));
        let pending = r#"{"index":0,"verdict":"pending","seq":7}"#;
        let outcome = read(202, &body(1, pending));
        assert_eq!((outcome.difference, outcome.verdicts), (None, None));
    }

    #[test]
    fn an_answer_that_is_right_in_number_only_is_found_out() {
        for receipt in [
            "",
            r#"{"index":0,"verdict":"duplicate","seq":7,"original_seq":2}"#,
            r#"{"index":1,"verdict":"conflict","seq":8,"original_seq":2}"#,
            r#"{"index":1,"verdict":"duplicate","seq":9,"original_seq":2}"#,
            r#"{"index":1,"verdict":"duplicate","seq":8,"original_seq":8}"#,
            r#"{"index":1,"verdict":"duplicate","seq":8}"#,
            r#"{"index":1,"verdict":"duplicate","seq":8,"original_seq":2},{"index":2,"verdict":"duplicate","seq":9,"original_seq":2}"#,
        ] {
            assert!(
                read(200, &body(1, receipt)).difference.is_some(),
                "{receipt}"
            );
        }
        let right = r#"{"index":1,"verdict":"duplicate","seq":8,"original_seq":2}"#;
        for (is, was) in [
            (r#""received":2"#, r#""received":3"#),
            (r#""last_seq":10"#, r#""last_seq":9"#),
        ] {
            let changed = body(1, right).replace(was, is);
            assert!(read(200, &changed).difference.is_some(), "{changed}");
        }
        assert!(read(200, "{}").difference.is_some());
    }

    #[test]
    fn a_refusal_is_told_in_its_words() {
        let outcome = read(503, r#"{"code":"backlog_full","detail":"later"}"#);
        assert_eq!(outcome.words, "backlog_full: later");
        assert!(!outcome.is_acknowledged());
    }
}
