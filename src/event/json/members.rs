//! The members of one object: an event, or the envelope.

use std::borrow::Cow;
use std::collections::HashSet;

use super::lexer::Value;
use super::string::JsonString;
use crate::event::limits::ERRORS_LISTED_MAX;

/// The members that an event can have.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Topic,
    EventId,
    Source,
    Timestamp,
    Payload,
}

impl Member {
    pub(super) const ALL: [Member; 5] = [
        Member::Topic,
        Member::EventId,
        Member::Source,
        Member::Timestamp,
        Member::Payload,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Member::Topic => "topic",
            Member::EventId => "event_id",
            Member::Source => "source",
            Member::Timestamp => "timestamp",
            Member::Payload => "payload",
        }
    }
}

/// A member's name, resolved.
pub(super) enum Name<'a> {
    /// One that events have.
    Known(Member),
    /// Any other, in WTF-8.
    Other(Cow<'a, [u8]>),
}

impl<'a> Name<'a> {
    pub(super) fn of(name: &JsonString<'a>) -> Name<'a> {
        let name = name.wtf8();
        match name.as_ref() {
            b"topic" => Name::Known(Member::Topic),
            b"event_id" => Name::Known(Member::EventId),
            b"source" => Name::Known(Member::Source),
            b"timestamp" => Name::Known(Member::Timestamp),
            b"payload" => Name::Known(Member::Payload),
            _ => Name::Other(name),
        }
    }
}

/// What an object has.
#[derive(Default)]
pub(super) struct Members<'a> {
    values: [Option<Value<'a>>; Member::ALL.len()],
    /// The object is the body and has `events`: it is the envelope.
    pub(super) has_events: bool,
    pub(super) unknown: UnknownMembers<'a>,
}

impl<'a> Members<'a> {
    pub(super) fn get(&self, member: Member) -> Option<Value<'a>> {
        self.values[member as usize]
    }

    pub(super) fn has(&self, member: Member) -> bool {
        self.values[member as usize].is_some()
    }

    pub(super) fn set(&mut self, member: Member, value: Value<'a>) {
        self.values[member as usize] = Some(value);
    }
}

/// The members that an object should not have. One is enough to refuse it; they are
/// kept for the answer, and to find out those that are there twice.
#[derive(Default)]
pub(super) struct UnknownMembers<'a> {
    /// The first, in order.
    pub(super) listed: Vec<Cow<'a, [u8]>>,
    pub(super) total: usize,
    different: Option<HashSet<Cow<'a, [u8]>>>,
}

impl<'a> UnknownMembers<'a> {
    /// How many different names are remembered. An object with more is refused for
    /// them, if not for a repeated one: a body of a million tiny members must not cost
    /// many times its size in memory.
    const REMEMBERED_MAX: usize = 10_000;

    /// False if the name was there before.
    pub(super) fn add(&mut self, name: Cow<'a, [u8]>) -> bool {
        self.total += 1;
        let different = self.different.get_or_insert_default();
        if different.contains(&name) {
            return false;
        }
        if self.listed.len() < ERRORS_LISTED_MAX {
            self.listed.push(name.clone());
        }
        if different.len() < Self::REMEMBERED_MAX {
            different.insert(name);
        }
        true
    }
}
