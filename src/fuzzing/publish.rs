//! The body of a request, judged by our own reader and by a plain and slow one that stands on
//! `serde_json`: they take the same, mean the same by it, and refuse the same for the same reasons.
//! Inside a payload both let anything through that is JSON: members twice, halves of surrogate
//! pairs, numbers of any size.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::exact::{self, Exact, Member, Members};
use crate::event::{
    ERRORS_LISTED_MAX, EventLimits, InvalidEvents, NAME_BYTES_MAX, PAYLOAD_DEPTH_MAX, PayloadKind,
    PublishRefusal, RefusedEvents, parse_publish,
};
use crate::index::canonical::canonical_digest;

/// Small, so that they are met.
const EVENTS_MAX: usize = 4;
const EVENT_BYTES_MAX: usize = 400;

/// Topic, event id, source, timestamp and payload.
type Kept = (String, String, String, Option<String>, String);

/// Where, and which.
type Fault = (String, &'static str);

#[derive(Debug, PartialEq)]
enum Outcome {
    Malformed(&'static str),
    /// How many faults, and of them as many as are listed, sorted.
    Refused(usize, Vec<Fault>),
    Counted(&'static str),
    Taken(Vec<(usize, Kept)>),
}

/// All bytes are the body.
pub fn publish(body: &[u8]) {
    for invalid in [InvalidEvents::Refuse, InvalidEvents::Skip] {
        let (real, strict) = (real(body, invalid), strict(body, invalid));
        match (&real, &strict) {
            // Of two faults in the syntax the first is told; the strict reader does not know which.
            (Outcome::Malformed("duplicate_member"), Outcome::Malformed("invalid_json")) => {}
            (Outcome::Refused(total, listed), Outcome::Refused(due, all))
                if *due > ERRORS_LISTED_MAX =>
            {
                assert_eq!((*total, listed.len()), (*due, ERRORS_LISTED_MAX));
                assert!(is_part_of(listed, all), "{}", shown(body));
            }
            _ => assert_eq!(real, strict, "{}", shown(body)),
        }
        if let Outcome::Taken(events) = &real {
            let payloads: Vec<_> = events.iter().map(|(_, event)| &*event.4).collect();
            meant_the_same(&payloads);
        }
    }
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

fn is_part_of(listed: &[Fault], all: &[Fault]) -> bool {
    let mut counts = HashMap::<&Fault, usize>::new();
    all.iter()
        .for_each(|fault| *counts.entry(fault).or_default() += 1);
    listed.iter().all(|fault| match counts.get_mut(fault) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    })
}

/// Payloads are equal exactly where their values are, however they are written.
fn meant_the_same(payloads: &[&str]) {
    let digest = |text: &str| canonical_digest(PayloadKind::Json, text.as_bytes());
    for (place, text) in payloads.iter().enumerate() {
        assert_eq!(digest(text), digest(&exact::respelt(text)), "{text}");
        for other in &payloads[..place] {
            let is_equal = Exact::of(text.as_bytes()) == Exact::of(other.as_bytes());
            assert_eq!(digest(text) == digest(other), is_equal, "{text} {other}");
        }
    }
}

fn real(body: &[u8], invalid: InvalidEvents) -> Outcome {
    let limits = EventLimits {
        events_per_batch: EVENTS_MAX,
        event_bytes: EVENT_BYTES_MAX,
        ..EventLimits::default()
    };
    match parse_publish(body, &limits, invalid) {
        Err(PublishRefusal::Syntax(error)) => Outcome::Malformed(error.code()),
        Err(PublishRefusal::Events(refused)) => match &refused {
            RefusedEvents::EmptyBatch | RefusedEvents::TooManyEvents { .. } => {
                Outcome::Counted(refused.code())
            }
            RefusedEvents::EventTooLarge(errors) | RefusedEvents::Invalid(errors) => {
                let listed = errors.listed().iter();
                let listed = listed.map(|error| (error.pointer.clone(), error.code.code()));
                refusal(errors.total(), listed.collect())
            }
        },
        Ok(parsed) => {
            let events = parsed.batch().events().iter().enumerate();
            let kept = events.map(|(position, event)| {
                let payload = String::from_utf8(event.payload.to_vec()).expect("UTF-8");
                let timestamp = event.timestamp.as_ref().map(ToString::to_string);
                let (topic, id) = (event.topic.to_string(), event.event_id.to_string());
                let event = (topic, id, event.source.to_string(), timestamp, payload);
                (parsed.sent_index(position), event)
            });
            Outcome::Taken(kept.collect())
        }
    }
}

fn refusal(total: usize, mut faults: Vec<Fault>) -> Outcome {
    faults.sort();
    Outcome::Refused(total, faults)
}

fn strict(body: &[u8], invalid: InvalidEvents) -> Outcome {
    let Ok(body) = std::str::from_utf8(body) else {
        return Outcome::Malformed("invalid_utf8");
    };
    if body.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
        return Outcome::Malformed("empty_body");
    }
    if !exact::is_json(body) {
        return Outcome::Malformed("invalid_json");
    }
    let mut around = Vec::new();
    let (prefix, sent): (&str, Vec<&RawValue>) = if let Ok(list) = serde_json::from_str(body) {
        ("/", list)
    } else if let Ok(members) = serde_json::from_str::<Members<'_>>(body) {
        if members.has_repeated() {
            return Outcome::Malformed("duplicate_member");
        }
        match members.0.iter().find(|member| member.name == b"events") {
            Some(events) => {
                let others = members.0.iter().filter(|member| member.name != b"events");
                around.extend(others.map(|member| unknown("", member)));
                match serde_json::from_str(events.value) {
                    Ok(list) => ("/events/", list),
                    Err(_) => {
                        around.push(("/events".to_owned(), "wrong_type"));
                        ("", Vec::new())
                    }
                }
            }
            None => ("", vec![serde_json::from_str(body).expect("JSON")]),
        }
    } else {
        return refusal(1, vec![(String::new(), "wrong_type")]);
    };
    let mut faults = Vec::new();
    let mut taken = Vec::new();
    for (index, event) in sent.iter().enumerate() {
        let at = match prefix {
            "" => String::new(),
            _ => format!("{prefix}{index}"),
        };
        let Ok(members) = serde_json::from_str::<Members<'_>>(event.get()) else {
            faults.push((at, "wrong_type"));
            continue;
        };
        if members.has_repeated() {
            return Outcome::Malformed("duplicate_member");
        }
        match strict_event(&at, &members.0) {
            Ok(event) => taken.push((index, event)),
            Err(found) => faults.extend(found),
        }
    }
    if sent.len() > EVENTS_MAX {
        return Outcome::Counted("too_many_events");
    }
    let refused = match invalid {
        InvalidEvents::Refuse => !faults.is_empty(),
        InvalidEvents::Skip => taken.is_empty() && !faults.is_empty(),
    };
    if refused || !around.is_empty() {
        faults.extend(around);
        return refusal(faults.len(), faults);
    }
    if sent.is_empty() {
        return Outcome::Counted("empty_batch");
    }
    Outcome::Taken(taken)
}

