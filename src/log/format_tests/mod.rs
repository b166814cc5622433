//! Headers, frames and payloads as pure functions: what is written is read again, and
//! nothing else is ever taken for it.

mod frames;
mod headers;
mod payloads;
mod table;

use proptest::collection::vec;
use proptest::prelude::*;

use super::codec::*;
use super::format::*;
use super::frame::*;
use super::header::*;
use crate::event::Seq;

fn segment_header() -> impl Strategy<Value = SegmentHeader> {
    (any::<[u64; 3]>(), any::<[u8; 16]>(), any::<u16>()).prop_map(|(numbers, id, fold_version)| {
        SegmentHeader {
            fold_version,
            log_id: LogId(id),
            first_seq: Seq::new(numbers[0]),
            salt: numbers[1],
            made_at: numbers[2] as i64,
        }
    })
}

/// Any header; the length and the CRC are the encoder's.
fn frame_header() -> impl Strategy<Value = FrameHeader> {
    let small = any::<(u8, u8, u16, u32)>();
    (small, any::<[u64; 5]>()).prop_map(|((type_number, key_rule, flags, count), numbers)| {
        FrameHeader {
            type_number,
            key_rule,
            flags,
            payload_bytes: 0,
            count,
            first_seq: Seq::new(numbers[0]),
            received_at: numbers[1] as i64,
            durable_up_to: Seq::new(numbers[2]),
            origin_epoch: numbers[3],
            origin_seq: numbers[4],
            payload_crc: 0,
        }
    })
}

fn encoded(segment: &SegmentHeader, offset: u64, header: FrameHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let payload = PreparedPayload::new(payload.to_vec());
    encode_frame(segment, offset, header, &payload, &mut bytes);
    assert_eq!(bytes.len() as u64, payload.frame_bytes());
    bytes
}

fn read_frame<'b>(
    segment: &SegmentHeader,
    offset: u64,
    bytes: &'b [u8],
) -> Result<(FrameHeader, &'b [u8]), FrameFault> {
    let header = decode_header(segment, offset, bytes)?;
    Ok((header, check_payload(segment, offset, &header, bytes)?))
}

proptest! {
    #[test]
    fn any_bytes_can_be_looked_at(bytes in vec(any::<u8>(), 0..200), segment in segment_header()) {
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
        prop_assert!(Meta::decode(&bytes).is_err());
        prop_assert!(read_frame(&segment, 64, &bytes).is_err());
        prop_assert!(FrameTable::decode_seal(&bytes, &segment).is_none());
        // Some may happen to be a payload; none may panic.
        let _ = decode_events(&bytes, 1);
        let _ = decode_erased(&bytes, 1);
    }
}
