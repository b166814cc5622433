//! The digests that the fold compares: BLAKE3 over length-prefixed fields, so that
//! nobody can make two different keys meet. Persisted in the index, in `erased`
//! frames and in receipts: none of these rules ever changes.

mod lanes;

use std::fmt;

use crate::event::{Event, KeyRule, PayloadKind};

/// Fewer events are hashed one by one, in about the same time.
const EVENTS_IN_LANES_MIN: usize = 3;
/// What the fields of a key take, mostly.
const USUAL_KEY_BYTES: usize = 80;

/// 16 bytes of BLAKE3 over an event's dedup key. Key spaces of different rules are apart.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub [u8; 16]);

/// 16 bytes of BLAKE3 over an event's payload, byte for byte as sent.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadDigest(pub [u8; 16]);

/// 32 bytes of BLAKE3 over a payload's canonical form: equal if and only if the
/// payloads are equal as values.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalDigest(pub [u8; 32]);

impl KeyDigest {
    /// The digest of an event's key under a rule: over the rule's number, then the length of
    /// each field as a u64, little-endian, and the field.
    pub fn of(rule: KeyRule, event: &Event<'_>) -> KeyDigest {
        let mut fields = Vec::with_capacity(USUAL_KEY_BYTES);
        push_key_fields(rule, event, &mut fields);
        KeyDigest(first_16(blake3::hash(&fields)))
    }
}

fn push_key_fields(rule: KeyRule, event: &Event<'_>, fields: &mut Vec<u8>) {
    let space = match rule {
        KeyRule::TopicAndId => &event.topic,
        KeyRule::SourceAndId => &event.source,
    };
    fields.push(rule as u8);
    for text in [space, &event.event_id] {
        fields.extend_from_slice(&(text.len() as u64).to_le_bytes());
        fields.extend_from_slice(text.as_bytes());
    }
}

impl PayloadDigest {
    /// The digest of a payload as sent. Payloads of different kinds are never equal: that of
    /// JSON is BLAKE3 of its text, that of bytes is BLAKE3 keyed with 32 bytes of 1.
    pub fn of(kind: PayloadKind, payload: &[u8]) -> PayloadDigest {
        PayloadDigest(first_16(match kind {
            PayloadKind::Json => blake3::hash(payload),
            PayloadKind::Bytes => blake3::keyed_hash(&[PayloadKind::Bytes as u8; 32], payload),
        }))
    }
}

