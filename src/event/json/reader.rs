//! Reads a body once, from front to back, and judges each event as it goes.

use std::borrow::Cow;

use super::lexer::{Lexer, Unexpected, Value, ValueKind};
use super::members::{Member, Members, Name, UnknownMembers};
use super::pointer::{BodyShape, append_name};
use super::syntax_error::shortened;
use super::{InvalidEvents, ParsedBatch, PublishRefusal, PublishSyntaxError};
use crate::event::limits::NAME_BYTES_MAX;
use crate::event::refused::{EventError, EventErrorCode, EventErrors};
use crate::event::validate::{
    Report, check_count, check_depth, check_event_id, check_size, check_source, check_timestamp,
    check_topic,
};
use crate::event::{Batch, Event, EventLimits, KeyRule, PayloadKind};

/// The dedup key of events published natively.
const KEY_RULE: KeyRule = KeyRule::TopicAndId;

pub(super) struct BodyReader<'a, 'l> {
    text: &'a str,
    lexer: Lexer<'a>,
    limits: &'l EventLimits,
    invalid: InvalidEvents,
    /// The good events, no more than the limit, and only while they can matter.
    events: Vec<Event<'a>>,
    /// Where those stood among all; only with `Skip`.
    places: Vec<usize>,
    sent: usize,
    event_errors: EventErrors,
    /// Faults in what is around the events.
    body_errors: EventErrors,
}

impl<'a, 'l> BodyReader<'a, 'l> {
    pub(super) fn new(text: &'a str, limits: &'l EventLimits, invalid: InvalidEvents) -> Self {
        BodyReader {
            text,
            lexer: Lexer::new(text),
            limits,
            invalid,
            events: Vec::new(),
            places: Vec::new(),
            sent: 0,
            event_errors: EventErrors::default(),
            body_errors: EventErrors::default(),
        }
    }

