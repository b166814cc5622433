use std::borrow::Cow;

use crate::event::{
    Attributes, Batch, Event, EventErrorCode, EventLimits, KeyRule, PayloadKind, RefusedEvents,
};

fn event() -> Event<'static> {
    Event {
        topic: Cow::Borrowed("orders"),
        event_id: Cow::Borrowed("1"),
        source: Cow::Borrowed("shop"),
        timestamp: Some(Cow::Borrowed("2024-05-01T12:34:56Z")),
        kind: PayloadKind::Json,
        payload: b"{}",
        attributes: Attributes::new(),
    }
}

fn errors_under(rule: KeyRule, event: Event<'_>) -> Vec<(EventErrorCode, String)> {
    match Batch::new(rule, vec![event], &EventLimits::default()) {
        Ok(_) => Vec::new(),
        Err(refused) => {
            let errors = refused.errors().expect("errors of events").listed();
            errors.iter().map(|e| (e.code, e.pointer.clone())).collect()
        }
    }
}

fn errors(event: Event<'_>) -> Vec<(EventErrorCode, String)> {
    errors_under(KeyRule::TopicAndId, event)
}

type SetName = for<'a> fn(&mut Event<'a>, &'a str);

#[test]
fn names_outside_the_rules_are_refused_each_with_its_code() {
    let members: [(SetName, EventErrorCode, &str, bool); 3] = [
        (
            |e, s| e.topic = s.into(),
            EventErrorCode::InvalidTopic,
            "/0/topic",
            false,
        ),
        (
            |e, s| e.event_id = s.into(),
            EventErrorCode::InvalidEventId,
            "/0/event_id",
            false,
        ),
        (
            |e, s| e.source = s.into(),
            EventErrorCode::InvalidSource,
            "/0/source",
            true,
        ),
    ];
    let longest = "x".repeat(256);
    let longest_of_two_byte_chars = "é".repeat(128);
    let too_long = "x".repeat(257);
    let too_long_of_two_byte_chars = "é".repeat(129);
    for (set, code, pointer, may_be_empty) in members {
        let judged = |name: &str| {
            let mut event = event();
            set(&mut event, name);
            errors(event)
        };
        let refused = vec![(code, pointer.to_owned())];
        for good in [
            "x",
            " ",
            "../../etc",
            "a b/c?d",
            "\u{a0}é\u{200b}",
            &longest,
            &longest_of_two_byte_chars,
        ] {
            assert_eq!(judged(good), [], "{good}");
        }
        for bad in [
            "\0",
            "a\n",
            "\u{1f}",
            "\u{7f}",
            "é\u{80}",
            "\u{9f}",
            &too_long,
            &too_long_of_two_byte_chars,
        ] {
            assert_eq!(judged(bad), refused, "{bad:?}");
        }
        assert_eq!(judged("").is_empty(), may_be_empty);
    }
}

#[test]
fn an_event_without_the_source_that_is_its_key_is_refused() {
    let without = || Event {
        source: Cow::Borrowed(""),
        ..event()
    };
    let missing = (EventErrorCode::MissingField, "/0/source".to_owned());
    assert_eq!(errors_under(KeyRule::SourceAndId, without()), [missing]);
    assert_eq!(errors_under(KeyRule::TopicAndId, without()), []);
    assert_eq!(errors_under(KeyRule::SourceAndId, event()), []);
}

#[test]
fn a_timestamp_that_is_no_time_or_endless_is_refused() {
    let endless = format!("2024-05-01T12:34:56.{}Z", "1".repeat(236));
    let longest = format!("2024-05-01T12:34:56.{}Z", "1".repeat(235));
    let with = |text: &str| {
        let timestamp = Some(Cow::Owned(text.to_owned()));
        errors(Event {
            timestamp,
            ..event()
        })
    };
    let refused = [(EventErrorCode::InvalidTimestamp, "/0/timestamp".to_owned())];
    assert_eq!(with(&longest), []);
    assert_eq!(with(&endless), refused);
    assert_eq!(with(""), refused);
    assert_eq!(with("2023-02-29T00:00:00Z"), refused);
}