/// A name that is long, or no text, is not told.
fn unknown(at: &str, member: &Member<'_>) -> Fault {
    let name = std::str::from_utf8(&member.name).ok();
    let name = name.filter(|name| name.len() <= NAME_BYTES_MAX);
    let pointer = name.map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")));
    (
        format!("{at}{}", pointer.unwrap_or_default()),
        "unknown_field",
    )
}

fn strict_event(at: &str, members: &[Member<'_>]) -> Result<Kept, Vec<Fault>> {
    const NAMES: [&str; 5] = ["topic", "event_id", "source", "timestamp", "payload"];
    let is_known = |member: &&Member<'_>| !NAMES.iter().any(|name| name.as_bytes() == member.name);
    let mut faults: Vec<Fault> = members
        .iter()
        .filter(is_known)
        .map(|member| unknown(at, member))
        .collect();
    let mut member = |name: &'static str, invalid, is_required, is_good: fn(&str) -> bool| {
        let mut is_wrong = |code| faults.push((format!("{at}/{name}"), code));
        let member = members.iter().find(|member| member.name == name.as_bytes());
        match member.map(|member| member.value) {
            None if is_required => is_wrong("missing_field"),
            None => {}
            Some("null") if !is_required => {}
            Some(value) => match exact::string(value).map(String::from_utf8) {
                Some(Ok(text)) => {
                    if !is_good(&text) {
                        is_wrong(invalid);
                    }
                    return Some(text);
                }
                Some(Err(_)) => is_wrong(invalid),
                None => is_wrong("wrong_type"),
            },
        }
        None
    };
    let is_source =
        |name: &str| name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    let topic = member("topic", "invalid_topic", true, is_name);
    let event_id = member("event_id", "invalid_event_id", true, is_name);
    let source = member("source", "invalid_source", false, is_source).unwrap_or_default();
    let timestamp = member("timestamp", "invalid_timestamp", false, is_rfc3339);
    let payload = members.iter().find(|member| member.name == b"payload");
    match payload {
        None => faults.push((format!("{at}/payload"), "missing_field")),
        Some(payload) if exact::depth(payload.value) > PAYLOAD_DEPTH_MAX => {
            faults.push((format!("{at}/payload"), "payload_too_deep"));
        }
        Some(_) => {}
    }
    let (Some(topic), Some(event_id), Some(payload)) = (topic, event_id, payload) else {
        return Err(faults);
    };
    let payload = payload.value.to_owned();
    let others = [&topic, &event_id, &source, &payload];
    let bytes: usize = others.iter().map(|text| text.len()).sum();
    if bytes + timestamp.as_ref().map_or(0, String::len) > EVENT_BYTES_MAX {
        faults.push((at.to_owned(), "event_too_large"));
    }
    match faults.is_empty() {
        true => Ok((topic, event_id, source, timestamp, payload)),
        false => Err(faults),
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// RFC 3339, or the same without an offset; a leap second may stand anywhere.
fn is_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !(19..=NAME_BYTES_MAX).contains(&bytes.len()) {
        return false;
    }
    let shape = bytes[..19].iter().map(|byte| match byte {
        b'0'..=b'9' => '0',
        b't' | b' ' => 'T',
        other => char::from(*other),
    });
    if shape.collect::<String>() != "0000-00-00T00:00:00" {
        return false;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i16>().expect("digits");
    let (month, day) = (number(5, 7) as i8, number(8, 10) as i8);
    let exists = jiff::civil::Date::new(number(0, 4), month, day).is_ok();
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let mut rest = &text[19..];
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
        if rest.len() == fraction.len() {
            return false;
        }
    }
    exists && hour < 24 && minute < 60 && second <= 60 && is_offset(rest)
}

fn is_offset(text: &str) -> bool {
    if let "" | "Z" | "z" = text {
        return true;
    }
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    let shape = text.replace(|digit: char| digit.is_ascii_digit(), "0");
    ["+00:00", "-00:00"].contains(&&*shape)
        && (digits[0], digits[1]) < (b'2', b'4')
        && digits[2] < b'6'
}