/// The digests of the keys and payloads of all of these events, in their order, in a fraction
/// of the time that they take one by one.
pub fn digests_of(rule: KeyRule, events: &[&Event<'_>]) -> Vec<(KeyDigest, PayloadDigest)> {
    if events.len() < EVENTS_IN_LANES_MIN {
        let one_by_one = events.iter().map(|event| {
            let payload = PayloadDigest::of(event.kind, event.payload);
            (KeyDigest::of(rule, event), payload)
        });
        return one_by_one.collect();
    }
    let mut fields = Vec::with_capacity(events.len() * USUAL_KEY_BYTES);
    let mut ends = vec![0];
    for event in events {
        push_key_fields(rule, event, &mut fields);
        ends.push(fields.len());
    }
    let keys = ends.windows(2).map(|ends| &fields[ends[0]..ends[1]]);
    let payloads = events.iter().map(|event| event.payload);
    let messages: Vec<&[u8]> = keys.chain(payloads).collect();
    let hashes = lanes::hash_all(&messages);
    let (keys, payloads) = hashes.split_at(events.len());
    let digests = events.iter().zip(keys).zip(payloads);
    digests
        .map(|((event, key), payload)| {
            let payload = match event.kind {
                PayloadKind::Json => PayloadDigest(*payload),
                // A keyed hash, which the lanes do not make.
                PayloadKind::Bytes => PayloadDigest::of(event.kind, event.payload),
            };
            (KeyDigest(*key), payload)
        })
        .collect()
}

fn first_16(hash: blake3::Hash) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&hash.as_bytes()[..16]);
    first
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! shown_as_hex {
    ($($digest:ty),*) => {$(
        impl fmt::Display for $digest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
        impl fmt::Debug for $digest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
    )*};
}
shown_as_hex!(KeyDigest, PayloadDigest, CanonicalDigest);

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn event<'a>(topic: &'a str, source: &'a str, id: &'a str, payload: &'a [u8]) -> Event<'a> {
        Event {
            topic: Cow::Borrowed(topic),
            event_id: Cow::Borrowed(id),
            source: Cow::Borrowed(source),
            timestamp: None,
            kind: PayloadKind::Json,
            payload,
            attributes: Vec::new(),
        }
    }

    fn key(rule: KeyRule, topic: &str, source: &str, id: &str) -> KeyDigest {
        KeyDigest::of(rule, &event(topic, source, id, b"1"))
    }

    /// Found by search. Half as long, digests are no names: this takes a quarter of an hour.
    #[test]
    fn two_keys_that_agree_in_eight_bytes_are_two() {
        let of = |id| key(KeyRule::TopicAndId, "topic-0", "", id);
        let (one, other) = (of("69e479775676d4ce"), of("7bd3b33d0dc999b9"));
        assert_eq!(one.0[..8], other.0[..8]);
        assert_ne!(one, other);
    }

    #[test]
    fn many_events_have_the_digests_that_each_has_alone() {
        let ids: Vec<String> = (0..40).map(|number| "i".repeat(number * 7)).collect();
        let mut events: Vec<Event<'_>> = ids
            .iter()
            .map(|id| event("topic", "source", id, id.as_bytes()))
            .collect();
        events[7].kind = PayloadKind::Bytes;
        let long = [7; 5_000];
        events[9].payload = &long;
        for rule in [KeyRule::TopicAndId, KeyRule::SourceAndId] {
            for count in 0..events.len() {
                let events: Vec<&Event<'_>> = events[..count].iter().collect();
                let alone: Vec<(KeyDigest, PayloadDigest)> = events
                    .iter()
                    .map(|event| {
                        let payload = PayloadDigest::of(event.kind, event.payload);
                        (KeyDigest::of(rule, event), payload)
                    })
                    .collect();
                assert_eq!(digests_of(rule, &events), alone);
            }
        }
    }

    #[test]
    fn fields_that_join_to_the_same_text_are_different_keys() {
        let topic = KeyRule::TopicAndId;
        assert_ne!(key(topic, "ab", "", "c"), key(topic, "a", "", "bc"));
        assert_ne!(key(topic, "", "", "abc"), key(topic, "abc", "", ""));
        assert_eq!(key(topic, "a", "x", "b"), key(topic, "a", "y", "b"));
    }

    #[test]
    fn rules_have_key_spaces_of_their_own() {
        let (topic, source) = (KeyRule::TopicAndId, KeyRule::SourceAndId);
        assert_ne!(key(topic, "a", "a", "b"), key(source, "a", "a", "b"));
        assert_eq!(key(source, "x", "a", "b"), key(source, "y", "a", "b"));
    }

    #[test]
    fn keys_of_every_length_are_hashed_as_described() {
        for len in [0, 1, 200, 256, 257, 5000] {
            let (topic, id) = ("t".repeat(len), "i".repeat(len / 2));
            let mut hasher = blake3::Hasher::new();
            hasher.update(&[KeyRule::TopicAndId as u8]);
            for field in [&topic, &id] {
                hasher.update(&(field.len() as u64).to_le_bytes());
                hasher.update(field.as_bytes());
            }
            let expected = KeyDigest(first_16(hasher.finalize()));
            assert_eq!(key(KeyRule::TopicAndId, &topic, "", &id), expected, "{len}");
        }
    }

    #[test]
    fn digests_are_frozen() {
        let digest = key(KeyRule::TopicAndId, "orders", "", "a-1");
        assert_eq!(digest.to_string(), "3fc3d17d2fbf869e527d36a4b02e167b");
        let digest = PayloadDigest::of(PayloadKind::Json, br#"{"total":12.5}"#);
        assert_eq!(digest.to_string(), "560180f3d43a4b5861f6f68d03deac57");
        let digest = PayloadDigest::of(PayloadKind::Bytes, br#"{"total":12.5}"#);
        assert_eq!(digest.to_string(), "0fe514e6aaf4a99558655ca60a3cf274");
    }
}
