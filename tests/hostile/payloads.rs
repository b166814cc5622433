//! Payloads are any JSON: what is made to be expensive to keep or to compare is kept byte for byte
//! and compared in time, and what looks alike is not taken for the same.

use serde_json::Value;

use crate::bodies::{BODY_BYTES_MAX, with_payload};
use crate::bystander::Bystander;
use crate::target::Target;

/// A character that takes the most bytes to write, in both spellings of its digits.
const ESCAPE: &str = r"\u001f";
const OTHER_ESCAPE: &str = r"\u001F";

/// The verdict on an event with this id and payload.
fn verdict(target: &Target, id: &str, payload: &str) -> String {
    let receipt = target.takes("receipts=all", with_payload(id, payload));
    let verdict = receipt["receipts"][0]["verdict"].as_str();
    verdict.expect("a verdict").to_owned()
}

/// The payload of the first event with this id, as it is shown.
fn shown(target: &Target, seq: &Value) -> String {
    let text = target.server().get(&format!("/events/{seq}")).text;
    let (_, rest) = text.split_once("\"payload\":").expect("a payload");
    let (payload, _) = rest.rsplit_once(",\"received_at\"").expect("its end");
    payload.to_owned()
}

#[test]
fn large_payloads_in_other_words_are_compared_while_others_are_served() {
    compare(4 << 20);
}

#[test]
#[ignore = "takes long without optimisation"]
fn the_largest_payloads_in_other_words_are_compared_while_others_are_served() {
    compare(BODY_BYTES_MAX - 100);
}

fn compare(string_bytes: usize) {
    // Everybody waits for their verdicts while one is compared.
    let target = Target::with(&["--verdict-wait", "60s"]);
    let bystander = Bystander::start(&target);
    let digits = "7".repeat(1 << 20);
    let zeros = "0".repeat(1 << 20);
    let escapes = ESCAPE.repeat(string_bytes / ESCAPE.len());
    let nested = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(128), close.repeat(128))
    };
    let members = |order: &dyn Fn(u32) -> u32| {
        let members: Vec<String> = (0..100_000)
            .map(|no| format!("\"{:07}\":0", order(no)))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    for (id, first, same, other) in [
        (
            "a long number",
            digits.clone(),
            format!("{digits}.{zeros}e-0"),
            format!("{digits}8"),
        ),
        (
            "a long fraction",
            format!("0.{digits}"),
            format!("{digits}e-{}", digits.len()),
            format!("{digits}e-{}", digits.len() + 1),
        ),
        (
            "a long exponent",
            format!("1e{digits}"),
            format!("10e{}6", &digits[1..]),
            format!("1e-{digits}"),
        ),
        (
            "many zeros",
            format!("0.{zeros}"),
            format!("-0e{digits}"),
            format!("0.{zeros}1"),
        ),
        (
            "many escapes",
            format!("\"{escapes}\""),
            format!("\"{}\"", escapes.replace(ESCAPE, OTHER_ESCAPE)),
            format!("\"{}\"", &escapes[ESCAPE.len()..]),
        ),
        (
            "many members",
            members(&|no| no),
            members(&|no| 99_999 - no),
            members(&|no| no + 1),
        ),
        (
            "deep",
            nested("[", "1", "]"),
            nested("[ ", "1.0", "]"),
            nested("[", "2", "]"),
        ),
    ] {
        assert_eq!(verdict(&target, id, &first), "stored", "{id}");
        assert_eq!(verdict(&target, id, &same), "duplicate", "{id}");
        assert_eq!(verdict(&target, id, &other), "conflict", "{id}");
    }
    bystander.end();
}

#[test]
fn payloads_that_only_look_alike_are_conflicts() {
    let target = Target::start();
    for (id, first, other) in [
        ("normalisation", r#"{"é":1}"#, "{\"e\u{301}\":1}"),
        ("normalised value", "\"é\"", "\"e\u{301}\""),
        ("case", r#"{"a":1}"#, r#"{"A":1}"#),
        (
            "precision",
            "10000000000000000000001",
            "10000000000000000000002",
        ),
        ("float", "0.1", "0.1000000000000000055511151231257827"),
        ("kind", "1", "\"1\""),
        ("nothing", "null", "{}"),
        ("order of elements", "[1,2]", "[2,1]"),
        ("lone surrogate", r#""\ud800""#, r#""\ufffd""#),
        (
            "two lone surrogates",
            r#""\ud800\ud800""#,
            r#""\ud800\udc00""#,
        ),
        (
            "a member twice, its order",
            r#"{"a":1,"a":2}"#,
            r#"{"a":2,"a":1}"#,
        ),
        ("a member twice, once", r#"{"a":1,"a":1}"#, r#"{"a":1}"#),
    ] {
        assert_eq!(verdict(&target, id, first), "stored", "{id}");
        assert_eq!(verdict(&target, id, other), "conflict", "{id}");
        assert_eq!(verdict(&target, id, first), "duplicate", "{id}");
    }
}

#[test]
fn ids_that_only_look_alike_are_different_events() {
    let target = Target::start();
    for id in [
        "é",
        "e\u{301}",
        "É",
        "e",
        "a",
        "A",
        "а",
        "1",
        "01",
        "1.0",
        " 1",
        "1 ",
        "\u{200b}1",
    ] {
        assert_eq!(verdict(&target, id, "1"), "stored", "{id:?}");
    }
    let escaped = verdict(&target, "\\u00e9", "1");
    assert_eq!(escaped, "duplicate", "an escape is only a spelling");
}

#[test]
fn payloads_are_kept_byte_for_byte_whatever_they_hold() {
    let target = Target::start();
    for (no, payload) in [
        r#"{"a":1,"a":2}"#,
        r#"{ "b" : [ 1.0 , 1e0 ] }"#,
        r#""\ud83d\ude00 \u0000 \/ \u00e9""#,
        "-0.0e-00",
        "[\r\n\t 1 ]",
        r#"{"__proto__":{"x":1},"":null}"#,
        "\"\u{2028}\u{feff}\u{10ffff}\"",
        r#""</script><!--""#,
    ]
    .iter()
    .enumerate()
    {
        let receipt = target.takes("", with_payload(&no.to_string(), payload));
        assert_eq!(shown(&target, &receipt["first_seq"]), *payload);
    }
    let all = target.server().get("/events?topic=a");
    assert_eq!(
        all.json().as_array().map(Vec::len),
        Some(8),
        "one JSON text"
    );
}
