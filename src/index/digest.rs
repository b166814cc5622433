//! The digests that the fold compares: BLAKE3 over length-prefixed fields, so that
//! nobody can make two different keys meet. Persisted in the index, in `erased`
//! frames and in receipts: none of these rules ever changes.

use std::fmt;

use crate::event::{Event, KeyRule};

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
    /// The digest of an event's key under a rule.
    pub fn of(rule: KeyRule, event: &Event<'_>) -> KeyDigest {
        let space = match rule {
            KeyRule::TopicAndId => &event.topic,
            KeyRule::SourceAndId => &event.source,
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[rule as u8]);
        for field in [space.as_bytes(), event.event_id.as_bytes()] {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        KeyDigest(first_16(hasher.finalize()))
    }
}

impl PayloadDigest {
    /// The digest of a payload as sent.
    pub fn of(payload: &[u8]) -> PayloadDigest {
        PayloadDigest(first_16(blake3::hash(payload)))
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
