//! The stretch of a segment that a walk over its frames has at hand.

use std::io;

use super::reader::ByteSource;
use super::storage::StorageFile;

/// How much is read at a time, once it is clear that much is read.
pub(super) const WINDOW_BYTES: usize = 256 * 1024;
/// How much is read at first: most walks end after a frame or two, at the one looked for.
const FIRST_WINDOW_BYTES: usize = 16 * 1024;

/// A stretch of the file in memory.
#[derive(Debug, Default)]
pub(super) struct Window {
    start: u64,
    bytes: Vec<u8>,
    /// How much the last read took in at least; each one takes twice as much.
    read_bytes: usize,
}

impl Window {
    /// Up to `len` bytes at this offset; fewer only at the end of the file or at the limit.
    pub(super) fn view<'w>(
        &'w mut self,
        source: &ByteSource,
        offset: u64,
        len: usize,
        limit: u64,
    ) -> io::Result<&'w [u8]> {
        let len = len.min(usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX));
        let end = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + len as u64 > end {
            self.fill(source.as_ref(), offset, len, limit)?;
        }
        let start = (offset - self.start) as usize;
        let end = (start + len).min(self.bytes.len());
        Ok(&self.bytes[start..end])
    }

    /// The bytes at this place if they are in memory, as after a `view` of them.
    pub(super) fn seen(&self, offset: u64, len: usize) -> &[u8] {
        let place = offset
            .checked_sub(self.start)
            .and_then(|at| usize::try_from(at).ok());
        place
            .and_then(|at| self.bytes.get(at..at.checked_add(len)?))
            .unwrap_or_default()
    }

    fn fill(
        &mut self,
        file: &dyn StorageFile,
        offset: u64,
        len: usize,
        limit: u64,
    ) -> io::Result<()> {
        // What lies behind the limit may still change, so it is never kept.
        let ahead = usize::try_from(limit - offset).unwrap_or(usize::MAX);
        self.read_bytes = (self.read_bytes * 2).clamp(FIRST_WINDOW_BYTES, WINDOW_BYTES);
        let wanted = len.max(self.read_bytes).min(ahead);
        // A frame's length is a claim until its CRC was checked: never more memory than file.
        let there = usize::try_from(file.len()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.start = offset;
        self.bytes.resize(wanted.min(there), 0);
        let read = match file.read_at(&mut self.bytes, offset) {
            // A bad sector behind what is asked for costs nothing that stands before it.
            Err(_) if self.bytes.len() > len => {
                self.bytes.truncate(len);
                file.read_at(&mut self.bytes, offset)
            }
            read => read,
        };
        // What a failed read left is none of the file's bytes.
        self.bytes.truncate(*read.as_ref().unwrap_or(&0));
        read.map(|_| ())
    }
}

/// Whether all of these bytes are zeros, as most of the room behind the last frame is.
pub(super) fn is_zeros(bytes: &[u8]) -> bool {
    // Not `all`: without a way out in the middle it is done for many bytes at once.
    bytes.iter().fold(0, |any, byte| any | byte) == 0
}

/// The place of the last byte that is no zero.
pub(super) fn last_not_zero(bytes: &[u8]) -> Option<usize> {
    match is_zeros(bytes) {
        true => None,
        false => bytes.iter().rposition(|byte| *byte != 0),
    }
}
