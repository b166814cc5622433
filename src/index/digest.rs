//! The digests that the fold compares: BLAKE3 over length-prefixed fields, so that
//! nobody can make two different keys meet. Persisted in the index, in `erased`
//! frames and in receipts: none of these rules ever changes.

use std::fmt;

use crate::event::{Event, KeyRule, NAME_BYTES_MAX, PayloadKind};

/// The longest fields that a key has when its event was admitted: the rule, and two names
/// with their lengths.
const ADMITTED_KEY_BYTES: usize = 1 + 2 * (8 + NAME_BYTES_MAX);

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
        let space = match rule {
            KeyRule::TopicAndId => &event.topic,
            KeyRule::SourceAndId => &event.source,
        };
        let (space, id) = (space.as_bytes(), event.event_id.as_bytes());
        let len = 1 + 8 + space.len() + 8 + id.len();
        // What is admitted fits; a log may hold what another version admitted.
        let mut short = [0; ADMITTED_KEY_BYTES];
        let mut long = Vec::new();
        let fields = match short.get_mut(..len) {
            Some(fields) => fields,
            None => {
                long.resize(len, 0);
                &mut long[..]
            }
        };
        fields[0] = rule as u8;
        let (space_field, id_field) = fields[1..].split_at_mut(8 + space.len());
        for (field, text) in [(space_field, space), (id_field, id)] {
            field[..8].copy_from_slice(&(text.len() as u64).to_le_bytes());
            field[8..].copy_from_slice(text);
        }
        KeyDigest(first_16(blake3::hash(fields)))
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

    fn key(rule: KeyRule, topic: &str, source: &str, id: &str) -> KeyDigest {
        let event = Event {
            topic: Cow::Borrowed(topic),
            event_id: Cow::Borrowed(id),
            source: Cow::Borrowed(source),
            timestamp: None,
            kind: PayloadKind::Json,
            payload: b"1",
            attributes: Vec::new(),
        };
        KeyDigest::of(rule, &event)
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
