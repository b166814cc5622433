//! What stands somewhere ahead in a segment, where the chain of frames does not lead.

use std::io;

use super::super::format::*;
use super::super::frame::{FrameHeader, decode_header};
use super::super::window::{WINDOW_BYTES, is_zeros, last_not_zero};
use super::FrameWalk;

/// So many zeros are taken for room that nothing was written to, where that may be wrong.
const ZEROS_BYTES: usize = 16 * 1024;

impl FrameWalk {
    /// The next place behind the present one where a frame header of this segment stands,
    /// whole frame or not; only its header is looked at. The walk does not move.
    ///
    /// # Errors
    /// An I/O error.
    pub fn next_header(&mut self, from: u64) -> io::Result<Option<(u64, FrameHeader)>> {
        self.header_in(from, self.limit, WINDOW_BYTES, false)
    }

    /// The same up to this end, or to a longer stretch of zeros, as prepared room is.
    ///
    /// # Errors
    /// An I/O error.
    pub(in crate::log) fn header_between(
        &mut self,
        from: u64,
        end: u64,
    ) -> io::Result<Option<(u64, FrameHeader)>> {
        self.header_in(from, end.min(self.limit), ZEROS_BYTES, true)
    }

    fn header_in(
        &mut self,
        from: u64,
        end: u64,
        at_once: usize,
        up_to_zeros: bool,
    ) -> io::Result<Option<(u64, FrameHeader)>> {
        let mut offset = aligned(from);
        loop {
            let bytes = self.window.view(&self.source, offset, at_once, end)?;
            let zeros = is_zeros(bytes);
            if bytes.len() < HEADER_BYTES || zeros && up_to_zeros {
                return Ok(None);
            }
            let starts = bytes.len() - HEADER_BYTES;
            let candidates = if zeros { 0 } else { starts + 1 };
            for start in (0..candidates).step_by(FRAME_ALIGN_BYTES as usize) {
                if bytes[start] != FRAME_MAGIC[0] {
                    continue;
                }
                let at = offset + start as u64;
                if let Ok(header) = decode_header(&self.header, at, &bytes[start..]) {
                    return Ok(Some((at, header)));
                }
            }
            offset += (starts as u64 / FRAME_ALIGN_BYTES + 1) * FRAME_ALIGN_BYTES;
        }
    }

    /// Where the last byte that is not zero ends, at `from` or behind it.
    ///
    /// # Errors
    /// An I/O error.
    pub fn end_of_bytes(&mut self, from: u64) -> io::Result<u64> {
        let (mut offset, mut end) = (from, from);
        loop {
            let bytes = self
                .window
                .view(&self.source, offset, WINDOW_BYTES, self.limit)?;
            if bytes.is_empty() {
                return Ok(end);
            }
            if let Some(last) = last_not_zero(bytes) {
                end = offset + last as u64 + 1;
            }
            offset += bytes.len() as u64;
        }
    }
}
