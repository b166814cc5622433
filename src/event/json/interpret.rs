//! What the members of an object mean as an event.

use std::borrow::Cow;

use super::lexer::{Value, ValueKind};
use super::members::{Member, Members};
use crate::event::refused::EventErrorCode;
use crate::event::validate::{
    Report, check_depth, check_event_id, check_size, check_source, check_timestamp, check_topic,
};
use crate::event::{Event, EventLimits, KeyRule, PayloadKind};

/// The dedup key of events published natively.
pub(super) const KEY_RULE: KeyRule = KeyRule::TopicAndId;

/// The event of these members; `None` if it cannot even be made, which is reported.
pub(super) fn event_of<'a>(
    members: &Members<'a>,
    limits: &EventLimits,
    report: &mut Report<'_>,
) -> Option<Event<'a>> {
    let topic = required_string(members, Member::Topic, EventErrorCode::InvalidTopic, report);
    let event_id = required_string(
        members,
        Member::EventId,
        EventErrorCode::InvalidEventId,
        report,
    );
    let source = optional_string(
        members,
        Member::Source,
        EventErrorCode::InvalidSource,
        report,
    );
    let timestamp = optional_string(
        members,
        Member::Timestamp,
        EventErrorCode::InvalidTimestamp,
        report,
    );
    let payload = required(members, Member::Payload, report);
    if let Some(topic) = &topic {
        check_topic(topic, report);
    }
    if let Some(event_id) = &event_id {
        check_event_id(event_id, report);
    }
    if let Some(source) = &source {
        check_source(KEY_RULE, source, report);
    }
    if let Some(timestamp) = &timestamp {
        check_timestamp(timestamp, report);
    }
    if let Some(payload) = payload {
        check_depth(payload.depth, report);
    }
    let event = Event {
        topic: topic?,
        event_id: event_id?,
        source: source.unwrap_or_default(),
        timestamp,
        kind: PayloadKind::Json,
        payload: payload?.text.as_bytes(),
        attributes: Vec::new(),
    };
    check_size(&event, limits, report);
    Some(event)
}

fn required<'a>(
    members: &Members<'a>,
    member: Member,
    report: &mut Report<'_>,
) -> Option<Value<'a>> {
    let value = members.get(member);
    if value.is_none() {
        let name = member.name();
        report(
            EventErrorCode::MissingField,
            name,
            format_args!("`{name}` is required"),
        );
    }
    value
}

fn required_string<'a>(
    members: &Members<'a>,
    member: Member,
    invalid: EventErrorCode,
    report: &mut Report<'_>,
) -> Option<Cow<'a, str>> {
    string_of(required(members, member, report)?, member, invalid, report)
}

fn optional_string<'a>(
    members: &Members<'a>,
    member: Member,
    invalid: EventErrorCode,
    report: &mut Report<'_>,
) -> Option<Cow<'a, str>> {
    let value = members.get(member)?;
    if value.kind == ValueKind::Null {
        return None;
    }
    string_of(value, member, invalid, report)
}

fn string_of<'a>(
    value: Value<'a>,
    member: Member,
    invalid: EventErrorCode,
    report: &mut Report<'_>,
) -> Option<Cow<'a, str>> {
    let name = member.name();
    let Some(string) = value.string() else {
        let found = kind_name(&value);
        let detail = format_args!("`{name}` must be a string, and this is {found}");
        report(EventErrorCode::WrongType, name, detail);
        return None;
    };
    let text = string.text();
    if text.is_none() {
        let detail = format_args!("`{name}` has half of a surrogate pair, which is no character");
        report(invalid, name, detail);
    }
    text
}

/// What a value is, for people.
pub(super) fn kind_name(value: &Value<'_>) -> &'static str {
    match value.kind {
        ValueKind::Null => "null",
        ValueKind::Bool => "true or false",
        ValueKind::Number => "a number",
        ValueKind::String { .. } => "a string",
        ValueKind::Array => "an array",
        ValueKind::Object => "an object",
    }
}
