//! What was proven of large frames. One CRC stands over all of a frame, and to read and check it
//! anew for each page, or each event, would cost more than what is wanted of it.
//!
//! So it is checked once, from front to back, and the CRC of each chunk is kept: a part that is
//! read later must still have it. Frames never change once they are durable.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crc32fast::Hasher;

use super::format::{HEADER_BYTES, aligned};
use super::frame::{FrameFault, FrameHeader, payload_hasher};
use super::header::SegmentHeader;
use super::reader::ByteSource;
use super::segment::SegmentId;

/// What is checked alone. A multiple of the alignment, so that only the last one has padding.
pub(super) const CHUNK_BYTES: usize = if cfg!(any(test, fuzzing)) {
    64
} else {
    16 * 1024
};
/// How many chunks are read at once when all are checked.
const CHUNKS_AT_ONCE: usize = 16;
/// What may be kept of frames that were checked.
const KNOWN_BYTES_MAX: usize = if cfg!(any(test, fuzzing)) {
    4096
} else {
    8 << 20
};
/// About what the keeping of one takes besides.
const ENTRY_BYTES: usize = 192;

/// What is known of a frame that was checked.
#[derive(Debug, Default)]
pub(super) struct ProvenFrame {
    payload_crc: u32,
    /// Of each chunk.
    pub(super) crcs: Vec<u32>,
    /// Where some of its events begin, in order; grows as they are come by.
    marks: Mutex<Vec<u32>>,
}

impl ProvenFrame {
    /// Where some events begin.
    pub(super) fn marks(&self) -> MutexGuard<'_, Vec<u32>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The frames that were checked lately, by segment and offset.
#[derive(Debug, Default)]
pub(super) struct ProvenFrames(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    frames: HashMap<(SegmentId, u64), Arc<ProvenFrame>>,
    /// The oldest comes first.
    order: VecDeque<((SegmentId, u64), usize)>,
    bytes: usize,
}

impl ProvenFrames {
    /// The frame that has this header.
    pub(super) fn get(
        &self,
        segment: SegmentId,
        offset: u64,
        header: &FrameHeader,
    ) -> Option<Arc<ProvenFrame>> {
        let known = self.lock().frames.get(&(segment, offset)).cloned();
        known.filter(|frame| frame.payload_crc == header.payload_crc)
    }

    /// Remembers a frame; `marks` are the most that it will have.
    pub(super) fn keep(
        &self,
        segment: SegmentId,
        offset: u64,
        frame: &Arc<ProvenFrame>,
        marks: usize,
    ) {
        let bytes = ENTRY_BYTES + (frame.crcs.len() + marks) * size_of::<u32>();
        let mut known = self.lock();
        let before = known.frames.insert((segment, offset), Arc::clone(frame));
        if before.is_some() {
            return;
        }
        known.order.push_back(((segment, offset), bytes));
        known.bytes += bytes;
        while known.bytes > KNOWN_BYTES_MAX
            && let Some((oldest, its_bytes)) = known.order.pop_front()
        {
            known.frames.remove(&oldest);
            known.bytes -= its_bytes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks the payload of a frame whose header, of which `head` are the bytes, is good.
///
/// # Errors
/// An I/O error; inside, [`FrameFault::PayloadCut`] or [`FrameFault::PayloadCrc`].
pub(super) fn check_in_parts(
    segment: &SegmentHeader,
    source: &ByteSource,
    offset: u64,
    header: &FrameHeader,
    head: &[u8],
) -> io::Result<Result<ProvenFrame, FrameFault>> {
    let mut crc = payload_hasher(segment, offset, head);
    let payload = offset + HEADER_BYTES as u64;
    let padded = aligned(u64::from(header.payload_bytes)) as usize;
    let mut crcs = Vec::new();
    let mut buffer = Vec::new();
    for from in (0..padded).step_by(CHUNK_BYTES * CHUNKS_AT_ONCE) {
        let len = (padded - from).min(CHUNK_BYTES * CHUNKS_AT_ONCE);
        buffer.clear();
        let bytes = read(source, payload + from as u64, len, &mut buffer)?;
        if bytes.len() < len {
            return Ok(Err(FrameFault::PayloadCut));
        }
        for chunk in bytes.chunks(CHUNK_BYTES) {
            let mut of_chunk = Hasher::new();
            of_chunk.update(chunk);
            crc.combine(&of_chunk);
            crcs.push(of_chunk.finalize());
        }
    }
    if crc.finalize() != header.payload_crc {
        return Ok(Err(FrameFault::PayloadCrc));
    }
    Ok(Ok(ProvenFrame {
        payload_crc: header.payload_crc,
        crcs,
        marks: Mutex::default(),
    }))
}

/// Up to `len` bytes at this offset, fewer where the file ends, read behind what is in `buffer`.
pub(super) fn read<'b>(
    source: &ByteSource,
    offset: u64,
    len: usize,
    buffer: &'b mut Vec<u8>,
) -> io::Result<&'b [u8]> {
    let before = buffer.len();
    buffer.resize(before + len, 0);
    let count = source.read_at(&mut buffer[before..], offset)?;
    buffer.truncate(before + count);
    Ok(&buffer[before..])
}

#[cfg(test)]
mod tests {
    use super::super::format::FrameType;
    use super::*;
    use crate::event::Seq;

    #[test]
    fn what_is_known_of_frames_is_bounded_and_the_newest_is_kept() {
        let known = ProvenFrames::default();
        let header = |payload_crc| FrameHeader {
            payload_crc,
            ..FrameHeader::without_seqs(FrameType::Events, Seq::FIRST)
        };
        let segment = SegmentId(Seq::FIRST);
        for frame in 0..1_000_u64 {
            let proven = Arc::new(ProvenFrame {
                payload_crc: frame as u32,
                ..ProvenFrame::default()
            });
            known.keep(segment, frame * 8, &proven, 10);
            known.keep(segment, frame * 8, &proven, 10);
            assert!(
                known
                    .get(segment, frame * 8, &header(frame as u32))
                    .is_some()
            );
        }
        let state = known.lock();
        assert!(state.bytes <= KNOWN_BYTES_MAX && state.bytes > KNOWN_BYTES_MAX / 2);
        assert_eq!(state.frames.len(), state.order.len());
        drop(state);
        // Another frame at that place is another frame.
        assert!(known.get(segment, 999 * 8, &header(1)).is_none());
        assert!(known.get(segment, 0, &header(0)).is_none());
    }
}
