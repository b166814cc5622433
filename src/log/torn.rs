//! The torn bytes that recovery cut, each kept in a file of its own beside the segments.

use std::path::{Path, PathBuf};

use super::error::LogError;
use super::inventory::TORN_PREFIX;
use super::recovery::put_file;
use super::segment::SegmentFile;
use super::storage::{Storage, StorageFile};

/// How many files of torn bytes are kept; the oldest go first, and pieces of the tail that is
/// being saved do not go at all.
const TORN_FILES_MAX: usize = 8;
/// The names end so, after the offset of the first byte in its segment; a copy has its number
/// in between.
const SUFFIX: &str = ".bin";
const OFFSET_DIGITS: usize = 12;
const COPY_BYTES: usize = 1024 * 1024;

/// The files of torn bytes in one directory.
#[derive(Debug)]
pub(super) struct TornFiles {
    dir: PathBuf,
    /// Their names, the oldest first.
    names: Vec<String>,
}

impl TornFiles {
    pub(super) fn new(dir: &Path, names: Vec<String>) -> TornFiles {
        TornFiles {
            dir: dir.to_owned(),
            names,
        }
    }

    /// Saves these bytes of a segment, beside it, and gives the name of the file.
    ///
    /// # Errors
    /// An I/O error: then they may not be cut.
    pub(super) fn save(
        &mut self,
        storage: &dyn Storage,
        segment: &SegmentFile,
        from: u64,
        to: u64,
    ) -> Result<PathBuf, LogError> {
        let stem = format!(
            "{TORN_PREFIX}{:020}-{from:0OFFSET_DIGITS$}",
            segment.id.0.get()
        );
        let mut name = format!("{stem}{SUFFIX}");
        let mut copy = 1;
        // A recovery that was stopped may have saved them already; or its torn seal stands
        // there now, and what it saved must not be replaced by that.
        while self.names.contains(&name) {
            let path = self.dir.join(&name);
            // One that cannot be read is left alone.
            if holds(storage, &path, segment, from, to).unwrap_or(false) {
                storage
                    .sync_dir(&self.dir)
                    .map_err(LogError::io("sync", &self.dir))?;
                return Ok(path);
            }
            copy += 1;
            name = format!("{stem}-{copy}{SUFFIX}");
        }
        let path = self.dir.join(&name);
        let write = |file: &dyn StorageFile| {
            let mut offset = from;
            while offset < to {
                let mut bytes = vec![0; (to - offset).min(COPY_BYTES as u64) as usize];
                let count = segment.file.read_at(&mut bytes, offset)?;
                file.write_at(&bytes[..count], offset - from)?;
                offset += count as u64;
            }
            Ok(())
        };
        put_file(storage, &self.dir, &path, write)?;
        self.names.push(name);
        let of_segment = &stem[..stem.len() - OFFSET_DIGITS];
        let is_piece =
            |name: &String| name.starts_with(of_segment) && name.len() == stem.len() + SUFFIX.len();
        while self.names.len() > TORN_FILES_MAX
            && let Some(oldest) = self.names.iter().position(|name| !is_piece(name))
        {
            let oldest = self.dir.join(self.names.remove(oldest));
            storage
                .remove(&oldest)
                .map_err(LogError::io("remove", &oldest))?;
        }
        Ok(path)
    }
}

/// Whether a file holds exactly these bytes of a segment.
fn holds(
    storage: &dyn Storage,
    path: &Path,
    segment: &SegmentFile,
    from: u64,
    to: u64,
) -> std::io::Result<bool> {
    let file = storage.open(path)?;
    if file.len()? != to - from {
        return Ok(false);
    }
    let mut offset = from;
    while offset < to {
        let wanted = (to - offset).min(COPY_BYTES as u64) as usize;
        let (mut saved, mut there) = (vec![0; wanted], vec![0; wanted]);
        file.read_at(&mut saved, offset - from)?;
        segment.file.read_at(&mut there, offset)?;
        if saved != there {
            return Ok(false);
        }
        offset += wanted as u64;
    }
    Ok(true)
}
