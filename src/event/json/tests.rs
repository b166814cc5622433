use std::borrow::Cow;

use super::{InvalidEvents, ParsedBatch, PublishRefusal, PublishSyntaxError, parse_publish};
use crate::event::{Event, EventLimits, PayloadKind, RefusedEvents};

fn parse(body: &str) -> Result<ParsedBatch<'_>, PublishRefusal> {
    parse_publish(
        body.as_bytes(),
        &EventLimits::default(),
        InvalidEvents::Refuse,
    )
}

fn skip(body: &str) -> Result<ParsedBatch<'_>, PublishRefusal> {
    parse_publish(
        body.as_bytes(),
        &EventLimits::default(),
        InvalidEvents::Skip,
    )
}

fn events(body: &str) -> Vec<Event<'_>> {
    match parse(body) {
        Ok(parsed) => parsed.batch().events().to_vec(),
        Err(refusal) => panic!("{body}: {refusal}"),
    }
}

fn syntax_code(body: &[u8]) -> &'static str {
    match parse_publish(body, &EventLimits::default(), InvalidEvents::Skip) {
        Err(PublishRefusal::Syntax(error)) => error.code(),
        other => panic!("{}: {other:?}", String::from_utf8_lossy(body)),
    }
}

/// `index pointer code` of each error.
fn errors(body: &str) -> Vec<String> {
    match parse(body) {
        Err(PublishRefusal::Events(refused)) => listed(&refused),
        other => panic!("{body}: {other:?}"),
    }
}

fn listed(refused: &RefusedEvents) -> Vec<String> {
    let Some(errors) = refused.errors() else {
        return vec![refused.code().to_owned()];
    };
    let one = |error: &crate::event::EventError| {
        let index = error
            .index
            .map_or("-".to_owned(), |index| index.to_string());
        format!("{index} {} {}", error.pointer, error.code)
    };
    errors.listed().iter().map(one).collect()
}

