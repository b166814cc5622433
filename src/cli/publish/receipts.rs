//! The file of receipts: a line for every event acknowledged, never half a one.
//!
//! ```text
//! {"log_id":"…","topic":"…","event_id":"…","payload_digest":"…","verdict":"stored","seq":7,"original_seq":null}
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::NamedTempFile;

use super::answer::Receipt;
use crate::event::Seq;
use crate::render::json::push_string;
use crate::render::verdict::push_verdict;

/// What every line begins with.
const LINE_START: &[u8] = b"{\"log_id\":\"";
/// More than a line can have: two names of 256 bytes, each byte escaped, and the rest.
const LINE_BYTES_MAX: u64 = 8 << 10;

/// Why receipts cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiptsError {
    #[error("--receipts {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("--receipts {}: another process writes to it", path.display())]
    InUse { path: PathBuf },
    #[error("--receipts {}: this is no file of receipts; it was left alone", path.display())]
    NotOurs { path: PathBuf },
}

/// An open file of receipts, locked.
#[derive(Debug)]
pub(super) struct ReceiptsFile {
    path: PathBuf,
    file: File,
    lines: Vec<u8>,
}

/// What is needed to know a line of ours.
#[derive(Deserialize)]
#[expect(dead_code, reason = "that they can be read is all that is asked")]
struct Line {
    log_id: String,
    topic: String,
    event_id: String,
    payload_digest: String,
    seq: u64,
    verdict: String,
    original_seq: Option<u64>,
}

impl ReceiptsFile {
    /// Opens or makes the file, and mends its end: what a kill left of a half line is left
    /// out, a whole line without its end gets it. Gives how many bytes were left out, too.
    ///
    /// # Errors
    /// [`ReceiptsError`]; a file that does not look like receipts is not changed.
    pub(super) fn open(path: &Path) -> Result<(ReceiptsFile, u64), ReceiptsError> {
        let failed = |source| ReceiptsError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = open_locked(path)?;
        let mut half_bytes = 0;
        // A device or a pipe has no end to be mended.
        if file.metadata().map_err(failed)?.is_file() {
            match end_of(&mut file).map_err(failed)? {
                End::Whole => {}
                End::Unterminated => file.write_all(b"\n").map_err(failed)?,
                End::Half { bytes } => {
                    put_whole_lines_in_place(&mut file, path, bytes).map_err(failed)?;
                    file = open_locked(path)?;
                    half_bytes = bytes;
                }
                End::NotOurs => {
                    return Err(ReceiptsError::NotOurs {
                        path: path.to_owned(),
                    });
                }
            }
        }
        let receipts = ReceiptsFile {
            path: path.to_owned(),
            file,
            lines: Vec::new(),
        };
        Ok((receipts, half_bytes))
    }

    /// Writes the receipts of a batch, all with one call.
    pub(super) fn write(
        &mut self,
        log_id: &str,
        receipts: &[Receipt],
    ) -> Result<(), ReceiptsError> {
        self.lines.clear();
        for receipt in receipts {
            push_line(&mut self.lines, log_id, receipt);
        }
        let written = self.file.write_all(&self.lines);
        written.map_err(|source| ReceiptsError::Io {
            path: self.path.clone(),
            source,
        })
    }
}

fn push_line(out: &mut Vec<u8>, log_id: &str, receipt: &Receipt) {
    out.extend_from_slice(b"{\"log_id\":");
    push_string(out, log_id);
    out.extend_from_slice(b",\"topic\":");
    push_string(out, &receipt.topic);
    out.extend_from_slice(b",\"event_id\":");
    push_string(out, &receipt.event_id);
    out.extend_from_slice(b",\"payload_digest\":");
    push_string(out, &receipt.payload_digest);
    let original_seq = receipt.original_seq.map_or(Seq::ZERO, Seq::new);
    push_verdict(out, receipt.verdict, Seq::new(receipt.seq), original_seq);
    out.extend_from_slice(b"}\n");
}

fn open_locked(path: &Path) -> Result<File, ReceiptsError> {
    let failed = |source| ReceiptsError::Io {
        path: path.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).open(path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ReceiptsError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// How a file ends.
enum End {
    /// With a whole line, or it is empty.
    Whole,
    /// With a whole line, of which only the line end is missing.
    Unterminated,
    /// With a line that breaks off.
    Half { bytes: u64 },
    /// As no file of receipts does, or begins.
    NotOurs,
}

fn end_of(file: &mut File) -> io::Result<End> {
    let length = file.metadata()?.len();
    let begin = read_at(file, 0, length.min(LINE_BYTES_MAX))?;
    let end_from = length.saturating_sub(LINE_BYTES_MAX);
    let end = read_at(file, end_from, length - end_from)?;
    let is_line = |text: &[u8]| serde_json::from_slice::<Line>(text).is_ok();
    if let Some(first_end) = begin.iter().position(|&byte| byte == b'\n')
        && !is_line(&begin[..first_end])
    {
        return Ok(End::NotOurs);
    }
    let tail = match end.iter().rposition(|&byte| byte == b'\n') {
        Some(last_end) => &end[last_end + 1..],
        None if end_from == 0 => &end,
        None => return Ok(End::NotOurs),
    };
    let common = tail.len().min(LINE_START.len());
    Ok(match tail {
        [] => End::Whole,
        _ if is_line(tail) => End::Unterminated,
        _ if tail[..common] == LINE_START[..common] => End::Half {
            bytes: tail.len() as u64,
        },
        _ => End::NotOurs,
    })
}

/// Replaces the file by one without its last bytes. A file beside it takes the whole lines
/// and then its name, so that they are there at every moment, whatever happens.
fn put_whole_lines_in_place(file: &mut File, path: &Path, half_bytes: u64) -> io::Result<()> {
    // A symbolic link stays one.
    let path = path.canonicalize()?;
    let metadata = file.metadata()?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut whole = NamedTempFile::new_in(dir)?;
    file.seek(SeekFrom::Start(0))?;
    let whole_bytes = metadata.len() - half_bytes;
    io::copy(&mut file.take(whole_bytes), whole.as_file_mut())?;
    whole.as_file().set_permissions(metadata.permissions())?;
    whole.as_file().sync_all()?;
    whole.persist(&path)?;
    File::open(dir)?.sync_all()
}

fn read_at(file: &mut File, from: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

#[cfg(test)]
#[path = "receipts_tests.rs"]
mod tests;
