//! The headers of segments and the meta file.

use proptest::prelude::*;

use super::super::format::*;
use super::super::header::*;
use super::segment_header;
use crate::event::Seq;

proptest! {
    #[test]
    fn file_headers_come_back_as_written(segment in segment_header()) {
        prop_assert!(SegmentHeader::decode(&segment.encode()) == Ok(segment));
        let meta = Meta { log_id: segment.log_id, made_at: segment.made_at };
        prop_assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
    }

    #[test]
    fn a_flipped_bit_in_a_file_header_is_found(segment in segment_header(), bit in 0..512_usize) {
        let mut bytes = segment.encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let fault = SegmentHeader::decode(&bytes).err();
        prop_assert!(matches!(fault, Some(HeaderFault::Magic | HeaderFault::Crc)));
        let mut bytes = Meta { log_id: segment.log_id, made_at: segment.made_at }.encode();
        let bit = bit % (META_BYTES * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let fault = Meta::decode(&bytes).err();
        prop_assert!(matches!(fault, Some(HeaderFault::Magic | HeaderFault::Crc)));
    }
}

#[test]
fn reserved_bytes_of_a_segment_header_are_ignored_but_covered() {
    let header = SegmentHeader {
        fold_version: 1,
        log_id: LogId([7; 16]),
        first_seq: Seq::FIRST,
        salt: 9,
        made_at: 0,
    };
    let mut bytes = header.encode();
    bytes[12] = 1;
    assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Crc));
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&bytes), Ok(header));

    // The seal repeats the header as it is in the file.
    let mut seal = FrameTable::default().encode_seal(&header, 64);
    seal[..HEADER_BYTES].copy_from_slice(&bytes);
    assert!(FrameTable::decode_seal(&seal, &header).is_some());
}

#[test]
fn a_later_format_version_is_named_and_not_called_damage() {
    let mut meta = Meta {
        log_id: LogId([7; 16]),
        made_at: 0,
    }
    .encode();
    meta[8] = 2;
    assert_eq!(Meta::decode(&meta), Err(HeaderFault::Crc));
    let crc = crc32fast::hash(&meta[..44]);
    meta[44..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(Meta::decode(&meta), Err(HeaderFault::Version(2)));
}
