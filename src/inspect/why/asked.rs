//! What is asked about, and which events of the log that is.

use std::borrow::Cow;

use crate::event::{Event, KeyRule, PayloadKind, Seq};
use crate::index::digest::{KeyDigest, digests_of};
use crate::log::codec::Erased;

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An id, wherever it is known.
    Id {
        /// The id.
        event_id: String,
        /// Where it is looked for.
        space: Space,
    },
    /// The event of this arrival.
    Seq(Seq),
}

/// Where ids are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Space {
    /// In every topic.
    AllTopics,
    /// In this one.
    Topic(String),
    /// Among the CloudEvents of this source, whose ids are its own.
    Source(String),
}

/// A key by its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// Which parts those are.
    pub rule: KeyRule,
    /// The topic or the source.
    pub space: String,
    /// The id.
    pub event_id: String,
}

impl KeyName {
    /// The key of an id in a topic.
    pub(super) fn in_topic(topic: String, event_id: String) -> KeyName {
        KeyName {
            rule: KeyRule::TopicAndId,
            space: topic,
            event_id,
        }
    }

    /// The key of an id of a source.
    pub(super) fn from_source(source: String, event_id: String) -> KeyName {
        KeyName {
            rule: KeyRule::SourceAndId,
            space: source,
            event_id,
        }
    }

    /// The key of an event.
    pub(super) fn of(rule: KeyRule, event: &Event<'_>) -> KeyName {
        let space = match rule {
            KeyRule::TopicAndId => &event.topic,
            KeyRule::SourceAndId => &event.source,
        };
        KeyName {
            rule,
            space: space.clone().into_owned(),
            event_id: event.event_id.clone().into_owned(),
        }
    }

    /// Its digest.
    pub(super) fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.rule, &named(&self.space, &self.event_id))
    }

    fn is_of(&self, event: &Event<'_>) -> bool {
        self.event_id == event.event_id
            && match self.rule {
                KeyRule::TopicAndId => self.space == event.topic,
                KeyRule::SourceAndId => self.space == event.source,
            }
    }
}

/// The digests of the keys that an id has in these topics.
pub(super) fn digests_in<'t>(
    topics: impl Iterator<Item = &'t str>,
    event_id: &str,
) -> Vec<KeyDigest> {
    let events: Vec<Event<'_>> = topics.map(|topic| named(topic, event_id)).collect();
    let events: Vec<&Event<'_>> = events.iter().collect();
    let digests = digests_of(KeyRule::TopicAndId, &events).into_iter();
    digests.map(|(key, _)| key).collect()
}

/// An event that has nothing but its key.
fn named<'e>(space: &'e str, event_id: &'e str) -> Event<'e> {
    Event {
        topic: Cow::Borrowed(space),
        event_id: Cow::Borrowed(event_id),
        source: Cow::Borrowed(space),
        timestamp: None,
        kind: PayloadKind::Json,
        payload: &[],
        attributes: Vec::new(),
    }
}

/// Which events are looked for.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// Those with this id, in whatever topic.
    Id(String),
    /// Those with this key.
    Key(KeyName, KeyDigest),
    /// The same, where only its digest is known.
    Digest(KeyDigest),
}

impl Wanted {
    /// Those with this key.
    pub(super) fn key(name: KeyName) -> Wanted {
        let digest = name.digest();
        Wanted::Key(name, digest)
    }

    /// The places of those among the events of a frame, with their keys.
    pub(super) fn among(&self, rule: KeyRule, events: &[Event<'_>]) -> Vec<(usize, KeyDigest)> {
        let numbered = events.iter().enumerate();
        match self {
            Wanted::Id(id) if rule == KeyRule::TopicAndId => numbered
                .filter(|(_, event)| event.event_id == *id)
                .map(|(place, event)| (place, KeyDigest::of(rule, event)))
                .collect(),
            Wanted::Key(name, digest) if name.rule == rule => numbered
                .filter(|(_, event)| name.is_of(event))
                .map(|(place, _)| (place, *digest))
                .collect(),
            Wanted::Id(_) | Wanted::Key(..) => Vec::new(),
            Wanted::Digest(wanted) => {
                let events: Vec<&Event<'_>> = events.iter().collect();
                let keys = digests_of(rule, &events).into_iter().enumerate();
                keys.filter(|(_, (key, _))| key == wanted)
                    .map(|(place, (key, _))| (place, key))
                    .collect()
            }
        }
    }

    /// The same of a frame whose events have only digests of their keys.
    pub(super) fn among_erased(
        &self,
        rule: KeyRule,
        erased: &Erased<'_>,
    ) -> Vec<(usize, KeyDigest)> {
        let topics = erased.topics.iter().copied();
        let by_topic = match self {
            Wanted::Id(id) if rule == KeyRule::TopicAndId => digests_in(topics, id),
            _ => Vec::new(),
        };
        let numbered = erased.events.iter().enumerate();
        numbered
            .map(|(place, event)| (place, event.topic as usize, KeyDigest(event.key)))
            .filter(|(_, topic, key)| match self {
                Wanted::Id(_) => by_topic.get(*topic) == Some(key),
                Wanted::Key(_, wanted) | Wanted::Digest(wanted) => wanted == key,
            })
            .map(|(place, _, key)| (place, key))
            .collect()
    }
}
