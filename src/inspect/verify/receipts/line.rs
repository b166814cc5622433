//! A line of receipts: one as `oncelog publish --receipts` saves it, or the whole answer to a
//! `POST /publish?receipts=all`.

use std::borrow::Cow;

use serde::Deserialize;

use super::record::Record;
use crate::event::{NAME_BYTES_MAX, Seq};
use crate::index::digest::PayloadDigest;
use crate::index::fold::Verdict;
use crate::log::LogId;

/// The answer to a publish.
#[derive(Deserialize)]
struct Answer<'l> {
    received: u64,
    #[serde(borrow)]
    receipts: Vec<One<'l>>,
}

/// A receipt, as it is saved or stands in an answer.
#[derive(Deserialize)]
struct One<'l> {
    /// Only where it is saved.
    log_id: Option<&'l str>,
    seq: u64,
    verdict: &'l str,
    original_seq: Option<u64>,
    #[serde(borrow)]
    topic: Option<Cow<'l, str>>,
    /// Only of an event that is known by it.
    #[serde(borrow)]
    source: Option<Cow<'l, str>>,
    #[serde(borrow)]
    event_id: Option<Cow<'l, str>>,
    payload_digest: Option<&'l str>,
}

/// Gives each receipt of a line to `take`, with the log that it is of, if it says so.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn parse(
    text: &[u8],
    number: u64,
    mut take: impl FnMut(Record, Option<LogId>),
) -> Result<(), String> {
    let not_saved = match serde_json::from_slice::<One<'_>>(text) {
        Ok(saved) => {
            let log_id = saved.log_id.map(|log_id| {
                hex_16(log_id)
                    .map(LogId)
                    .ok_or("log_id is not 32 hexadecimal digits")
            });
            take(record(&saved, number)?, log_id.transpose()?);
            return Ok(());
        }
        Err(error) => error,
    };
    let answer = match serde_json::from_slice::<Answer<'_>>(text) {
        Ok(answer) => answer,
        // Which of both it was meant to be.
        Err(error) if text.windows(10).any(|part| part == b"\"receipts\"") => {
            return Err(error.to_string());
        }
        Err(_) => {
            return Err(format!(
                "neither a saved receipt nor an answer to a publish: {not_saved}"
            ));
        }
    };
    if answer.receipts.len() as u64 != answer.received {
        return Err(format!(
            "{} events were received and {} receipts are there: publish with ?receipts=all",
            answer.received,
            answer.receipts.len()
        ));
    }
    for one in &answer.receipts {
        take(record(one, number)?, None);
    }
    Ok(())
}

fn record(one: &One<'_>, line: u64) -> Result<Record, String> {
    let (Some(topic), Some(event_id), Some(digest)) =
        (&one.topic, &one.event_id, one.payload_digest)
    else {
        let text =
            "a receipt has no topic, event_id and payload_digest: publish with ?receipts=all";
        return Err(text.into());
    };
    let source = one.source.as_deref().unwrap_or_default();
    if topic.len().max(event_id.len()).max(source.len()) > NAME_BYTES_MAX {
        return Err(format!("a name is longer than {NAME_BYTES_MAX} bytes"));
    }
    let payload = hex_16(digest).ok_or("payload_digest is not 32 hexadecimal digits")?;
    let verdict = match one.verdict {
        "pending" => None,
        "stored" => Some(Verdict::Stored),
        "duplicate" => Some(Verdict::Duplicate),
        "conflict" => Some(Verdict::Conflict),
        other => return Err(format!("no receipt has the verdict {other:?}")),
    };
    if one.seq == 0 || verdict.is_some() != one.original_seq.is_some() {
        return Err("seq and original_seq must be there, and are 1 or more".into());
    }
    Ok(Record {
        seq: Seq::new(one.seq),
        line,
        verdict,
        original_seq: Seq::new(one.original_seq.unwrap_or(0)),
        payload: PayloadDigest(payload),
        topic: topic.as_ref().into(),
        source: source.into(),
        event_id: event_id.as_ref().into(),
    })
}

fn hex_16(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if text.len() != 32 {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(digits[0])? * 16 + digit(digits[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = r#"{"log_id":"000102030405060708090a0b0c0d0e0f","topic":"a\"b","event_id":"id","payload_digest":"ff0102030405060708090a0b0c0d0e0f","verdict":"duplicate","seq":7,"original_seq":1}"#;

    fn parsed(text: &str) -> Result<Vec<(Record, Option<LogId>)>, String> {
        let mut records = Vec::new();
        parse(text.as_bytes(), 3, |record, log_id| {
            records.push((record, log_id));
        })?;
        Ok(records)
    }

    #[test]
    fn a_saved_receipt_and_a_whole_answer_say_the_same() {
        let saved = parsed(SAVED).expect("a receipt");
        let (_, one) = SAVED.split_once(',').expect("its members");
        let answer = format!(r#"{{"status":"ok","received":2,"receipts":[{{{one},{{{one}]}}"#);
        let answered = parsed(&answer).expect("an answer");
        let [(record, Some(log_id))] = saved.as_slice() else {
            panic!("one with its log: {saved:?}");
        };
        assert_eq!(log_id.0[15], 15);
        assert_eq!((record.line, &*record.topic), (3, "a\"b"));
        assert_eq!(answered, [(record.clone(), None), (record.clone(), None)]);
    }

    #[test]
    fn what_is_no_receipt_is_told_with_what_is_wrong() {
        let changed = |from: &str, to: &str| SAVED.replacen(from, to, 1);
        for (text, words) in [
            ("", "neither a saved receipt nor"),
            ("nonsense", "neither a saved receipt nor"),
            (r#"{"code":"disk_full"}"#, "neither a saved receipt nor"),
            (&SAVED[..SAVED.len() - 3], "neither a saved receipt nor"),
            (&changed("000102", "00010"), "log_id is not"),
            (&changed("ff01", "zz01"), "payload_digest is not"),
            (
                &changed("duplicate", "lost"),
                "no receipt has the verdict \"lost\"",
            ),
            (&changed(":7", ":0"), "seq and original_seq"),
            (&changed(":1}", ":null}"), "seq and original_seq"),
            (&changed("duplicate", "pending"), "seq and original_seq"),
            (
                &changed("\"id\"", &format!("{:?}", "x".repeat(257))),
                "longer than 256",
            ),
            (r#"{"received":1,"receipts":[]}"#, "with ?receipts=all"),
            (
                r#"{"received":1,"receipts":[{"index":0,"verdict":"stored","seq":1,"original_seq":1}]}"#,
                "with ?receipts=all",
            ),
        ] {
            let error = parsed(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        assert_eq!(parsed(r#"{"received":0,"receipts":[]}"#), Ok(Vec::new()));
    }
}
