//! Bytes that may be a frame: what is taken is what would be written again, and what is refused is
//! refused for the reason that the format says.

use super::input::Input;
use super::repaired::{self, Sums, number, padded_length, segment_header};
use crate::event::Seq;
use crate::log::codec::{
    decode_erased, decode_events, decode_events_by_bincode, encode_any_events, encode_erased,
};
use crate::log::format::{
    FRAME_MAGIC, FRAME_PAYLOAD_BYTES_MAX, FrameType, HEADER_BYTES, META_BYTES,
};
use crate::log::frame::{
    FrameFault, FrameHeader, PreparedPayload, check_payload, decode_header, encode_frame,
};
use crate::log::header::{FrameTable, HeaderFault, Meta, SegmentHeader};

/// Where the frame stands.
const OFFSET: u64 = 64;

/// The first byte says what the others are, and of what the checksums are made right.
pub fn frame(data: &[u8]) {
    let mut input = Input(data);
    let choices = input.byte();
    let sums = Sums {
        header: choices & 4 != 0,
        payload: choices & 8 != 0,
    };
    match choices & 3 {
        0 => one_frame(&mut input.0.to_vec(), sums),
        1 => file_headers(input.0, sums.header),
        2 => {
            let count = u32::from(input.byte());
            events(input.0, count);
        }
        _ => {
            let count = u32::from(input.byte());
            erased(input.0, count);
            seal(input.0);
        }
    }
}

fn one_frame(bytes: &mut [u8], sums: Sums) {
    let segment = segment_header(1);
    if sums.header {
        repaired::frame(&segment, OFFSET, bytes, sums);
    }
    let found = decode_header(&segment, OFFSET, bytes)
        .and_then(|header| Ok((header, check_payload(&segment, OFFSET, &header, bytes)?)));
    assert_eq!(found.err(), fault_of(&segment, bytes), "{bytes:?}");
    let Ok((header, payload)) = found else {
        return;
    };
    written_again(&segment, bytes, &header, payload);
    match header.frame_type() {
        Some(FrameType::Events) => events(payload, header.count),
        Some(FrameType::Erased) => erased(payload, header.count),
        Some(FrameType::Seal) => seal(payload),
        _ => {}
    }
}

/// What the format says of these bytes, in its own order.
fn fault_of(segment: &SegmentHeader, bytes: &[u8]) -> Option<FrameFault> {
    let magic = &bytes[..bytes.len().min(4)];
    if magic.iter().all(|byte| *byte == 0) {
        return Some(FrameFault::Nothing);
    }
    if magic != FRAME_MAGIC {
        return Some(FrameFault::Magic);
    }
    if bytes.len() < HEADER_BYTES {
        return Some(FrameFault::HeaderCut);
    }
    let mut right = bytes.to_vec();
    let sums = Sums {
        header: true,
        payload: false,
    };
    repaired::frame(segment, OFFSET, &mut right, sums);
    if right != bytes || number(bytes, 8, 4) > FRAME_PAYLOAD_BYTES_MAX as u64 {
        return Some(FrameFault::HeaderCrc);
    }
    if HEADER_BYTES + padded_length(bytes) > bytes.len() {
        return Some(FrameFault::PayloadCut);
    }
    let sums = Sums {
        header: false,
        payload: true,
    };
    repaired::frame(segment, OFFSET, &mut right, sums);
    (right != bytes).then_some(FrameFault::PayloadCrc)
}

/// Padding apart, which is not looked at, and the sums over it.
fn written_again(segment: &SegmentHeader, bytes: &[u8], header: &FrameHeader, payload: &[u8]) {
    let frame = &bytes[..header.frame_bytes() as usize];
    let mut again = Vec::new();
    let prepared = PreparedPayload::new(payload.to_vec());
    encode_frame(segment, OFFSET, *header, &prepared, &mut again);
    let padding = &frame[HEADER_BYTES + payload.len()..];
    if padding.iter().all(|byte| *byte == 0) {
        assert_eq!(again, frame);
    } else {
        assert_eq!(again[..56], frame[..56]);
    }
}

