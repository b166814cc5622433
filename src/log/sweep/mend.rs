//! A segment's header that is damaged, and can be known all the same. Without it no frame of the
//! segment can be checked, since its salt is in every CRC.

use super::patient::PatientFile;
use crate::log::format::{HEADER_BYTES, SEAL_TRAILER_BYTES};
use crate::log::frame::decode_header;
use crate::log::header::{FrameTable, SegmentHeader};
use crate::log::segment::SegmentId;
use crate::log::storage::StorageFile as _;

/// The header of this segment, which has so many bytes: the copy in its seal, or what stands
/// there with one byte set right. Either is believed only if a frame's header fits it.
pub(super) fn mended_header(
    file: &PatientFile,
    bytes: u64,
    id: SegmentId,
) -> Option<SegmentHeader> {
    header_in_seal(file, bytes, id).or_else(|| header_but_for_a_byte(file, id))
}

fn header_in_seal(file: &PatientFile, bytes: u64, id: SegmentId) -> Option<SegmentHeader> {
    let trailer_at = bytes.checked_sub(SEAL_TRAILER_BYTES as u64)?;
    let trailer = read::<SEAL_TRAILER_BYTES>(file, trailer_at)?;
    let seal_at = FrameTable::seal_offset(&trailer)?;
    let copy = read::<HEADER_BYTES>(file, seal_at.checked_add(HEADER_BYTES as u64)?)?;
    fitting(file, SegmentHeader::decode(&copy).ok()?, id, seal_at)
}

/// A segment that is being written has no seal. With one wrong byte its header's checksum still
/// tells which byte that is.
fn header_but_for_a_byte(file: &PatientFile, id: SegmentId) -> Option<SegmentHeader> {
    let mut header = read::<HEADER_BYTES>(file, 0)?;
    for place in 0..HEADER_BYTES {
        let found = header[place];
        for byte in (0..=u8::MAX).filter(|byte| *byte != found) {
            header[place] = byte;
            if let Ok(decoded) = SegmentHeader::decode(&header)
                && let Some(fits) = fitting(file, decoded, id, HEADER_BYTES as u64)
            {
                return Some(fits);
            }
        }
        header[place] = found;
    }
    None
}

/// This header, if it is of this segment, and a frame's header that stands here is its.
fn fitting(
    file: &PatientFile,
    header: SegmentHeader,
    id: SegmentId,
    frame_at: u64,
) -> Option<SegmentHeader> {
    let head = read::<HEADER_BYTES>(file, frame_at)?;
    decode_header(&header, frame_at, &head).ok()?;
    (header.first_seq == id.0).then_some(header)
}

/// So many bytes from here on; none if the file ends before, or does not give them.
fn read<const N: usize>(file: &PatientFile, offset: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let count = file.read_at(&mut bytes, offset).ok()?;
    (count == N).then_some(bytes)
}
