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

    /// Moves what it has from this offset on to its beginning: it is not read again. Gives how
    /// many bytes that are, of so many at most.
    fn keep_from(&mut self, offset: u64, most: usize) -> usize {
        let place = offset.checked_sub(self.start);
        let passed = place.and_then(|place| usize::try_from(place).ok());
        match passed {
            Some(passed) if passed < self.bytes.len() => drop(self.bytes.drain(..passed)),
            _ => self.bytes.clear(),
        }
        self.bytes.truncate(most);
        self.bytes.len()
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
        let kept = self.keep_from(offset, wanted.min(there));
        self.start = offset;
        self.bytes.resize(wanted.min(there), 0);
        let from = offset + kept as u64;
        let read = match file.read_at(&mut self.bytes[kept..], from) {
            // A bad sector behind what is asked for costs nothing that stands before it.
            Err(_) if self.bytes.len() > len => {
                self.bytes.truncate(len);
                file.read_at(&mut self.bytes[kept..], from)
            }
            read => read,
        };
        // What a failed read left is none of the file's bytes.
        self.bytes.truncate(kept + *read.as_ref().unwrap_or(&0));
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Notes what is read, and fails where that touches one byte.
    #[derive(Debug)]
    struct Noted {
        bytes: Vec<u8>,
        bad: Option<u64>,
        read: Mutex<Vec<(u64, usize)>>,
    }

    impl StorageFile for Noted {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let there = self.bytes.get(offset as usize..).unwrap_or_default();
            let count = there.len().min(buffer.len());
            let read = offset..offset + count as u64;
            if self.bad.is_some_and(|bad| read.contains(&bad)) {
                // As a disk does that had come some way.
                buffer.fill(0xee);
                return Err(io::ErrorKind::Other.into());
            }
            buffer[..count].copy_from_slice(&there[..count]);
            self.read.lock().expect("a list").push((offset, count));
            Ok(count)
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            unreachable!("a window only reads")
        }

        fn sync_data(&self) -> io::Result<()> {
            unreachable!("a window only reads")
        }

        fn set_len(&self, _: u64) -> io::Result<()> {
            unreachable!("a window only reads")
        }

        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }
    }

    fn noted(len: usize, bad: Option<u64>) -> (Arc<Noted>, ByteSource) {
        let file = Arc::new(Noted {
            bytes: (0..len).map(|at| (at % 251) as u8).collect(),
            bad,
            read: Mutex::default(),
        });
        (Arc::clone(&file), file)
    }

    #[test]
    fn a_walk_reads_no_byte_twice() {
        let (file, source) = noted(3 * WINDOW_BYTES, None);
        let mut window = Window::default();
        let mut offset = 0;
        for len in (1..).map(|number| number * 997 % 40_000 + 1) {
            let seen = window.view(&source, offset, len, u64::MAX).expect("bytes");
            let there = &file.bytes[offset as usize..];
            assert_eq!(seen, &there[..len.min(there.len())], "at {offset}");
            offset += seen.len() as u64;
            if seen.len() < len {
                break;
            }
        }
        let mut due = 0;
        for (offset, count) in file.read.lock().expect("a list").iter() {
            assert_eq!(*offset, due);
            due += *count as u64;
        }
        assert_eq!(due, file.bytes.len() as u64);
    }

    #[test]
    fn a_step_back_or_far_ahead_shows_what_stands_there() {
        let (file, source) = noted(2 * WINDOW_BYTES, None);
        let mut window = Window::default();
        for offset in [100_000, 99_990, 300_000, 0, 116_000, 115_999, 500_000] {
            let seen = window
                .view(&source, offset, 20_000, u64::MAX)
                .expect("bytes");
            assert_eq!(
                seen,
                &file.bytes[offset as usize..][..20_000],
                "at {offset}"
            );
        }
    }

    #[test]
    fn what_lies_behind_the_limit_is_not_kept() {
        let (_, source) = noted(WINDOW_BYTES, None);
        let mut window = Window::default();
        assert_eq!(window.view(&source, 0, 500, 100).expect("bytes").len(), 100);
        assert_eq!(window.bytes.len(), 100);
        // Nor when it comes closer.
        assert_eq!(window.view(&source, 50, 500, 60).expect("bytes").len(), 10);
    }

    #[test]
    fn what_could_not_be_read_is_not_shown_as_read() {
        let (file, source) = noted(WINDOW_BYTES, Some(20_000));
        let mut window = Window::default();
        let seen = window.view(&source, 0, 16_000, u64::MAX).expect("bytes");
        assert_eq!(seen.len(), 16_000);
        for _ in 0..2 {
            let failed = window.view(&source, 15_000, 10_000, u64::MAX);
            assert!(failed.is_err(), "{failed:?}");
        }
        let seen = window
            .view(&source, 15_000, 1_000, u64::MAX)
            .expect("bytes");
        assert_eq!(seen, &file.bytes[15_000..16_000]);
    }
}
