//! What is taken, and as what.

use std::borrow::Cow;

use super::{GOOD, errors, events, parse, skip, syntax_code};
use crate::event::{Event, PayloadKind};

#[test]
fn the_three_shapes_of_a_body_give_the_same_events() {
    let expected = Event {
        topic: "t".into(),
        event_id: "1".into(),
        source: "".into(),
        timestamp: None,
        kind: PayloadKind::Json,
        payload: b"1",
        attributes: Vec::new(),
    };
    for body in [
        GOOD.to_owned(),
        format!("[{GOOD}]"),
        format!(" {{ \"events\" : [ {GOOD} ] }}\r\n\t"),
    ] {
        assert_eq!(events(&body), std::slice::from_ref(&expected), "{body}");
    }
}

#[test]
fn a_payload_keeps_its_bytes_and_not_the_space_around() {
    for payload in [
        "null",
        "0.10e+01",
        "\"\\u0041\\/\\ud800\"",
        "[ 1 ,\n2 ]",
        "{ \"a\":1, \"a\" : 2 }",
        "\"é\"",
        "{}",
        r#"{"topic":"x","topic":"y","events":[]}"#,
    ] {
        let body = format!("{{\"payload\" :\t {payload} \n,\"topic\":\"t\",\"event_id\":\"1\"}}");
        assert_eq!(events(&body)[0].payload, payload.as_bytes());
    }
}

#[test]
fn strings_are_borrowed_unless_escapes_need_resolving() {
    let body = r#"{"topic":"\u0074\ud83d\ude00","event_id":"é","source":"s","timestamp":"2024-05-01T00:00:00","payload":1}"#;
    let event = &events(body)[0];
    assert_eq!(event.topic, "t😀");
    assert!(matches!(event.topic, Cow::Owned(_)));
    for borrowed in [&event.event_id, &event.source] {
        assert!(matches!(borrowed, Cow::Borrowed(_)), "{borrowed}");
    }
    assert_eq!(event.timestamp.as_deref(), Some("2024-05-01T00:00:00"));
}

#[test]
fn escaped_names_are_the_same_names() {
    let body = r#"{"\u0074opic":"t","event\u005Fid":"1","p\u0061yload":1}"#;
    assert_eq!(events(body), events(GOOD));
    assert_eq!(
        events(&format!(r#"{{"\u0065vents":[{GOOD}]}}"#)),
        events(GOOD)
    );
    let twice = br#"{"topic":"t","event_id":"1","payload":1,"\u0074opic":"t"}"#;
    assert_eq!(syntax_code(twice), "duplicate_member");
}

#[test]
fn null_is_absent_where_absent_is_allowed() {
    let body = r#"{"topic":"t","event_id":"1","source":null,"timestamp":null,"payload":1}"#;
    assert_eq!(events(body), events(GOOD));
    assert_eq!(
        errors(r#"{"topic":null,"event_id":null,"payload":null}"#),
        ["0 /topic wrong_type", "0 /event_id wrong_type"]
    );
}

#[test]
fn skipping_keeps_the_good_and_tells_where_they_stood() {
    let other = r#"{"topic":"t","event_id":"2","payload":2}"#;
    let body = format!(r#"[5,{GOOD},{{"topic":"t"}},{other},{{}}]"#);
    let parsed = skip(&body).expect("two are good");
    let ids: Vec<_> = parsed
        .batch()
        .events()
        .iter()
        .map(|event| event.event_id.as_ref())
        .collect();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!((parsed.sent(), parsed.refused_count()), (5, 3));
    assert_eq!((parsed.sent_index(0), parsed.sent_index(1)), (1, 3));
    assert_eq!(parsed.refused_indexes().collect::<Vec<_>>(), [0, 2, 4]);
    assert_eq!(parsed.refused().total(), 1 + 2 + 3);
    assert_eq!(parsed.refused().listed()[0].pointer, "/0");

    let all = format!("[{GOOD},{other}]");
    for parsed in [skip(&all), parse(&all)] {
        let parsed = parsed.expect("both are good");
        assert_eq!((parsed.sent(), parsed.refused_count()), (2, 0));
        assert_eq!((parsed.sent_index(0), parsed.sent_index(1)), (0, 1));
        assert_eq!(parsed.refused_indexes().count(), 0);
    }
    let none = skip("[5,{}]").expect_err("none is good");
    assert_eq!(none.code(), "invalid_events");
}
