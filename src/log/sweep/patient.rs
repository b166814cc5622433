//! A file of which some bytes cannot be read. Those are taken for zeros, which are never a frame,
//! and remembered: so one bad sector costs what stands in it, and nothing around it.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::storage::StorageFile;

/// What is read at a time where more cannot be read at once.
const PAGE_BYTES: u64 = if cfg!(any(test, fuzzing)) { 64 } else { 4096 };

/// Bytes that cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Unreadable {
    pub(super) bytes: Range<u64>,
    /// What the system said of the first of them.
    pub(super) error: Arc<io::Error>,
}

/// Reads around what cannot be read.
#[derive(Debug)]
pub(in crate::log) struct PatientFile {
    file: Arc<dyn StorageFile>,
    /// In order, and apart from each other.
    unreadable: Mutex<Vec<Unreadable>>,
}

impl PatientFile {
    pub(in crate::log) fn new(file: Arc<dyn StorageFile>) -> PatientFile {
        PatientFile {
            file,
            unreadable: Mutex::default(),
        }
    }

    /// What was met so far within these bytes, in order.
    pub(super) fn unreadable(&self, within: Range<u64>) -> Vec<Unreadable> {
        let met = self.met();
        let in_it = met
            .iter()
            .filter(|one| one.bytes.start < within.end && within.start < one.bytes.end);
        in_it.cloned().collect()
    }

    fn met(&self) -> MutexGuard<'_, Vec<Unreadable>> {
        self.unreadable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a page is known to be bad: a disk takes long to say so again.
    fn is_known(&self, page: &Range<u64>) -> bool {
        let met = self.met();
        met.iter()
            .any(|one| one.bytes.start <= page.start && page.end <= one.bytes.end)
    }

    fn note(&self, page: Range<u64>, error: io::Error) {
        let mut met = self.met();
        let place = met.partition_point(|one| one.bytes.end < page.start);
        match met.get_mut(place) {
            Some(one) if one.bytes.start <= page.end => {
                one.bytes = one.bytes.start.min(page.start)..one.bytes.end.max(page.end);
            }
            _ => met.insert(
                place,
                Unreadable {
                    bytes: page,
                    error: Arc::new(error),
                },
            ),
        }
    }

    fn read_by_pages(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = self.file.len()?.min(end_of(buffer, offset));
        let mut at = offset;
        while at < end {
            let to = ((at / PAGE_BYTES + 1) * PAGE_BYTES).min(end);
            let part = &mut buffer[(at - offset) as usize..(to - offset) as usize];
            if self.is_known(&(at..to)) {
                part.fill(0);
            } else {
                match self.file.read_at(part, at) {
                    Ok(count) if count < part.len() => return Ok((at - offset) as usize + count),
                    Ok(_) => {}
                    Err(error) => {
                        part.fill(0);
                        self.note(at..to, error);
                    }
                }
            }
            at = to;
        }
        Ok(at.saturating_sub(offset) as usize)
    }
}

impl StorageFile for PatientFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = offset..end_of(buffer, offset);
        if self.unreadable(bytes).is_empty()
            && let Ok(count) = self.file.read_at(buffer, offset)
        {
            return Ok(count);
        }
        self.read_by_pages(buffer, offset)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(only_read())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(only_read())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(only_read())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

/// Where a buffer that is read from this offset on ends: the offset may be what damaged bytes say.
fn end_of(buffer: &[u8], offset: u64) -> u64 {
    offset.saturating_add(buffer.len() as u64)
}

fn only_read() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "it is only read")
}
