//! Frame headers and their CRCs as pure functions.

use crc32fast::Hasher;

use super::format::*;
use super::header::{SegmentHeader, u16_at, u32_at, u64_at};
use crate::event::{KeyRule, Seq};

/// A frame's header, as written but for the CRCs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The type's number; this version may not know it.
    pub type_number: u8,
    /// The key rule's number; 0 where there is none.
    pub key_rule: u8,
    /// See the format.
    pub flags: u16,
    /// Length of the payload.
    pub payload_bytes: u32,
    /// How many seqs it takes.
    pub count: u32,
    /// Its first event's seq, or the next one's.
    pub first_seq: Seq,
    /// µs UTC.
    pub received_at: i64,
    /// The last seq known to be synced when this was written.
    pub durable_up_to: Seq,
    /// Of a replicated sequencer.
    pub origin_epoch: u64,
    /// Likewise.
    pub origin_seq: u64,
    /// Over context, header and payload.
    pub payload_crc: u32,
}

/// Why bytes are no valid frame.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// Zeros, or the end of the file: nothing was written here.
    #[error("nothing is written there")]
    Nothing,
    /// Something else than a frame.
    #[error("no frame starts there")]
    Magic,
    /// The file ends within the header.
    #[error("the file ends within the frame's header")]
    HeaderCut,
    /// Changed since it was written.
    #[error("the frame header's checksum does not match")]
    HeaderCrc,
    /// The file ends within the payload.
    #[error("the file ends within the frame's payload")]
    PayloadCut,
    /// Changed since it was written.
    #[error("the payload's checksum does not match")]
    PayloadCrc,
}

impl FrameHeader {
    /// A header of a frame that takes no seqs, to be filled in further.
    pub fn without_seqs(frame_type: FrameType, next_seq: Seq) -> FrameHeader {
        FrameHeader {
            type_number: frame_type as u8,
            key_rule: 0,
            flags: 0,
            payload_bytes: 0,
            count: 0,
            first_seq: next_seq,
            received_at: 0,
            durable_up_to: Seq::ZERO,
            origin_epoch: 0,
            origin_seq: 0,
            payload_crc: 0,
        }
    }

    /// The type, if this version knows it.
    pub fn frame_type(&self) -> Option<FrameType> {
        FrameType::from_number(self.type_number)
    }

    /// The key rule, if this version knows it.
    pub fn rule(&self) -> Option<KeyRule> {
        match self.key_rule {
            1 => Some(KeyRule::TopicAndId),
            2 => Some(KeyRule::SourceAndId),
            _ => None,
        }
    }

    /// The seq that is due behind it.
    pub fn next_seq(&self) -> Seq {
        self.first_seq.plus(u64::from(self.count))
    }

    /// The last seq in it; the one before its first where it takes none.
    pub fn last_seq(&self) -> Seq {
        self.next_seq().previous()
    }

    /// What it takes in the file.
    pub fn frame_bytes(&self) -> u64 {
        frame_bytes(u64::from(self.payload_bytes))
    }

    /// Whether it is the last frame of a clean stop.
    pub fn is_shutdown_mark(&self) -> bool {
        self.frame_type() == Some(FrameType::Mark) && self.flags & FLAG_SHUTDOWN != 0
    }

    /// Whether it was written only after everything before it had been synced.
    pub fn proves_all_before(&self) -> bool {
        self.frame_type() == Some(FrameType::Seal) || self.is_shutdown_mark()
    }

    fn encode_without_crcs(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4] = self.type_number;
        bytes[5] = self.key_rule;
        bytes[6..8].copy_from_slice(&self.flags.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.count.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_seq.get().to_le_bytes());
        bytes[24..32].copy_from_slice(&self.received_at.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.durable_up_to.get().to_le_bytes());
        bytes[40..48].copy_from_slice(&self.origin_epoch.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.origin_seq.to_le_bytes());
        bytes
    }
}

/// A payload with its padding and the CRC of both, made before the frame's place is known.
#[derive(Clone, Debug)]
pub struct PreparedPayload {
    bytes: Vec<u8>,
    payload_bytes: u32,
    crc: Hasher,
}

