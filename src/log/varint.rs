//! The numbers of payloads as bincode writes them: one byte up to 250, else one that says how many
//! little-endian bytes follow.

/// How many bytes of a number follow this first one; none where it begins none.
pub(super) fn following(first: u8) -> Option<usize> {
    match first {
        0..=250 => Some(0),
        251 => Some(2),
        252 => Some(4),
        253 => Some(8),
        254.. => None,
    }
}

/// The number that such bytes, eight at most, stand for.
pub(super) fn value(following: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..following.len()].copy_from_slice(following);
    u64::from_le_bytes(bytes)
}
