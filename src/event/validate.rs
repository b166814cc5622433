//! The rules for events, however they came in. One function per member, because the
//! reader of JSON judges each member as it meets it.

use std::fmt;

use super::json::lexer::Lexer;
use super::limits::{NAME_BYTES_MAX, PAYLOAD_DEPTH_MAX};
use super::refused::{EventError, EventErrorCode, EventErrors, RefusedEvents};
use super::timestamp::is_timestamp;
use super::{Event, EventLimits, KeyRule, PayloadKind};

/// Takes each broken rule: which, the member's name (empty: the event itself), and
/// what is wrong.
pub(super) type Report<'r> = dyn FnMut(EventErrorCode, &str, fmt::Arguments<'_>) + 'r;

/// Checks a whole batch. Pointers are those of an array of events.
pub(super) fn check_all(
    key_rule: KeyRule,
    events: &[Event<'_>],
    limits: &EventLimits,
) -> Result<(), RefusedEvents> {
    check_count(events.len(), limits)?;
    let mut errors = EventErrors::default();
    for (index, event) in events.iter().enumerate() {
        check_event(key_rule, event, limits, &mut |code, member, detail| {
            errors.add(code, || EventError {
                index: Some(index),
                pointer: if member.is_empty() {
                    format!("/{index}")
                } else {
                    format!("/{index}/{member}")
                },
                code,
                detail: detail.to_string(),
            });
        });
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.into_refusal())
    }
}

/// One event at least, and no more than the limit.
pub(super) fn check_count(sent: usize, limits: &EventLimits) -> Result<(), RefusedEvents> {
    let limit = limits.events_per_batch;
    match sent {
        0 => Err(RefusedEvents::EmptyBatch),
        _ if sent > limit => Err(RefusedEvents::TooManyEvents { sent, limit }),
        _ => Ok(()),
    }
}

fn check_event(
    key_rule: KeyRule,
    event: &Event<'_>,
    limits: &EventLimits,
    report: &mut Report<'_>,
) {
    check_topic(&event.topic, report);
    check_event_id(&event.event_id, report);
    check_source(key_rule, &event.source, report);
    if let Some(timestamp) = &event.timestamp {
        check_timestamp(timestamp, report);
    }
    if event.kind == PayloadKind::Json {
        check_json_payload(event.payload, report);
    }
    check_size(event, limits, report);
}

pub(super) fn check_topic(topic: &str, report: &mut Report<'_>) {
    check_name(topic, 1, "topic", EventErrorCode::InvalidTopic, report);
}

pub(super) fn check_event_id(id: &str, report: &mut Report<'_>) {
    check_name(id, 1, "event_id", EventErrorCode::InvalidEventId, report);
}

/// May be empty, unless it is in the key.
pub(super) fn check_source(key_rule: KeyRule, source: &str, report: &mut Report<'_>) {
    if key_rule == KeyRule::SourceAndId && source.is_empty() {
        let detail = format_args!("`source` is required: it is part of the key");
        report(EventErrorCode::MissingField, "source", detail);
    }
    check_name(source, 0, "source", EventErrorCode::InvalidSource, report);
}

pub(super) fn check_timestamp(timestamp: &str, report: &mut Report<'_>) {
    if timestamp.len() > NAME_BYTES_MAX || !is_timestamp(timestamp) {
        let detail = format_args!(
            "`timestamp` is not RFC 3339, such as 2024-05-01T12:34:56.789Z; \
             the offset may be missing, the date must exist"
        );
        report(EventErrorCode::InvalidTimestamp, "timestamp", detail);
    }
}

fn check_json_payload(payload: &[u8], report: &mut Report<'_>) {
    let whole_value = || {
        let mut lexer = Lexer::new(std::str::from_utf8(payload).ok()?);
        let value = lexer.value().ok()?;
        lexer.end().ok()?;
        // The value is all of it: white space around would not be part of a payload.
        (value.text.len() == payload.len()).then_some(value)
    };
    match whole_value() {
        Some(value) => check_depth(value.depth, report),
        None => {
            let detail = format_args!("`payload` is not one RFC 8259 JSON value");
            report(EventErrorCode::InvalidPayload, "payload", detail);
        }
    }
}

/// `depth` is how many arrays and objects stand around the innermost value.
pub(super) fn check_depth(depth: usize, report: &mut Report<'_>) {
    if depth > PAYLOAD_DEPTH_MAX {
        let detail = format_args!(
            "`payload` is nested {depth} levels deep; {PAYLOAD_DEPTH_MAX} are allowed"
        );
        report(EventErrorCode::PayloadTooDeep, "payload", detail);
    }
}

pub(super) fn check_size(event: &Event<'_>, limits: &EventLimits, report: &mut Report<'_>) {
    let attributes = event.attributes.iter();
    let bytes = event.topic.len()
        + event.event_id.len()
        + event.source.len()
        + event.timestamp.as_ref().map_or(0, |text| text.len())
        + event.payload.len()
        + attributes
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
    let limit = limits.event_bytes;
    if bytes > limit {
        let detail = format_args!("the event has {bytes} bytes; {limit} are allowed");
        report(EventErrorCode::EventTooLarge, "", detail);
    }
}

fn check_name(
    name: &str,
    bytes_min: usize,
    member: &str,
    code: EventErrorCode,
    report: &mut Report<'_>,
) {
    let bytes = name.len();
    if !(bytes_min..=NAME_BYTES_MAX).contains(&bytes) {
        let detail = format_args!(
            "`{member}` has {bytes} bytes; {bytes_min} to {NAME_BYTES_MAX} are allowed"
        );
        report(code, member, detail);
    } else if let Some((at, control)) = first_control(name) {
        let code_point = u32::from(control);
        let detail =
            format_args!("`{member}` has the control character U+{code_point:04X} at byte {at}");
        report(code, member, detail);
    }
}

fn first_control(name: &str) -> Option<(usize, char)> {
    // Without an early way out, so that it is done many bytes at a time.
    let is_plain = |all: bool, byte: u8| all & (b' '..=b'~').contains(&byte);
    if name.bytes().fold(true, is_plain) {
        return None;
    }
    name.char_indices().find(|(_, char)| char.is_control())
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
