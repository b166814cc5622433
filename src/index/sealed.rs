//! The CRC that every stored block begins with, and the reading of what it covers.
//!
//! SQLite checksums its WAL and not its database. So each block's CRC covers, besides
//! its contents, what kind of block it is and the numbers by which it was looked for:
//! a flipped bit in a page above it then shows as a mismatch, not as another block.

use super::error::IndexError;

/// What a block is. Persisted inside CRCs: the numbers never change.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Head = 1,
    Run = 2,
    Keys = 3,
    Fences = 4,
    Filter = 5,
    Notes = 6,
    Postings = 7,
    Topic = 8,
    RunHeader = 9,
    Top = 10,
    Generation = 11,
    Counts = 12,
}

/// The bytes of the CRC in front of a block.
pub(super) const CRC_BYTES: usize = 4;

/// The CRC32 of a block's kind, its numbers and its contents.
pub(super) fn crc<const N: usize>(kind: Kind, numbers: [u64; N], contents: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind as u8]);
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(contents);
    hasher.finalize()
}

/// Puts the CRC into the first bytes of a block, which were left free for it.
pub(super) fn seal<const N: usize>(kind: Kind, numbers: [u64; N], block: &mut [u8]) {
    let crc = crc(kind, numbers, &block[CRC_BYTES..]);
    block[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// The contents of a block, if it is intact and the one that was looked for.
///
/// # Errors
/// [`IndexError::Damaged`] otherwise.
pub(super) fn open<const N: usize>(
    kind: Kind,
    numbers: [u64; N],
    block: &[u8],
) -> Result<&[u8], IndexError> {
    match block.split_first_chunk::<CRC_BYTES>() {
        Some((found, contents)) if u32::from_le_bytes(*found) == crc(kind, numbers, contents) => {
            Ok(contents)
        }
        _ => Err(malformed(kind, numbers)),
    }
}

/// The error for a block whose contents make no sense.
pub(super) fn malformed<const N: usize>(kind: Kind, numbers: [u64; N]) -> IndexError {
    let numbers = numbers.map(|number| number.to_string()).join("/");
    IndexError::damaged(format!("{kind:?} block {numbers}"))
}

/// Appends a number, seven bits a byte, lowest first.
pub(super) fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes values off the front of a block's contents. `None` when there is not enough.
pub(super) struct Contents<'a>(pub(super) &'a [u8]);

impl<'a> Contents<'a> {
    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(front)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_only_taken_for_what_it_was_sealed_as() {
        let mut block = vec![0, 0, 0, 0, 1, 2, 3];
        seal(Kind::Keys, [7, 8], &mut block);
        assert_eq!(open(Kind::Keys, [7, 8], &block).unwrap(), [1, 2, 3]);
        assert!(open(Kind::Fences, [7, 8], &block).is_err());
        assert!(open(Kind::Keys, [8, 8], &block).is_err());
        assert!(open(Kind::Keys, [7, 9], &block).is_err());
        assert!(open(Kind::Keys, [7, 8], &block[..3]).is_err());
        for bit in 0..block.len() * 8 {
            let mut flipped = block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(Kind::Keys, [7, 8], &flipped).is_err());
        }
    }

    #[test]
    fn varints_come_back_and_short_ones_are_refused() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            assert_eq!(Contents(&bytes).varint(), Some(number));
            assert_eq!(Contents(&bytes[..bytes.len() - 1]).varint(), None);
        }
        assert_eq!(Contents(&[0x80; 12]).varint(), None);
    }
}
