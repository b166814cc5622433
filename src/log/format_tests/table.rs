//! The table of frames in a seal.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::format::*;
use super::super::header::*;
use super::segment_header;
use crate::event::Seq;

proptest! {
    #[test]
    fn a_table_finds_the_frame_of_every_seq(
        header in segment_header(),
        frames in vec((1..100_u64, 64..40_000_u64), 0..60),
        asked in 0..7_000_u64,
    ) {
        let mut table = FrameTable::default();
        let (mut seq, mut offset) = (1, HEADER_BYTES as u64);
        let mut noted: Vec<(Seq, u64)> = Vec::new();
        for (count, bytes) in frames {
            table.note(Seq::new(seq), offset);
            if noted.last().is_none_or(|(_, last)| offset >= last + SEAL_SPACING_BYTES) {
                noted.push((Seq::new(seq), offset));
            }
            (seq, offset) = (seq + count, aligned(offset + bytes));
        }
        prop_assert_eq!(table.len(), noted.len());
        let floor = noted.iter().rev().find(|(first, _)| first.get() <= asked).copied();
        prop_assert_eq!(table.floor(Seq::new(asked)), floor);

        let payload = table.encode_seal(&header, offset);
        prop_assert_eq!(frame_bytes(payload.len() as u64), seal_bytes(table.len()));
        let end = payload.last_chunk().expect("a trailer");
        prop_assert_eq!(FrameTable::seal_offset(end), Some(offset));
        for cut in 1..payload.len() {
            prop_assert_eq!(FrameTable::decode_seal(&payload[cut..], &header), None);
        }
        prop_assert_eq!(FrameTable::decode_seal(&payload, &header), Some(table));
        let other = SegmentHeader { salt: !header.salt, ..header };
        prop_assert_eq!(FrameTable::decode_seal(&payload, &other), None);
    }
}
