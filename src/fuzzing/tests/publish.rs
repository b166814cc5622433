//! Bodies that are nearly right.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::changes::{changed, changes};
use super::{real, try_on_corpus};
use crate::fuzzing::publish;

fn small_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "é\"\\", "2024-05-01T12:34:56Z"]).prop_map(Value::from),
        1 => prop::sample::select(vec![
            json!(null), json!(5), json!(""), json!("\n"), json!([]), json!({"a": [1, {"topic": 2}]}),
            json!(true), json!(-1.5e300), json!("x".repeat(257)),
        ]),
    ]
}

/// An event as a publisher sends it: most are good, some lack or have what they should not.
fn event() -> impl Strategy<Value = String> {
    let members = (
        prop::option::weighted(0.95, small_value()),
        prop::option::weighted(0.95, small_value()),
        prop::option::weighted(0.95, small_value()),
        prop::option::weighted(0.3, small_value()),
        prop::option::weighted(0.3, Just(json!("2024-05-01 12:34:56+02:00"))),
        prop::option::weighted(0.05, small_value()),
        prop::option::weighted(0.03, small_value()),
    );
    let shuffled = members
        .prop_map(
            |(topic, event_id, payload, source, timestamp, unknown, again)| {
                let named = [
                    ("topic", topic),
                    ("event_id", event_id),
                    ("payload", payload),
                    ("source", source),
                    ("timestamp", timestamp),
                    ("unknown", unknown),
                    ("t\\u006fpic", again),
                ];
                let present = named
                    .into_iter()
                    .filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)));
                present.collect::<Vec<_>>()
            },
        )
        .prop_shuffle();
    prop_oneof![
        20 => shuffled.prop_map(|members| format!("{{{}}}", members.join(", "))),
        1 => small_value().prop_map(|value| value.to_string()),
    ]
}

fn body() -> impl Strategy<Value = String> {
    let list = || prop::collection::vec(event(), 0..=5);
    prop_oneof![
        2 => event(),
        3 => list().prop_map(|events| format!("[{}]", events.join(" ,"))),
        3 => list().prop_map(|events| format!("{{\"events\":[{}]}}", events.join(","))),
        1 => (event(), event()).prop_map(|(a, b)| format!("{{\"x\":1,\"events\":[{a},{b}]}}")),
        1 => (event(), small_value()).prop_map(|(a, b)| format!("{{\"events\":[{a}],\"topic\":{b}}}")),
    ]
}

/// Replaces, inserts or removes a few characters, or inserts more than one.
fn mutated(body: &str, edits: &[(Index, u8, &'static str)]) -> String {
    let mut chars: Vec<char> = body.chars().collect();
    for (place, edit, text) in edits {
        let place = place.index(chars.len().max(1)).min(chars.len());
        let replaced = usize::from(*edit != 1).min(chars.len() - place);
        let new = if *edit == 2 { "" } else { text };
        chars.splice(place..place + replaced, new.chars());
    }
    chars.into_iter().collect()
}

#[test]
fn what_the_fuzzer_has_kept_holds() {
    try_on_corpus("publish", publish);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_is_judged_as_by_the_strict_reader(body in body()) {
        publish(body.as_bytes());
    }

    #[test]
    fn a_damaged_body_is_judged_as_by_the_strict_reader(
        body in body(),
        edits in prop::collection::vec((
            any::<Index>(),
            0..3u8,
            prop::sample::select(vec![
                "{", "}", "[", "]", "\"", ",", ":", "\\", "u", "e", "0", "1", "5", "9", "-", ".", " ", "\n",
                "\u{1}", "é", "t", "n", "01", "1.", "-0", "e400", "null", "\\ud800", "\\u0000", "{}", "[[",
                "\"topic\":\"t\",", "\"source\":null,", "\"events\":[],", "\"a\":1,\"a\":1,",
            ]),
        ), 1..4),
    ) {
        publish(mutated(&body, &edits).as_bytes());
    }

    #[test]
    fn changed_real_bodies_are_judged_as_by_the_strict_reader(
        real in any::<Index>(),
        changes in changes(4),
    ) {
        publish(&changed(real.get(&real::bodies()).as_slice(), &changes));
    }

    #[test]
    fn any_bytes_are_judged_as_by_the_strict_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        publish(&bytes);
    }
}
