//! Too many, too large, too deep, too long.

use super::super::{InvalidEvents, PublishRefusal, parse_publish};
use super::{GOOD, errors, events, parse, skip, syntax_code};
use crate::event::{EventLimits, RefusedEvents};

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
