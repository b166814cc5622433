//! Events as they stand in answers: the payload byte for byte as it was sent.

use jiff::Timestamp;

use super::LoggedEvent;
use super::json::{push_number, push_string};
use super::verdict::{push_original, verdict_name};
use crate::event::PayloadKind;

/// Writes events, one after the other. Events of a batch came in at the same moment,
/// whose text is kept from one to the next.
#[derive(Debug, Default)]
pub struct EventWriter {
    received: TimeText,
}

/// What to write of an event.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Show {
    /// Of a stored event, where no other can be.
    Stored,
    /// Also what became of it.
    WithVerdict,
    /// What became of it, and not its payload.
    VerdictOnly,
}

impl EventWriter {
    /// Appends one event as a JSON object.
    pub fn push(&mut self, out: &mut Vec<u8>, logged: &LoggedEvent<'_>, show: Show) {
        let event = &logged.event;
        out.extend_from_slice(b"{\"seq\":");
        push_number(out, logged.judged.seq.get());
        out.extend_from_slice(b",\"topic\":");
        push_string(out, &event.topic);
        out.extend_from_slice(b",\"event_id\":");
        push_string(out, &event.event_id);
        out.extend_from_slice(b",\"source\":");
        push_string(out, &event.source);
        out.extend_from_slice(b",\"timestamp\":");
        match &event.timestamp {
            Some(timestamp) => push_string(out, timestamp),
            None => out.extend_from_slice(b"null"),
        }
        if show != Show::VerdictOnly {
            push_payload(out, event.kind, event.payload);
        }
        out.extend_from_slice(b",\"received_at\":\"");
        out.extend_from_slice(self.received.of(logged.received_at).as_bytes());
        out.push(b'"');
        if show != Show::Stored {
            out.extend_from_slice(b",\"verdict\":\"");
            out.extend_from_slice(verdict_name(Some(logged.judged.verdict)).as_bytes());
            out.extend_from_slice(b"\",\"original_seq\":");
            push_original(out, logged.judged.original_seq);
        }
        out.push(b'}');
    }
}

/// A time as text, kept while the same one comes again: that of all events of a batch.
#[derive(Debug, Default)]
pub struct TimeText(Option<(i64, String)>);

impl TimeText {
    /// The text of this time, in µs UTC; see [`rfc3339`].
    pub fn of(&mut self, micros: i64) -> &str {
        if self.0.as_ref().is_none_or(|(known, _)| *known != micros) {
            self.0 = Some((micros, rfc3339(micros)));
        }
        self.0.as_ref().map_or("", |(_, text)| text)
    }
}

/// RFC 3339 in UTC, with `Z` and microseconds. A time beyond the year 9999, which only a
/// broken clock gives, is shown as the last one that has a text.
pub fn rfc3339(micros: i64) -> String {
    let time = Timestamp::from_microsecond(micros);
    let time = time.unwrap_or(if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    format!("{time:.6}")
}

fn push_payload(out: &mut Vec<u8>, kind: PayloadKind, payload: &[u8]) {
    match kind {
        PayloadKind::Json => {
            out.extend_from_slice(b",\"payload\":");
            out.extend_from_slice(payload);
        }
        PayloadKind::Bytes => {
            out.extend_from_slice(b",\"payload_base64\":\"");
            push_base64(out, payload);
            out.push(b'"');
        }
    }
}

/// RFC 4648 with padding.
fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            out.push(if digit > group.len() {
                b'='
            } else {
                ALPHABET[value as usize]
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::event::{Event, Seq};
    use crate::index::fold::{Judged, Verdict};

    #[test]
    fn a_payload_is_passed_on_byte_for_byte() {
        let payload = br#"{ "b":1.0,  "a":"\u0041", "a":null }"#;
        let logged = LoggedEvent {
            judged: Judged {
                seq: Seq::new(9),
                verdict: Verdict::Conflict,
                original_seq: Seq::new(4),
            },
            received_at: 1_700_000_000_000_042,
            event: &Event {
                topic: Cow::Borrowed("a\"b"),
                event_id: Cow::Borrowed("ü"),
                source: Cow::Borrowed(""),
                timestamp: None,
                kind: PayloadKind::Json,
                payload,
                attributes: Vec::new(),
            },
        };
        let mut out = Vec::new();
        let mut writer = EventWriter::default();
        writer.push(&mut out, &logged, Show::WithVerdict);
        assert_eq!(
            String::from_utf8(out).expect("UTF-8"),
            concat!(
                r#"{"seq":9,"topic":"a\"b","event_id":"ü","source":"","timestamp":null,"#,
                r#""payload":{ "b":1.0,  "a":"\u0041", "a":null },"#,
                r#""received_at":"2023-11-14T22:13:20.000042Z","verdict":"conflict","original_seq":4}"#
            )
        );
        let mut out = Vec::new();
        writer.push(&mut out, &logged, Show::VerdictOnly);
        assert!(!String::from_utf8(out).expect("UTF-8").contains("payload"));
    }

    #[test]
    fn times_have_six_digits_even_when_they_are_zeros() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(1_500_000), "1970-01-01T00:00:01.500000Z");
        assert!(rfc3339(i64::MAX).ends_with('Z'));
        assert!(rfc3339(i64::MIN).ends_with('Z'));
    }

    #[test]
    fn base64_is_the_one_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            push_base64(&mut out, bytes.as_bytes());
            assert_eq!(out, text.as_bytes());
        }
        let mut out = Vec::new();
        push_base64(&mut out, &[0xff, 0xef, 0xbe]);
        assert_eq!(out, b"/+++");
    }
}
