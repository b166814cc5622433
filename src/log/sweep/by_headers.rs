//! Where a look into a segment may begin that has no seal to tell where its frames are: to walk
//! over all of what is being written takes long.
//!
//! A frame's header has a checksum that covers the segment's salt and the frame's own offset, so
//! it is known wherever it is met, and headers can be searched for by halves.

use super::within::SegmentSweep;
use crate::event::Seq;
use crate::log::error::LogError;
use crate::log::format::{FRAME_ALIGN_BYTES, HEADER_BYTES};
use crate::log::frame::FrameHeader;

/// Halves are made down to this.
const NEAR_BYTES: u64 = if cfg!(any(test, fuzzing)) {
    256
} else {
    64 * 1024
};

impl SegmentSweep {
    /// Starts at a frame of this seq or a little before it, if that is further than where it would
    /// start now. Only where a header proves all before it to have been durable: a walk from the
    /// segment's start comes by it too, however damaged what lies between is.
    ///
    /// # Errors
    /// An I/O error.
    pub(super) fn start_by_headers(&mut self, seq: Seq) -> Result<(), LogError> {
        if let Some((_, near)) = self.header_near(seq)?
            && let due = near.durable_up_to.next()
            && let Some((at, header)) = self.header_near(due.min(near.first_seq))?
            && at > self.offset()
        {
            self.start_behind_durable(header.first_seq, at);
        }
        self.forget_window();
        Ok(())
    }

    /// A header of a frame that begins with this seq or before it: the last such one, or one not
    /// far before that. None where that is the first one.
    fn header_near(&mut self, seq: Seq) -> Result<Option<(u64, FrameHeader)>, LogError> {
        let (mut low, mut high) = (HEADER_BYTES as u64, self.file_bytes()?);
        let mut found = None;
        while high.saturating_sub(low) > NEAR_BYTES {
            let middle = (low + (high - low) / 2).next_multiple_of(FRAME_ALIGN_BYTES);
            match self.header_between(middle, high)? {
                Some((at, header)) if header.first_seq <= seq => {
                    low = at + header.frame_bytes();
                    found = Some((at, header));
                }
                _ => high = middle,
            }
        }
        Ok(found)
    }
}
