//! Makes checksums right by the words of `log::format` alone, so that a fuzzer comes behind them.

use crate::event::Seq;
use crate::log::format::{
    FRAME_MAGIC, FrameType, HEADER_BYTES, LogId, SEAL_ENTRY_BYTES, SEAL_MAGIC, SEAL_SPACING_BYTES,
    SEAL_TRAILER_BYTES,
};
use crate::log::header::SegmentHeader;

/// The header of the segment with this first seq, in a log that is always the same one.
pub(super) fn segment_header(first_seq: u64) -> SegmentHeader {
    SegmentHeader {
        fold_version: 1,
        log_id: LogId(*b"a log of fuzzing"),
        first_seq: Seq::new(first_seq),
        salt: 0x5a17,
        made_at: 0,
    }
}

/// Puts the CRC of a file's header, `log.meta` or a segment's, behind it.
pub(super) fn file_header(header: &mut [u8]) {
    let Some((content, crc)) = header.split_last_chunk_mut::<4>() else {
        return;
    };
    *crc = crc32fast::hash(content).to_le_bytes();
}

/// What is repaired of a frame.
#[derive(Copy, Clone)]
pub(super) struct Sums {
    pub(super) header: bool,
    pub(super) payload: bool,
}

/// Repairs the frame that `bytes` begin with and that may be cut; its magic too. What of its
/// payload is not there is taken for what is.
pub(super) fn frame(segment: &SegmentHeader, offset: u64, bytes: &mut [u8], sums: Sums) {
    if bytes.len() < HEADER_BYTES {
        return;
    }
    bytes[..4].copy_from_slice(&FRAME_MAGIC);
    let mut context = crc32fast::Hasher::new();
    context.update(&segment.salt.to_le_bytes());
    context.update(&segment.log_id.0);
    context.update(&segment.first_seq.get().to_le_bytes());
    context.update(&offset.to_le_bytes());
    if sums.payload {
        let end = (HEADER_BYTES + padded_length(bytes)).min(bytes.len());
        let mut crc = context.clone();
        crc.update(&bytes[..56]);
        crc.update(&bytes[HEADER_BYTES..end]);
        bytes[56..60].copy_from_slice(&crc.finalize().to_le_bytes());
    }
    if sums.header {
        context.update(&bytes[..60]);
        bytes[60..64].copy_from_slice(&context.finalize().to_le_bytes());
    }
}

/// The length of the payload of the frame that these bytes begin with, and its padding.
pub(super) fn padded_length(bytes: &[u8]) -> usize {
    (number(bytes, 8, 4) as usize).next_multiple_of(8)
}

/// A little-endian number of up to eight bytes.
pub(super) fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    let bytes = bytes[at..at + len].iter().rev();
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Makes a file a segment whose checksums are right; with `chain`, its frames also follow each
/// other as they must, no longer than the file is, and a seal repeats what it must.
pub(super) fn segment(header: &SegmentHeader, bytes: &mut [u8], chain: bool) {
    if bytes.len() < HEADER_BYTES {
        return;
    }
    let good = header.encode();
    for field in [0..10, 12..56] {
        bytes[field.clone()].copy_from_slice(&good[field]);
    }
    if chain {
        bytes[..HEADER_BYTES].copy_from_slice(&good);
    }
    file_header(&mut bytes[..HEADER_BYTES]);
    let mut due = header.first_seq.get();
    let mut table: Vec<(u64, u64)> = Vec::new();
    let mut at = HEADER_BYTES;
    while at + HEADER_BYTES <= bytes.len() {
        if bytes[at..at + 4] != FRAME_MAGIC {
            at += 8;
            continue;
        }
        if chain {
            follow(header, &mut bytes[at..], at as u64, due, &table);
        }
        let sums = Sums {
            header: true,
            payload: true,
        };
        frame(header, at as u64, &mut bytes[at..], sums);
        let count = number(bytes, at + 12, 4);
        let is_far = |(_, last): &(u64, u64)| at as u64 >= last + SEAL_SPACING_BYTES;
        if count > 0 && table.last().is_none_or(is_far) {
            table.push((due, at as u64));
        }
        due = due.saturating_add(count);
        // A length may be anything: what stands behind it is then repaired for itself.
        let length = padded_length(&bytes[at..]);
        at += HEADER_BYTES
            + if length <= bytes.len() - at {
                length
            } else {
                0
            };
    }
}

/// Lets the frame that `bytes` begin with follow those before it.
fn follow(segment: &SegmentHeader, bytes: &mut [u8], at: u64, due: u64, table: &[(u64, u64)]) {
    let there = bytes.len() - HEADER_BYTES;
    let length = number(bytes, 8, 4).min((there - there % 8) as u64);
    bytes[8..12].copy_from_slice(&(length as u32).to_le_bytes());
    bytes[16..24].copy_from_slice(&due.to_le_bytes());
    let durable = number(bytes, 32, 8).min(due.saturating_sub(1));
    bytes[32..40].copy_from_slice(&durable.to_le_bytes());
    let seal_length = HEADER_BYTES + table.len() * SEAL_ENTRY_BYTES + SEAL_TRAILER_BYTES;
    if bytes[4] != FrameType::Seal as u8 || seal_length > there {
        return;
    }
    let mut seal = segment.encode().to_vec();
    for (seq, offset) in table {
        seal.extend_from_slice(&seq.to_le_bytes());
        seal.extend_from_slice(&offset.to_le_bytes());
    }
    seal.extend_from_slice(&at.to_le_bytes());
    seal.extend_from_slice(&(table.len() as u32).to_le_bytes());
    seal.extend_from_slice(&SEAL_MAGIC);
    bytes[8..12].copy_from_slice(&(seal_length as u32).to_le_bytes());
    bytes[HEADER_BYTES..HEADER_BYTES + seal_length].copy_from_slice(&seal);
}
