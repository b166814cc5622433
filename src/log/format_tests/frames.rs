//! Frames, whole and otherwise.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::format::*;
use super::super::frame::*;
use super::super::header::*;
use super::{encoded, frame_header, read_frame, segment_header};
use crate::event::Seq;

proptest! {
    #[test]
    fn frames_come_back_as_written(
        segment in segment_header(),
        offset in any::<u64>(),
        header in frame_header(),
        payload in vec(any::<u8>(), 0..100),
        behind in vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = encoded(&segment, offset, header, &payload);
        prop_assert_eq!(bytes.len() % FRAME_ALIGN_BYTES as usize, 0);
        bytes.extend(behind);
        let (found, content) = read_frame(&segment, offset, &bytes).expect("a good frame");
        let expected = FrameHeader {
            payload_bytes: payload.len() as u32,
            payload_crc: found.payload_crc,
            ..header
        };
        prop_assert_eq!(found, expected);
        prop_assert_eq!(content, payload);
    }

    #[test]
    fn every_flipped_bit_in_a_frame_is_found(
        segment in segment_header(),
        header in frame_header(),
        payload in vec(any::<u8>(), 0..30),
    ) {
        let mut bytes = encoded(&segment, 64, header, &payload);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(read_frame(&segment, 64, &bytes).is_err(), "bit {}", bit);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        prop_assert!(read_frame(&segment, 64, &bytes).is_ok());
    }

    #[test]
    fn a_cut_frame_is_found(
        segment in segment_header(),
        header in frame_header(),
        payload in vec(any::<u8>(), 0..30),
    ) {
        let bytes = encoded(&segment, 64, header, &payload);
        for length in 0..bytes.len() {
            let fault = read_frame(&segment, 64, &bytes[..length]).err();
            let expected = match length {
                0 => FrameFault::Nothing,
                1..4 => FrameFault::Magic,
                4..HEADER_BYTES => FrameFault::HeaderCut,
                _ => FrameFault::PayloadCut,
            };
            prop_assert_eq!(fault, Some(expected), "{} bytes", length);
        }
    }

    /// Stale bytes of another file, frames moved within one, frames carried in a payload.
    #[test]
    fn a_frame_in_another_place_is_found(
        segment in segment_header(),
        header in frame_header(),
        payload in vec(any::<u8>(), 0..30),
        offset in any::<u64>(),
        change in 1..=u64::MAX,
        byte in 0..16_usize,
    ) {
        let bytes = encoded(&segment, offset, header, &payload);
        let mut log_id = segment.log_id;
        log_id.0[byte] ^= (change as u8).max(1);
        let elsewhere = [
            (SegmentHeader { salt: segment.salt ^ change, ..segment }, offset),
            (SegmentHeader { log_id, ..segment }, offset),
            (
                SegmentHeader { first_seq: Seq::new(segment.first_seq.get() ^ change), ..segment },
                offset,
            ),
            (segment, offset ^ change),
        ];
        for (place, (segment, offset)) in elsewhere.into_iter().enumerate() {
            let header = decode_header(&segment, offset, &bytes);
            prop_assert_eq!(header, Err(FrameFault::HeaderCrc), "place {}", place);
        }
    }

    /// As when a header's page was written and its payload's page was not.
    #[test]
    fn the_payload_of_another_frame_is_found(
        segment in segment_header(),
        header in frame_header(),
        payloads in vec(vec(any::<u8>(), 16), 2),
    ) {
        prop_assume!(payloads[0] != payloads[1]);
        let mut bytes = encoded(&segment, 64, header, &payloads[0]);
        let other = encoded(&segment, 64, header, &payloads[1]);
        bytes[HEADER_BYTES..].copy_from_slice(&other[HEADER_BYTES..]);
        prop_assert_eq!(read_frame(&segment, 64, &bytes).err(), Some(FrameFault::PayloadCrc));
    }

    #[test]
    fn a_length_beyond_the_limit_is_no_frame(
        segment in segment_header(),
        header in frame_header(),
        length in FRAME_PAYLOAD_BYTES_MAX as u32 + 1..,
    ) {
        let mut bytes = encoded(&segment, 64, header, b"");
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        let mut crc = segment.crc_seed();
        crc.update(&64_u64.to_le_bytes());
        crc.update(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.finalize().to_le_bytes());
        prop_assert!(decode_header(&segment, 64, &bytes).is_err());
    }
}

#[test]
fn frame_types_keep_their_numbers() {
    let numbers: Vec<_> = (0..=u8::MAX)
        .filter_map(|number| FrameType::from_number(number).map(|known| (number, known.name())))
        .collect();
    assert_eq!(
        numbers,
        [
            (1, "events"),
            (2, "mark"),
            (3, "seal"),
            (4, "hole"),
            (5, "erased"),
            (6, "control")
        ]
    );
}
