//! What is wrong, and where it is said to be.

use super::super::{InvalidEvents, PublishRefusal, PublishSyntaxError, parse_publish};
use super::{GOOD, errors, parse, skip, syntax_code};
use crate::event::EventLimits;

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
fn one_bad_event_refuses_all_and_every_error_is_counted() {
    let bad = vec!["{}"; 50].join(",");
    let body = format!("[{GOOD},{bad},{GOOD}]");
    let Err(PublishRefusal::Events(refused)) = parse(&body) else {
        panic!("taken");
    };
    let errors = refused.errors().expect("errors");
    assert_eq!((errors.listed().len(), errors.total()), (100, 150));
}
