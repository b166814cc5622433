//! Headers as pure functions: of `log.meta`, of segments, and the seal's payload.

use super::format::*;
use crate::event::Seq;

/// Reads fixed fields out of a header. The offsets are constants within the header.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

/// Why a file's own header is refused.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The file is shorter than a header.
    #[error("the file ends within its header")]
    Short,
    /// Not a file of this format.
    #[error("the magic is missing")]
    Magic,
    /// Changed since it was written.
    #[error("the header's checksum does not match")]
    Crc,
    /// Written by a later version.
    #[error("format version {0} is not known to this program")]
    Version(u16),
    /// Under another name than its own.
    #[error("the file's name says {name} and its header says {header}")]
    Misnamed {
        /// First seq by the name.
        name: Seq,
        /// First seq by the header.
        header: Seq,
    },
}

/// `log.meta`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Which log.
    pub log_id: LogId,
    /// µs UTC.
    pub made_at: i64,
}

impl Meta {
    /// Its bytes.
    pub fn encode(&self) -> [u8; META_BYTES] {
        let mut bytes = [0; META_BYTES];
        bytes[..8].copy_from_slice(&META_MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.log_id.0);
        bytes[32..40].copy_from_slice(&self.made_at.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The meta in these bytes.
    ///
    /// # Errors
    /// [`HeaderFault`] when they are none, or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Meta, HeaderFault> {
        check_file_header(bytes, META_BYTES, &META_MAGIC)?;
        Ok(Meta {
            log_id: LogId(array(bytes, 16)),
            made_at: i64::from_le_bytes(array(bytes, 32)),
        })
    }
}

/// The header of a segment.
#[derive(Copy, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Of the rules that give verdicts.
    pub fold_version: u16,
    /// Which log.
    pub log_id: LogId,
    /// The first event's seq.
    pub first_seq: Seq,
    /// Seeds the CRCs of its frames.
    pub salt: u64,
    /// µs UTC.
    pub made_at: i64,
}

/// Without the salt, which must not reach a log line or an answer.
impl std::fmt::Debug for SegmentHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentHeader")
            .field("first_seq", &self.first_seq)
            .field("log_id", &self.log_id)
            .finish_non_exhaustive()
    }
}

impl SegmentHeader {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.fold_version.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.log_id.0);
        bytes[32..40].copy_from_slice(&self.first_seq.get().to_le_bytes());
        bytes[40..48].copy_from_slice(&self.salt.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.made_at.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header in the first 64 bytes.
    ///
    /// # Errors
    /// [`HeaderFault`] when they are none, or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, HeaderFault> {
        check_file_header(bytes, HEADER_BYTES, &SEGMENT_MAGIC)?;
        Ok(SegmentHeader {
            fold_version: u16_at(bytes, 10),
            log_id: LogId(array(bytes, 16)),
            first_seq: Seq::new(u64_at(bytes, 32)),
            salt: u64_at(bytes, 40),
            made_at: i64::from_le_bytes(array(bytes, 48)),
        })
    }

    /// What every CRC in this segment starts from, the frame's offset apart.
    pub(super) fn crc_seed(&self) -> crc32fast::Hasher {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.salt.to_le_bytes());
        hasher.update(&self.log_id.0);
        hasher.update(&self.first_seq.get().to_le_bytes());
        hasher
    }
}

/// Magic, version and CRC, which the file headers have in the same places; the CRC is last.
fn check_file_header(bytes: &[u8], len: usize, magic: &[u8; 8]) -> Result<(), HeaderFault> {
    let Some(bytes) = bytes.get(..len) else {
        return Err(HeaderFault::Short);
    };
    if bytes[..8] != magic[..] {
        return Err(HeaderFault::Magic);
    }
    // The CRC first: a flipped bit in the version is damage, not the future. Later
    // versions keep these places.
    if crc32fast::hash(&bytes[..len - 4]) != u32_at(bytes, len - 4) {
        return Err(HeaderFault::Crc);
    }
    match u16_at(bytes, 8) {
        FORMAT_VERSION => Ok(()),
        version => Err(HeaderFault::Version(version)),
    }
}

/// Where some frames of a segment start: enough to find any seq by a short walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameTable {
    entries: Vec<(Seq, u64)>,
}

impl FrameTable {
    /// Takes note of a frame that takes seqs, if the last one noted is far enough away.
    pub fn note(&mut self, first_seq: Seq, offset: u64) {
        let far = match self.entries.last() {
            None => true,
            Some((_, last)) => offset.saturating_sub(*last) >= SEAL_SPACING_BYTES,
        };
        if far {
            self.entries.push((first_seq, offset));
        }
    }

    /// The last noted frame that starts at this seq or before it; where frames begin if none.
    pub fn floor(&self, seq: Seq) -> Option<(Seq, u64)> {
        let after = self.entries.partition_point(|(first, _)| *first <= seq);
        after.checked_sub(1).map(|place| self.entries[place])
    }

    /// Whether a frame is noted on either side of this seq, so that nothing could lead nearer.
    pub(super) fn spans(&self, seq: Seq) -> bool {
        let after = self.entries.partition_point(|(first, _)| *first <= seq);
        (1..self.entries.len()).contains(&after)
    }

    /// How many frames are noted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is noted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The payload of a seal that starts at `seal_offset`.
    pub(crate) fn encode_seal(&self, header: &SegmentHeader, seal_offset: u64) -> Vec<u8> {
        let mut bytes = header.encode().to_vec();
        for (seq, offset) in &self.entries {
            bytes.extend_from_slice(&seq.get().to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        bytes.extend_from_slice(&seal_offset.to_le_bytes());
        bytes.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&SEAL_MAGIC);
        bytes
    }

    /// The table in a seal's payload; none if it is not what `encode_seal` makes.
    pub(crate) fn decode_seal(payload: &[u8], header: &SegmentHeader) -> Option<FrameTable> {
        let pairs = payload
            .len()
            .checked_sub(HEADER_BYTES + SEAL_TRAILER_BYTES)?;
        let trailer = &payload[payload.len() - SEAL_TRAILER_BYTES..];
        let entries = u32_at(trailer, 8) as usize;
        // Not byte by byte: reserved bytes may have a meaning that this version ignores.
        if SegmentHeader::decode(payload) != Ok(*header)
            || trailer[12..] != SEAL_MAGIC
            || entries.checked_mul(SEAL_ENTRY_BYTES) != Some(pairs)
        {
            return None;
        }
        let entries = payload[HEADER_BYTES..HEADER_BYTES + pairs]
            .chunks_exact(SEAL_ENTRY_BYTES)
            .map(|pair| (Seq::new(u64_at(pair, 0)), u64_at(pair, 8)))
            .collect();
        Some(FrameTable { entries })
    }

    /// Where the seal starts, by the last 16 bytes of a sealed file.
    pub(crate) fn seal_offset(file_end: &[u8; SEAL_TRAILER_BYTES]) -> Option<u64> {
        (file_end[12..] == SEAL_MAGIC).then(|| u64_at(file_end, 0))
    }
}