/// Both readers of events say the same, and what they take is written as shortly, or shorter.
fn events(payload: &[u8], count: u32) {
    let taken = decode_events(payload, count);
    let by_bincode = decode_events_by_bincode(payload, count);
    assert_eq!(taken.as_ref().ok(), by_bincode.as_ref().ok(), "{payload:?}");
    let Ok(events) = taken else {
        return;
    };
    assert_eq!(events.len(), count as usize);
    let again = encode_any_events(&events).expect("it was no longer before");
    assert_eq!(decode_events(&again, count).expect("written so"), events);
    as_short(&again, payload);
}

fn erased(payload: &[u8], count: u32) {
    let Ok(erased) = decode_erased(payload, count) else {
        return;
    };
    assert_eq!(erased.events.len(), count as usize);
    let again = encode_erased(&erased).expect("it was no longer before");
    assert_eq!(decode_erased(&again, count).expect("written so"), erased);
    as_short(&again, payload);
}

/// A reader also takes numbers that are longer than they need be; attributes of a whole batch it
/// passes over. Without any of these all bytes are the same.
fn as_short(again: &[u8], payload: &[u8]) {
    assert!(again.len() <= payload.len(), "{payload:?}");
    if again.len() == payload.len() {
        assert_eq!(again, payload);
    }
}

fn seal(payload: &[u8]) {
    let segment = segment_header(1);
    let mut bytes = payload.to_vec();
    if let Some(header) = bytes.first_chunk_mut() {
        *header = segment.encode();
    }
    let Some(table) = FrameTable::decode_seal(&bytes, &segment) else {
        return;
    };
    let trailer = bytes.last_chunk().expect("it has one");
    let offset = FrameTable::seal_offset(trailer).expect("its magic is there");
    assert_eq!(table.encode_seal(&segment, offset), bytes);
    // Where they are not in order it leads anywhere, and still to one of them.
    let found = table.floor(Seq::new(offset));
    assert!(found.is_none() || !table.is_empty());
}

/// `log.meta` and a segment's header are told apart by their magics alone.
fn file_headers(bytes: &[u8], repair: bool) {
    let mut segment = bytes[..bytes.len().min(HEADER_BYTES)].to_vec();
    let mut meta = bytes[..bytes.len().min(META_BYTES)].to_vec();
    if repair {
        let good = segment_header(1).encode();
        let magic = segment.len().min(8);
        segment[..magic].copy_from_slice(&good[..magic]);
        repaired::file_header(&mut segment);
        let good = Meta {
            log_id: segment_header(1).log_id,
            made_at: 0,
        };
        let magic = meta.len().min(8);
        meta[..magic].copy_from_slice(&good.encode()[..magic]);
        repaired::file_header(&mut meta);
    }
    match SegmentHeader::decode(&segment) {
        Ok(header) => {
            let mut reserved_apart = segment.clone();
            reserved_apart[12..16].fill(0);
            reserved_apart[56..60].fill(0);
            repaired::file_header(&mut reserved_apart);
            assert_eq!(header.encode()[..], reserved_apart);
        }
        Err(fault) => refused(fault, &segment, HEADER_BYTES, repair),
    }
    match Meta::decode(&meta) {
        Ok(header) => {
            let mut reserved_apart = meta.clone();
            reserved_apart[10..16].fill(0);
            reserved_apart[40..44].fill(0);
            repaired::file_header(&mut reserved_apart);
            assert_eq!(header.encode()[..], reserved_apart);
        }
        Err(fault) => refused(fault, &meta, META_BYTES, repair),
    }
}

/// What was made right is refused only as too short, or as a later version's.
fn refused(fault: HeaderFault, bytes: &[u8], whole: usize, repaired: bool) {
    assert_eq!(fault == HeaderFault::Short, bytes.len() < whole);
    if let HeaderFault::Version(version) = fault {
        assert_eq!(u64::from(version), number(bytes, 8, 2));
        assert_ne!(version, 1);
    } else if repaired {
        assert_eq!(fault, HeaderFault::Short);
    }
}
