//! Reads a body once, from front to back, and judges each event as it goes.

use super::interpret::{KEY_RULE, event_of, kind_name};
use super::lexer::{Lexer, Unexpected, Value};
use super::members::{Member, Members, Name, UnknownMembers};
use super::pointer::{BodyShape, append_name};
use super::syntax_error::shortened;
use super::{InvalidEvents, ParsedBatch, PublishRefusal, PublishSyntaxError};
use crate::event::limits::NAME_BYTES_MAX;
use crate::event::refused::{EventError, EventErrorCode, EventErrors};
use crate::event::validate::check_count;
use crate::event::{Batch, Event, EventLimits};

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
                let value = self.value()?;
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
        let mut members = Members::default();
        self.read_members(true, &mut members)?;
        if !members.has_events {
            self.judge(BodyShape::Event, &members);
            return Ok(());
        }
        let errors = &mut self.body_errors;
        for member in Member::ALL {
            if members.has(member) {
                let name = member.name().as_bytes();
                add_unknown(errors, None, String::new(), name);
            }
        }
        add_all_unknown(errors, None, "", &members.unknown);
        Ok(())
    }

    /// An array of events.
    fn read_events(&mut self, shape: BodyShape) -> Result<(), PublishSyntaxError> {
        self.lexer.take(b'[');
        let mut is_first = true;
        while self.next_element(b']', is_first)? {
            is_first = false;
            if self.lexer.peek() == Some(b'{') {
                let mut members = Members::default();
                self.read_members(false, &mut members)?;
                self.judge(shape, &members);
            } else {
                let value = self.value()?;
                self.judge_non_object(shape, value);
            }
        }
        Ok(())
    }

    /// An object. If it is the body, a member `events` is read as those of an envelope.
    fn read_members(
        &mut self,
        is_body: bool,
        members: &mut Members<'a>,
    ) -> Result<(), PublishSyntaxError> {
        self.lexer.take(b'{');
        let mut is_first = true;
        while self.next_element(b'}', is_first)? {
            is_first = false;
            let name = match self.lexer.member_name() {
                Ok(name) => name,
                Err(error) => return Err(self.malformed(error)),
            };
            let after_name = self.lexer.position();
            let is_new = match Name::of(&name) {
                Name::Known(member) => {
                    let is_new = !members.has(member);
                    members.set(member, self.value()?);
                    is_new
                }
                Name::Other(name) if is_body && name.as_ref() == b"events" => {
                    let is_new = !members.has_events;
                    members.has_events = true;
                    self.read_envelope_events()?;
                    is_new
                }
                Name::Other(name) => {
                    self.value()?;
                    members.unknown.add(name)
                }
            };
            if !is_new {
                let name = name.wtf8();
                return Err(PublishSyntaxError::duplicate(self.text, &name, after_name));
            }
        }
        Ok(())
    }

    fn read_envelope_events(&mut self) -> Result<(), PublishSyntaxError> {
        if self.lexer.peek() == Some(b'[') {
            return self.read_events(BodyShape::Envelope);
        }
        let value = self.value()?;
        self.wrong_body(
            "/events".to_owned(),
            "`events`",
            "an array of events",
            value,
        );
        Ok(())
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
            add_all_unknown(errors, Some(index), &pointer, &members.unknown);
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
    fn value(&mut self) -> Result<Value<'a>, PublishSyntaxError> {
        match self.lexer.value() {
            Ok(value) => Ok(value),
            Err(error) => Err(self.malformed(error)),
        }
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

fn add_all_unknown(
    errors: &mut EventErrors,
    index: Option<usize>,
    object: &str,
    unknown: &UnknownMembers<'_>,
) {
    let unlisted = unknown.total - unknown.listed.len();
    for name in &unknown.listed {
        add_unknown(errors, index, object.to_owned(), name);
    }
    errors.add_unlisted(unlisted);
}

/// A name that is long, or no Unicode text, is not repeated in the pointer, which is
/// then that of the object.
fn add_unknown(errors: &mut EventErrors, index: Option<usize>, object: String, name: &[u8]) {
    errors.add(EventErrorCode::UnknownField, || {
        let mut pointer = object;
        let what = index.map_or("the envelope", |_| "an event");
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