const GOOD: &str = r#"{"topic":"t","event_id":"1","payload":1}"#;

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
fn a_malformed_body_is_a_matter_of_syntax_whatever_its_events_are() {
    for (body, code) in [
        (&b""[..], "empty_body"),
        (b" \r\n\t", "empty_body"),
        (b"\xef\xbb\xbf[]", "invalid_json"),
        (b"\xef\xbb\xbf", "invalid_json"),
        (b"[\"\xff\"]", "invalid_utf8"),
        (b"[\"\xed\xa0\x80\"]", "invalid_utf8"),
        (b"[]\xff", "invalid_utf8"),
        (b"NaN", "invalid_json"),
        (b"[1]]", "invalid_json"),
        (b"{\"topic\":5} x", "invalid_json"),
        (b"[{\"topic\":5},{\"topic\":01}]", "invalid_json"),
        (b"[{\"topic\":5},", "invalid_json"),
        (b"{\"topic\":\"a\nb\"}", "invalid_json"),
        (b"{\"payload\":{\"a\":[NaN]}}", "invalid_json"),
        (b"{\"events\":[]", "invalid_json"),
        (b"{\"events\":[{}]]", "invalid_json"),
        (b"{\"events\":[],\"events\":[]}", "duplicate_member"),
        (b"{\"events\":1,\"events\":[]}", "duplicate_member"),
        (b"{\"topic\":1,\"topic\":1}", "duplicate_member"),
        (b"{\"a\":1,\"b\":1,\"\\u0061\":1}", "duplicate_member"),
        (b"{\"\":1,\"\":1}", "duplicate_member"),
        (
            b"{\"events\":[{\"payload\":1,\"payload\":1}]}",
            "duplicate_member",
        ),
        (b"[{\"events\":[],\"events\":[]}]", "duplicate_member"),
        (b"[5,{\"payload\":1,\"payload\":1}]", "duplicate_member"),
    ] {
        assert_eq!(syntax_code(body), code, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_fault_in_the_syntax_is_shown_where_it_is() {
    let refusal = parse("[{\"topic\":\"é\",\n \"event_id\": nul}]").expect_err("malformed");
    assert_eq!(
        refusal.to_string(),
        "the body is not JSON at byte 29 (line 2, column 14): expected a value, found `n`"
    );
    let refusal = parse("{\"a\": 1, \"a\"").expect_err("malformed");
    assert_eq!(
        refusal.to_string(),
        "the body is not JSON at byte 12 (line 1, column 13): expected `:`, found the end of the body"
    );
    let refusal = parse("{\"a\":1,\n\"a\":2}").expect_err("a member twice");
    assert_eq!(
        refusal.to_string(),
        "the member `a` is there twice, the second time before byte 12 (line 2, column 5)"
    );
    let refusal = parse_publish(b"\"ab\xff", &EventLimits::default(), InvalidEvents::Refuse);
    assert_eq!(
        refusal,
        Err(PublishSyntaxError::InvalidUtf8 { offset: 3 }.into())
    );
}

#[test]
fn faults_of_events_point_into_the_body_as_sent() {
    for (body, expected) in [
        ("5", &["-  wrong_type"][..]),
        ("null", &["-  wrong_type"]),
        ("\"[]\"", &["-  wrong_type"]),
        (
            "{}",
            &[
                "0 /topic missing_field",
                "0 /event_id missing_field",
                "0 /payload missing_field",
            ],
        ),
        (
            "[5,null,[]]",
            &["0 /0 wrong_type", "1 /1 wrong_type", "2 /2 wrong_type"],
        ),
        (r#"{"events":[[]]}"#, &["0 /events/0 wrong_type"]),
        (r#"{"events":5}"#, &["- /events wrong_type"]),
        (r#"{"events":null}"#, &["- /events wrong_type"]),
        (r#"{"events":{}}"#, &["- /events wrong_type"]),
        (
            r#"{"topic":5,"event_id":"1","payload":1}"#,
            &["0 /topic wrong_type"],
        ),
        (
            r#"[{"topic":"t","event_id":["1"],"payload":1}]"#,
            &["0 /0/event_id wrong_type"],
        ),
        (
            r#"{"events":[{"topic":"t","event_id":"","payload":1}]}"#,
            &["0 /events/0/event_id invalid_event_id"],
        ),
        (
            r#"{"topic":"t","event_id":"1","payload":1,"a/b~c":1,"":1}"#,
            &["0 /a~1b~0c unknown_field", "0 / unknown_field"],
        ),
        (
            r#"[{"topic":"t","event_id":"1","payload":1,"events":[]}]"#,
            &["0 /0/events unknown_field"],
        ),
        (
            r#"{"topic":"a\u0000","event_id":"\ud800","source":"\udfff","timestamp":"\ud800","payload":1}"#,
            &[
                "0 /event_id invalid_event_id",
                "0 /source invalid_source",
                "0 /timestamp invalid_timestamp",
                "0 /topic invalid_topic",
            ],
        ),
        (
            r#"{"topic":"t","event_id":"1","source":1,"timestamp":1,"payload":1}"#,
            &["0 /source wrong_type", "0 /timestamp wrong_type"],
        ),
        (
            r#"{"topic":"t","event_id":"1","payload":1,"\ud800":1}"#,
            &["0  unknown_field"],
        ),
    ] {
        assert_eq!(errors(body), expected, "{body}");
    }
}

#[test]
fn an_envelope_has_events_and_nothing_else_in_either_mode_and_order() {
    for body in [
        format!(r#"{{"events":[{GOOD}],"topic":"t"}}"#),
        format!(r#"{{"topic":"t","events":[{GOOD}]}}"#),
    ] {
        assert_eq!(errors(&body), ["- /topic unknown_field"]);
        assert!(
            skip(&body).is_err(),
            "the envelope is no event that could be skipped"
        );
    }
    assert_eq!(
        errors(r#"{"x":1,"events":[5]}"#),
        ["- /x unknown_field", "0 /events/0 wrong_type"]
    );
}

#[test]
fn a_batch_without_events_or_with_too_many_is_refused_as_that() {
    for body in ["[]", "[ ]", r#"{"events":[]}"#] {
        assert_eq!(errors(body), ["empty_batch"], "{body}");
        assert!(skip(body).is_err());
    }
    let limits = EventLimits {
        events_per_batch: 2,
        ..EventLimits::default()
    };
    for invalid in [InvalidEvents::Refuse, InvalidEvents::Skip] {
        let two = format!("[{GOOD},{GOOD}]");
        assert!(parse_publish(two.as_bytes(), &limits, invalid).is_ok());
        for last in [GOOD, "5", "{}"] {
            let three = format!("{{\"events\":[{GOOD},{GOOD},{last}]}}");
            let refused = RefusedEvents::TooManyEvents { sent: 3, limit: 2 };
            assert_eq!(
                parse_publish(three.as_bytes(), &limits, invalid),
                Err(refused.into())
            );
        }
        // Too many are too many, whatever else is wrong.
        let three = format!("{{\"x\":1,\"events\":[{GOOD},{GOOD},{GOOD}]}}");
        let refusal = parse_publish(three.as_bytes(), &limits, invalid).expect_err("too many");
        assert_eq!(refusal.code(), "too_many_events");
        // What is beyond the limit is still looked at for its syntax.
        for last in ["nul", "{\"a\":1,\"a\":1}"] {
            let three = format!("[{GOOD},{GOOD},{last}]");
            let refusal = parse_publish(three.as_bytes(), &limits, invalid).expect_err("malformed");
            assert!(matches!(refusal, PublishRefusal::Syntax(_)), "{refusal:?}");
        }
    }
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

#[test]
fn one_bad_event_refuses_all_and_every_error_is_counted() {
    let bad = vec!["{}"; 50].join(",");
    let body = format!("[{GOOD},{bad},{GOOD}]");
    let Err(PublishRefusal::Events(refused)) = parse(&body) else {
        panic!("taken");
    };
    let errors = refused.errors().expect("errors");
    assert_eq!((errors.listed().len(), errors.total()), (100, 150));
}

#[test]
fn an_event_too_large_or_too_deep_is_said_to_be_that() {
    let limits = EventLimits {
        event_bytes: 10,
        ..EventLimits::default()
    };
    let of = |payload: &str| format!(r#"{{"topic":"t","event_id":"1","payload":{payload}}}"#);
    for invalid in [InvalidEvents::Refuse, InvalidEvents::Skip] {
        assert!(parse_publish(of("12345678").as_bytes(), &limits, invalid).is_ok());
        let body = of("123456789");
        let refusal = parse_publish(body.as_bytes(), &limits, invalid).expect_err("too large");
        assert_eq!(refusal.code(), "event_too_large");
    }
    for (levels, is_allowed) in [(128, true), (129, false), (100_000, false)] {
        for (open, close) in [("[", "]"), ("{\"a\":[", "]}")] {
            let levels = levels / open.len().min(2);
            let levels = if open == "[" || is_allowed {
                levels
            } else {
                levels + 1
            };
            let body = of(&(open.repeat(levels) + &close.repeat(levels)));
            match is_allowed {
                true => assert_eq!(events(&body).len(), 1),
                false => assert_eq!(errors(&body), ["0 /payload payload_too_deep"]),
            }
        }
    }
    let unclosed = of(&"[".repeat(100_000));
    assert_eq!(syntax_code(unclosed.as_bytes()), "invalid_json");
    let elsewhere = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(errors(&elsewhere), ["0 /0 wrong_type"]);
}

#[test]
fn an_endless_name_does_not_make_an_endless_answer() {
    let name = "é/".repeat(100_000);
    let body = format!(r#"[{{"topic":"t","event_id":"1","payload":1,"{name}":1}}]"#);
    let Err(PublishRefusal::Events(refused)) = parse(&body) else {
        panic!("taken");
    };
    let error = &refused.errors().expect("errors").listed()[0];
    assert_eq!(error.pointer, "/0");
    assert!(error.detail.len() < 300, "{}", error.detail);
    let twice = format!(r#"{{"{name}":1,"{name}":1}}"#);
    assert!(parse(&twice).expect_err("twice").to_string().len() < 400);
}

#[test]
fn very_many_unknown_members_are_counted_and_the_repeated_ones_found() {
    let many: Vec<_> = (0..5_000)
        .map(|number| format!("\"m{number}\":0"))
        .collect();
    let body = format!("{{{}}}", many.join(","));
    let Err(PublishRefusal::Events(refused)) = parse(&body) else {
        panic!("taken");
    };
    let errors = refused.errors().expect("errors");
    assert_eq!((errors.listed().len(), errors.total()), (100, 5_003));
    let repeated = format!("{{{},\"m4321\":1}}", many.join(","));
    assert_eq!(syntax_code(repeated.as_bytes()), "duplicate_member");
}
