//! The payload of a large frame, read in parts. No byte is given that was not checked after it was
//! read.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::format::{HEADER_BYTES, aligned};
use super::frame::{FrameFault, FrameHeader};
use super::proven::{CHUNK_BYTES, ProvenFrame, read};
use super::reader::ByteSource;

/// Why a part cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what was checked.
    #[error(transparent)]
    Changed(#[from] FrameFault),
}

/// The payload of a frame that was checked, in parts.
#[derive(Debug)]
pub(super) struct PayloadParts {
    source: ByteSource,
    /// Where it starts in the file.
    start: u64,
    len: usize,
    proven: Arc<ProvenFrame>,
    /// The chunks that were read and checked.
    chunks: Range<usize>,
    /// Their bytes.
    bytes: Vec<u8>,
}

impl PayloadParts {
    /// Of the frame at this offset.
    pub(super) fn new(
        source: ByteSource,
        offset: u64,
        header: &FrameHeader,
        proven: Arc<ProvenFrame>,
    ) -> PayloadParts {
        PayloadParts {
            source,
            start: offset + HEADER_BYTES as u64,
            len: header.payload_bytes as usize,
            proven,
            chunks: 0..0,
            bytes: Vec::new(),
        }
    }

    /// What is known of its frame.
    pub(super) fn proven(&self) -> &ProvenFrame {
        &self.proven
    }

    /// Its length in bytes, without padding.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What begins at `from`: at least `len` bytes, or up to where the payload ends.
    ///
    /// # Errors
    /// [`PartError`]. What was at hand before is let go.
    pub(super) fn part(&mut self, from: usize, len: usize) -> Result<&[u8], PartError> {
        if from >= self.len {
            return Ok(&[]);
        }
        let end = from.saturating_add(len.max(1)).min(self.len);
        let wanted = from / CHUNK_BYTES..end.div_ceil(CHUNK_BYTES);
        if !self.chunks.contains(&wanted.start) {
            self.let_go();
            self.chunks = wanted.start..wanted.start;
        }
        if self.chunks.end < wanted.end {
            let loaded = self.load(&wanted);
            if loaded.is_err() {
                self.let_go();
            }
            loaded?;
        }
        let first = self.chunks.start * CHUNK_BYTES;
        let to = (self.chunks.end * CHUNK_BYTES).min(self.len);
        Ok(&self.bytes[from - first..to - first])
    }

    /// Frees the memory that parts take.
    pub(super) fn let_go(&mut self) {
        self.chunks = 0..0;
        self.bytes = Vec::new();
    }

    /// Reads and checks those of these chunks that are not at hand; the first one is, or is next.
    fn load(&mut self, wanted: &Range<usize>) -> Result<(), PartError> {
        self.bytes
            .drain(..(wanted.start - self.chunks.start) * CHUNK_BYTES);
        self.chunks.start = wanted.start;
        let from = self.chunks.end * CHUNK_BYTES;
        let padded = aligned(self.len as u64) as usize;
        let len = (wanted.end * CHUNK_BYTES).min(padded) - from;
        let bytes = read(&self.source, self.start + from as u64, len, &mut self.bytes)?;
        if bytes.len() < len {
            return Err(FrameFault::PayloadCut.into());
        }
        let crcs = &self.proven.crcs[self.chunks.end..wanted.end];
        for (chunk, crc) in bytes.chunks(CHUNK_BYTES).zip(crcs) {
            if crc32fast::hash(chunk) != *crc {
                return Err(FrameFault::PayloadCrc.into());
            }
        }
        self.chunks.end = wanted.end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::format::{FrameType, LogId};
    use super::super::frame::{PreparedPayload, decode_header, encode_frame};
    use super::super::header::SegmentHeader;
    use super::super::proven::check_in_parts;
    use super::super::storage::Storage;
    use super::super::storage::simulated::SimulatedDisk;
    use super::*;
    use crate::event::Seq;

    const SEGMENT: SegmentHeader = SegmentHeader {
        fold_version: 1,
        log_id: LogId([7; 16]),
        first_seq: Seq::FIRST,
        salt: 9,
        made_at: 0,
    };
    const OFFSET: u64 = 72;

    /// A file with one frame, its header, and where it can be read from.
    fn written(payload: &[u8]) -> (Vec<u8>, FrameHeader, ByteSource) {
        let mut bytes = vec![0xee; OFFSET as usize];
        let header = FrameHeader {
            count: 1,
            ..FrameHeader::without_seqs(FrameType::Events, Seq::FIRST)
        };
        let prepared = PreparedPayload::new(payload.to_vec());
        encode_frame(&SEGMENT, OFFSET, header, &prepared, &mut bytes);
        let header = decode_header(&SEGMENT, OFFSET, &bytes[OFFSET as usize..]);
        // Further frames follow.
        bytes.extend([0xee; 100]);
        let file = file_of(&bytes);
        (bytes, header.expect("a header"), file)
    }

    fn file_of(bytes: &[u8]) -> ByteSource {
        let disk = SimulatedDisk::new();
        let (_, file) = disk.create_temp("/".as_ref()).expect("a disk");
        file.write_at(bytes, 0).expect("a disk");
        file
    }

    fn checked(bytes: &[u8], header: &FrameHeader, source: &ByteSource) -> PayloadParts {
        let head = &bytes[OFFSET as usize..];
        let proven = check_in_parts(&SEGMENT, source, OFFSET, header, head);
        let proven = proven.expect("a disk").expect("a good frame");
        PayloadParts::new(source.clone(), OFFSET, header, Arc::new(proven))
    }

    proptest! {
        /// What is read in parts, in any order, is what was written.
        #[test]
        fn a_part_is_what_stands_there_and_never_ends_too_soon(
            len in 0..CHUNK_BYTES * 40,
            asked in prop::collection::vec((0..CHUNK_BYTES * 41, 0..CHUNK_BYTES * 5), 1..30),
        ) {
            let payload: Vec<u8> = (0..len).map(|at| (at * 7 + at / 251) as u8).collect();
            let (bytes, header, source) = written(&payload);
            let mut parts = checked(&bytes, &header, &source);
            for (from, len) in &asked {
                let rest = payload.get(*from..).unwrap_or_default();
                let part = parts.part(*from, *len).expect("a disk");
                prop_assert!(part.len() >= (*len).min(rest.len()));
                prop_assert_eq!(part, &rest[..part.len()]);
            }
        }
    }

    #[test]
    fn a_frame_that_is_cut_or_changed_is_not_proven() {
        let payload = [5; CHUNK_BYTES * 3 + 9];
        let (bytes, header, _) = written(&payload);
        let end = (OFFSET + header.frame_bytes()) as usize;
        let head = &bytes[OFFSET as usize..];
        let fault = |bytes: Vec<u8>| {
            let source = file_of(&bytes);
            check_in_parts(&SEGMENT, &source, OFFSET, &header, head)
                .expect("a disk")
                .expect_err("a fault")
        };
        for cut in [OFFSET as usize, end - payload.len(), end - 1] {
            assert_eq!(fault(bytes[..cut].to_vec()), FrameFault::PayloadCut);
        }
        for at in OFFSET as usize + HEADER_BYTES..end {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(fault(changed), FrameFault::PayloadCrc, "{at}");
        }
        // Another place than its own: a stale frame.
        let source = file_of(&bytes);
        let elsewhere = SegmentHeader { salt: 8, ..SEGMENT };
        let proven = check_in_parts(&elsewhere, &source, OFFSET, &header, head);
        assert_eq!(
            proven.expect("a disk").expect_err("a fault"),
            FrameFault::PayloadCrc
        );
    }
}