#[test]
fn a_payload_of_json_must_be_json_and_of_bytes_need_not() {
    let deepest = "[".repeat(128) + &"]".repeat(128);
    let too_deep = "[".repeat(129) + &"]".repeat(129);
    let cases: [(&[u8], Option<EventErrorCode>); 9] = [
        (b"null", None),
        (deepest.as_bytes(), None),
        (too_deep.as_bytes(), Some(EventErrorCode::PayloadTooDeep)),
        (b"", Some(EventErrorCode::InvalidPayload)),
        (b"nul", Some(EventErrorCode::InvalidPayload)),
        (b"1 2", Some(EventErrorCode::InvalidPayload)),
        (b" 1", Some(EventErrorCode::InvalidPayload)),
        (b"1\n", Some(EventErrorCode::InvalidPayload)),
        (b"\"\xff\"", Some(EventErrorCode::InvalidPayload)),
    ];
    for (payload, code) in cases {
        let found = errors(Event { payload, ..event() });
        assert_eq!(found.first().map(|error| error.0), code, "{payload:?}");
        assert_eq!(
            errors(Event {
                payload,
                kind: PayloadKind::Bytes,
                ..event()
            }),
            []
        );
    }
}

#[test]
fn size_is_the_sum_of_all_members_to_the_byte() {
    let event = Event {
        attributes: vec![(Cow::Borrowed("traceparent"), Cow::Borrowed("00"))],
        ..event()
    };
    let bytes = "orders".len() + 1 + "shop".len() + 20 + 2 + "traceparent".len() + 2;
    let judged = |event_bytes| {
        let limits = EventLimits {
            event_bytes,
            ..EventLimits::default()
        };
        Batch::new(KeyRule::TopicAndId, vec![event.clone()], &limits)
    };
    assert!(judged(bytes).is_ok());
    let refused = judged(bytes - 1).expect_err("one byte too large");
    assert!(
        matches!(refused, RefusedEvents::EventTooLarge(_)),
        "{refused:?}"
    );
    assert_eq!(refused.code(), "event_too_large");
    assert_eq!(refused.errors().expect("errors").listed()[0].pointer, "/0");
}

#[test]
fn too_large_beside_another_error_is_no_matter_of_size_alone() {
    let limits = EventLimits {
        event_bytes: 40,
        ..EventLimits::default()
    };
    let large = Event {
        payload: b"\"0123456789012345678901234567890123456789\"",
        ..event()
    };
    let bad = Event {
        topic: Cow::Borrowed(""),
        timestamp: None,
        ..event()
    };
    let refused =
        Batch::new(KeyRule::TopicAndId, vec![large, bad], &limits).expect_err("two errors");
    assert_eq!(refused.code(), "invalid_events");
}

#[test]
fn a_batch_has_one_event_at_least_and_no_more_than_the_limit() {
    let limits = EventLimits {
        events_per_batch: 2,
        ..EventLimits::default()
    };
    let of = |count| Batch::new(KeyRule::TopicAndId, vec![event(); count], &limits);
    assert_eq!(of(0), Err(RefusedEvents::EmptyBatch));
    assert!(of(2).is_ok());
    assert_eq!(
        of(3),
        Err(RefusedEvents::TooManyEvents { sent: 3, limit: 2 })
    );
}

#[test]
fn errors_are_listed_up_to_a_hundred_and_all_counted() {
    let bad = Event {
        topic: Cow::Borrowed(""),
        event_id: Cow::Borrowed(""),
        ..event()
    };
    let refused = Batch::new(KeyRule::TopicAndId, vec![bad; 70], &EventLimits::default());
    let refused = refused.expect_err("all are bad");
    let errors = refused.errors().expect("errors");
    assert_eq!((errors.listed().len(), errors.total()), (100, 140));
    assert_eq!(errors.listed()[99].pointer, "/49/event_id");
    assert_eq!(refused.to_string(), "140 errors in the batch");
}

#[test]
fn codes_are_the_same_in_rust_and_in_json() {
    for code in [
        EventErrorCode::MissingField,
        EventErrorCode::WrongType,
        EventErrorCode::UnknownField,
        EventErrorCode::InvalidTopic,
        EventErrorCode::InvalidEventId,
        EventErrorCode::InvalidSource,
        EventErrorCode::InvalidTimestamp,
        EventErrorCode::InvalidPayload,
        EventErrorCode::PayloadTooDeep,
        EventErrorCode::EventTooLarge,
    ] {
        let json = serde_json::to_value(code).expect("a string");
        assert_eq!(json, code.code());
    }
}