impl PreparedPayload {
    /// Pads and sums up a payload, which is not longer than the format allows.
    pub fn new(mut bytes: Vec<u8>) -> PreparedPayload {
        assert!(
            bytes.len() <= FRAME_PAYLOAD_BYTES_MAX,
            "payloads are bounded before they get here"
        );
        let payload_bytes = bytes.len() as u32;
        bytes.resize(aligned(u64::from(payload_bytes)) as usize, 0);
        let mut crc = Hasher::new();
        crc.update(&bytes);
        PreparedPayload {
            bytes,
            payload_bytes,
            crc,
        }
    }

    /// What the frame will take in the file.
    pub fn frame_bytes(&self) -> u64 {
        frame_bytes(u64::from(self.payload_bytes))
    }
}

/// Writes a frame to the end of `out`, as it must stand at `offset` of this segment. The
/// length and the CRCs of the header are filled in.
pub fn encode_frame(
    segment: &SegmentHeader,
    offset: u64,
    mut header: FrameHeader,
    payload: &PreparedPayload,
    out: &mut Vec<u8>,
) {
    header.payload_bytes = payload.payload_bytes;
    let mut bytes = header.encode_without_crcs();
    let context = context(segment, offset);
    let mut payload_crc = context.clone();
    payload_crc.update(&bytes[..56]);
    // The sum over the long part is known; only its place is new.
    payload_crc.combine(&payload.crc);
    bytes[56..60].copy_from_slice(&payload_crc.finalize().to_le_bytes());
    let mut header_crc = context;
    header_crc.update(&bytes[..60]);
    bytes[60..].copy_from_slice(&header_crc.finalize().to_le_bytes());
    out.extend_from_slice(&bytes);
    out.extend_from_slice(&payload.bytes);
}

/// The frame header in these bytes, of which there may be more or less than 64.
///
/// # Errors
/// [`FrameFault`], but never of the payload.
pub fn decode_header(
    segment: &SegmentHeader,
    offset: u64,
    bytes: &[u8],
) -> Result<FrameHeader, FrameFault> {
    let magic = bytes.get(..4).unwrap_or(bytes);
    if magic.iter().all(|byte| *byte == 0) {
        return Err(FrameFault::Nothing);
    }
    if magic != FRAME_MAGIC {
        return Err(FrameFault::Magic);
    }
    let Some(bytes) = bytes.get(..HEADER_BYTES) else {
        return Err(FrameFault::HeaderCut);
    };
    let mut crc = context(segment, offset);
    crc.update(&bytes[..60]);
    let payload_bytes = u32_at(bytes, 8);
    if crc.finalize() != u32_at(bytes, 60) || payload_bytes as usize > FRAME_PAYLOAD_BYTES_MAX {
        return Err(FrameFault::HeaderCrc);
    }
    Ok(FrameHeader {
        type_number: bytes[4],
        key_rule: bytes[5],
        flags: u16_at(bytes, 6),
        payload_bytes,
        count: u32_at(bytes, 12),
        first_seq: Seq::new(u64_at(bytes, 16)),
        received_at: u64_at(bytes, 24) as i64,
        durable_up_to: Seq::new(u64_at(bytes, 32)),
        origin_epoch: u64_at(bytes, 40),
        origin_seq: u64_at(bytes, 48),
        payload_crc: u32_at(bytes, 56),
    })
}

/// Checks a whole frame, whose header was decoded from the same bytes, and gives its
/// payload without the padding.
///
/// # Errors
/// [`FrameFault::PayloadCut`] or [`FrameFault::PayloadCrc`].
pub fn check_payload<'b>(
    segment: &SegmentHeader,
    offset: u64,
    header: &FrameHeader,
    frame: &'b [u8],
) -> Result<&'b [u8], FrameFault> {
    let Some(frame) = frame.get(..header.frame_bytes() as usize) else {
        return Err(FrameFault::PayloadCut);
    };
    let mut crc = payload_hasher(segment, offset, frame);
    crc.update(&frame[HEADER_BYTES..]);
    if crc.finalize() != header.payload_crc {
        return Err(FrameFault::PayloadCrc);
    }
    Ok(&frame[HEADER_BYTES..HEADER_BYTES + header.payload_bytes as usize])
}

/// The sum over what comes before the payload: its CRC goes on with payload and padding.
pub(super) fn payload_hasher(segment: &SegmentHeader, offset: u64, head: &[u8]) -> Hasher {
    let mut crc = context(segment, offset);
    crc.update(&head[..56]);
    crc
}

fn context(segment: &SegmentHeader, offset: u64) -> Hasher {
    let mut hasher = segment.crc_seed();
    hasher.update(&offset.to_le_bytes());
    hasher
}
