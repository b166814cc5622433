//! What `oncelog dump --json` and `GET /events` have shown, as it is sent again: without what the
//! server adds to an event.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::check::Fault;

/// How such texts begin. No event that is published begins so: these are no members of one.
const BEGINNINGS: [&[u8]; 2] = [b"{\"seq\":", b"{\"damage\":"];

#[derive(Deserialize)]
struct Shown<'t> {
    damage: Option<IgnoredAny>,
    verdict: Option<Cow<'t, str>>,
    erased: Option<bool>,
    payload_base64: Option<IgnoredAny>,
    #[serde(borrow, default, deserialize_with = "as_it_is")]
    topic: Option<&'t RawValue>,
    #[serde(borrow, default, deserialize_with = "as_it_is")]
    event_id: Option<&'t RawValue>,
    #[serde(borrow, default, deserialize_with = "as_it_is")]
    source: Option<&'t RawValue>,
    #[serde(borrow, default, deserialize_with = "as_it_is")]
    timestamp: Option<&'t RawValue>,
    #[serde(borrow, default, deserialize_with = "as_it_is")]
    payload: Option<&'t RawValue>,
}

/// A null too is a value.
fn as_it_is<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// The event in a text, if that was shown by a dump; else the text as it is.
///
/// # Errors
/// It tells of something that cannot be sent.
pub(super) fn as_sent(text: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    if !BEGINNINGS.iter().any(|start| text.starts_with(start)) {
        return Ok(Cow::Borrowed(text));
    }
    // What is wrong with it is said elsewhere.
    let shown = std::str::from_utf8(text).ok();
    let Some(shown) = shown.and_then(|text| serde_json::from_str::<Shown<'_>>(text).ok()) else {
        return Ok(Cow::Borrowed(text));
    };
    if shown.damage.is_some() {
        return Err(cannot("damage", "a dump says here that its log is damaged"));
    }
    if shown.erased == Some(true) {
        return Err(cannot(
            "erased",
            "a dump shows an event without its payload",
        ));
    }
    if shown.payload_base64.is_some() {
        let detail = "a payload of bytes cannot be published as JSON";
        return Err(cannot("bytes_payload", detail));
    }
    if shown.verdict.as_deref() == Some("lost") {
        return Err(cannot("lost", "a dump says here that events are lost"));
    }
    let members = [
        ("topic", shown.topic),
        ("event_id", shown.event_id),
        ("source", shown.source),
        ("timestamp", shown.timestamp),
        ("payload", shown.payload),
    ];
    let mut event = Vec::with_capacity(text.len());
    for (name, value) in members {
        if let Some(value) = value {
            event.push(if event.is_empty() { b'{' } else { b',' });
            event.extend_from_slice(format!("\"{name}\":").as_bytes());
            event.extend_from_slice(value.get().as_bytes());
        }
    }
    if event.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    event.push(b'}');
    Ok(Cow::Owned(event))
}

fn cannot(code: &'static str, detail: &str) -> Fault {
    Fault {
        code,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str) -> String {
        let sent = as_sent(text.as_bytes()).expect("it can be sent");
        String::from_utf8(sent.into_owned()).expect("UTF-8")
    }

    #[test]
    fn what_the_server_adds_is_left_out_and_nothing_else_is_touched() {
        let shown = r#"{"seq":9,"topic":"a\"b","event_id":"\u00fc","source":"","timestamp":null,"payload":{ "b":1.0, "a":"\ud800", "n":1e999 },"received_at":"2023-11-14T22:13:20.000042Z","verdict":"conflict","original_seq":4,"unproven":true}"#;
        let event = r#"{"topic":"a\"b","event_id":"\u00fc","source":"","timestamp":null,"payload":{ "b":1.0, "a":"\ud800", "n":1e999 }}"#;
        assert_eq!(sent(shown), event);
        let null = r#"{"seq":9,"topic":"t","event_id":"1","payload":null,"verdict":"stored"}"#;
        let event = r#"{"topic":"t","event_id":"1","payload":null}"#;
        assert_eq!(sent(null), event);
        for text in [
            r#"{"topic":"t","event_id":"1","payload":{"seq":1,"verdict":"lost"}}"#,
            r#"{"seq":1,"seq":"#,
            r#"{"seq":1,"topic":"t","topic":"t"}"#,
            r#"{"seq":1}"#,
            "7",
        ] {
            assert_eq!(sent(text), text);
        }
    }

    #[test]
    fn what_is_no_event_is_refused_by_name() {
        for (text, code) in [
            (r#"{"damage":{"kind":"missing","first_seq":4}}"#, "damage"),
            (r#"{"seq":4,"last_seq":9,"verdict":"lost"}"#, "lost"),
            (
                r#"{"seq":4,"topic":"t","verdict":"stored","original_seq":4,"erased":true}"#,
                "erased",
            ),
            (
                r#"{"seq":4,"topic":"t","event_id":"1","payload_base64":"Zg=="}"#,
                "bytes_payload",
            ),
        ] {
            let fault = as_sent(text.as_bytes()).expect_err("no event");
            assert_eq!(fault.code, code);
        }
    }
}