    pub(super) fn read(mut self) -> Result<ParsedBatch<'a>, PublishRefusal> {
        match self.lexer.peek() {
            Some(b'{') => self.read_object_body()?,
            Some(b'[') => self.read_events(BodyShape::Array)?,
            _ => {
                let value = self.lexer.value().map_err(|error| self.malformed(error))?;
                self.wrong_body(
                    String::new(),
                    "the body",
                    "an event, an array of events or an envelope",
                    value,
                );
            }
        }
        self.lexer.end().map_err(|error| self.malformed(error))?;
        self.finish()
    }

    /// The body is an object: an event or the envelope, which only its end can tell.
    fn read_object_body(&mut self) -> Result<(), PublishSyntaxError> {
        let (members, is_envelope) = self.read_members(true)?;
        if is_envelope {
            for member in Member::ALL
                .into_iter()
                .filter(|&member| members.has(member))
            {
                let name = member.name().as_bytes();
                add_unknown(
                    &mut self.body_errors,
                    None,
                    String::new(),
                    name,
                    "the envelope",
                );
            }
            add_all_unknown(
                &mut self.body_errors,
                None,
                "",
                &members.unknown,
                "the envelope",
            );
        } else {
            self.judge(BodyShape::Event, &members);
        }
        Ok(())
    }

    /// An array of events.
    fn read_events(&mut self, shape: BodyShape) -> Result<(), PublishSyntaxError> {
        self.lexer.take(b'[');
        let mut is_first = true;
        while self.next_element(b']', is_first)? {
            is_first = false;
            if self.lexer.peek() == Some(b'{') {
                let (members, _) = self.read_members(false)?;
                self.judge(shape, &members);
            } else {
                let value = self.lexer.value().map_err(|error| self.malformed(error))?;
                self.judge_non_object(shape, value);
            }
        }
        Ok(())
    }

    /// An object. If it is the body, and has a member `events`, that is read as the
    /// events of an envelope; then the flag is set.
    fn read_members(&mut self, is_body: bool) -> Result<(Members<'a>, bool), PublishSyntaxError> {
        self.lexer.take(b'{');
        let mut members = Members::default();
        let mut is_envelope = false;
        let mut is_first = true;
        while self.next_element(b'}', is_first)? {
            is_first = false;
            let name = self
                .lexer
                .member_name()
                .map_err(|error| self.malformed(error))?;
            let after_name = self.lexer.position();
            let is_new = match Name::of(&name) {
                Name::Known(member) => {
                    let is_new = !members.has(member);
                    let value = self.lexer.value().map_err(|error| self.malformed(error))?;
                    members.set(member, value);
                    is_new
                }
                Name::Events if is_body => {
                    let is_new = !is_envelope;
                    is_envelope = true;
                    self.read_envelope_events()?;
                    is_new
                }
                Name::Events => {
                    self.read_unknown(&mut members.unknown, Cow::Borrowed(b"events"))?
                }
                Name::Unknown(name) => self.read_unknown(&mut members.unknown, name)?,
            };
            if !is_new {
                return Err(PublishSyntaxError::duplicate(
                    self.text,
                    &name.wtf8(),
                    after_name,
                ));
            }
        }
        Ok((members, is_envelope))
    }

    fn read_envelope_events(&mut self) -> Result<(), PublishSyntaxError> {
        if self.lexer.peek() == Some(b'[') {
            return self.read_events(BodyShape::Envelope);
        }
        let value = self.lexer.value().map_err(|error| self.malformed(error))?;
        self.wrong_body(
            "/events".to_owned(),
            "`events`",
            "an array of events",
            value,
        );
        Ok(())
    }

    /// False if the name was there before.
    fn read_unknown(
        &mut self,
        unknown: &mut UnknownMembers<'a>,
        name: Cow<'a, [u8]>,
    ) -> Result<bool, PublishSyntaxError> {
        self.lexer.value().map_err(|error| self.malformed(error))?;
        Ok(unknown.add(name))
    }

    fn judge_non_object(&mut self, shape: BodyShape, value: Value<'a>) {
        let index = self.sent;
        self.sent += 1;
        self.event_errors
            .add(EventErrorCode::WrongType, || EventError {
                index: Some(index),
                pointer: shape.pointer(index, ""),
                code: EventErrorCode::WrongType,
                detail: format!(
                    "an event must be an object, and this is {}",
                    kind_name(&value)
                ),
            });
    }

    fn judge(&mut self, shape: BodyShape, members: &Members<'a>) {
        let index = self.sent;
        self.sent += 1;
        let errors = &mut self.event_errors;
        let errors_before = errors.total();
        if members.unknown.total > 0 {
            let pointer = shape.pointer(index, "");
            add_all_unknown(errors, Some(index), &pointer, &members.unknown, "an event");
        }
        let event = event_of(members, self.limits, &mut |code, member, detail| {
            errors.add(code, || EventError {
                index: Some(index),
                pointer: shape.pointer(index, member),
                code,
                detail: detail.to_string(),
            });
        });
        if let Some(event) = event
            && errors.total() == errors_before
            && self.events.len() < self.limits.events_per_batch
        {
            match self.invalid {
                InvalidEvents::Skip => self.places.push(index),
                InvalidEvents::Refuse if errors_before > 0 => return,
                InvalidEvents::Refuse => {}
            }
            self.events.push(event);
        }
    }

    fn finish(self) -> Result<ParsedBatch<'a>, PublishRefusal> {
        let is_refused = match self.invalid {
            InvalidEvents::Refuse => !self.event_errors.is_empty(),
            InvalidEvents::Skip => self.events.is_empty() && !self.event_errors.is_empty(),
        };
        if self.body_errors.is_empty() || self.sent > self.limits.events_per_batch {
            check_count(self.sent, self.limits)?;
        }
        if is_refused || !self.body_errors.is_empty() {
            return Err(self
                .body_errors
                .followed_by(self.event_errors)
                .into_refusal()
                .into());
        }
        Ok(ParsedBatch {
            batch: Batch {
                key_rule: KEY_RULE,
                events: self.events,
            },
            sent: self.sent,
            places: self.places,
            refused: self.event_errors,
        })
    }

    fn wrong_body(&mut self, pointer: String, what: &str, wanted: &str, value: Value<'_>) {
        self.body_errors
            .add(EventErrorCode::WrongType, || EventError {
                index: None,
                pointer,
                code: EventErrorCode::WrongType,
                detail: format!("{what} must be {wanted}, and this is {}", kind_name(&value)),
            });
    }

    #[inline]
    fn next_element(&mut self, close: u8, is_first: bool) -> Result<bool, PublishSyntaxError> {
        self.lexer
            .next_element(close, is_first)
            .map_err(|error| self.malformed(error))
    }

    #[cold]
    fn malformed(&self, error: Unexpected) -> PublishSyntaxError {
        PublishSyntaxError::unexpected(self.text, error)
    }
}

/// The event of these members; `None` if it cannot even be made, which is reported.
fn event_of<'a>(
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
    let ValueKind::String(string) = value.kind else {
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

fn add_all_unknown(
    errors: &mut EventErrors,
    index: Option<usize>,
    object: &str,
    unknown: &UnknownMembers<'_>,
    what: &str,
) {
    let unlisted = unknown.total - unknown.listed.len();
    for name in &unknown.listed {
        add_unknown(errors, index, object.to_owned(), name, what);
    }
    errors.add_unlisted(unlisted);
}

/// A name that is long, or no Unicode text, is not repeated in the pointer, which is
/// then that of the object.
fn add_unknown(
    errors: &mut EventErrors,
    index: Option<usize>,
    object: String,
    name: &[u8],
    what: &str,
) {
    errors.add(EventErrorCode::UnknownField, || {
        let mut pointer = object;
        if name.len() <= NAME_BYTES_MAX
            && let Ok(name) = std::str::from_utf8(name)
        {
            append_name(&mut pointer, name);
        }
        EventError {
            index,
            pointer,
            code: EventErrorCode::UnknownField,
            detail: format!("{what} has no member `{}`", shortened(name)),
        }
    });
}

fn kind_name(value: &Value<'_>) -> &'static str {
    match value.kind {
        ValueKind::Null => "null",
        ValueKind::Bool => "true or false",
        ValueKind::Number => "a number",
        ValueKind::String(_) => "a string",
        ValueKind::Array => "an array",
        ValueKind::Object => "an object",
    }
}
