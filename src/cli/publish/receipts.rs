//! The file of receipts: a line for every event acknowledged, never half a one.
//!
//! ```text
//! {"log_id":"…","topic":"…","event_id":"…","payload_digest":"…","verdict":"stored","seq":7,"original_seq":null}
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::Deserialize;

use super::answer::Receipt;
use super::source::is_same_file;
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
    #[error("--receipts {}: this is no regular file; receipts are kept in one", path.display())]
    NotAFile { path: PathBuf },
    #[error("--receipts {}: the output of this command goes there, too", path.display())]
    Output { path: PathBuf },
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
        let Some(end) = end_of(&mut file).map_err(failed)? else {
            return Err(ReceiptsError::NotOurs {
                path: path.to_owned(),
            });
        };
        end.mend(&mut file).map_err(failed)?;
        let receipts = ReceiptsFile {
            path: path.to_owned(),
            file,
            lines: Vec::new(),
        };
        Ok((receipts, end.half_bytes))
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
    options.read(true).append(true).create(true);
    // To open a pipe or a serial line may mean to wait for its other end.
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path).map_err(failed)?;
    // Who reads a pipe may be slow or gone, and then nothing is kept.
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(ReceiptsError::NotAFile {
            path: path.to_owned(),
        });
    }
    let outputs = ["/dev/stdout", "/dev/stderr"];
    if outputs.iter().any(|to| is_same_file(path, Path::new(to))) {
        return Err(ReceiptsError::Output {
            path: path.to_owned(),
        });
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ReceiptsError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// How a file of receipts ends.
struct End {
    /// What whole lines take, together.
    whole_bytes: u64,
    /// The last of them lacks its line end.
    is_unterminated: bool,
    /// What follows them: a line that breaks off, or NULs.
    half_bytes: u64,
}

impl End {
    /// In place, as this works on a full disk, too, and the file stays the one it was.
    fn mend(&self, file: &mut File) -> io::Result<()> {
        if self.half_bytes > 0 {
            file.set_len(self.whole_bytes)?;
            file.sync_all()?;
        }
        if self.is_unterminated {
            file.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// None if it does not begin, or end, as a file of receipts.
fn end_of(file: &mut File) -> io::Result<Option<End>> {
    let length = file.metadata()?.len();
    let begin = read_at(file, 0, length.min(LINE_BYTES_MAX))?;
    let is_line = |text: &[u8]| serde_json::from_slice::<Line>(text).is_ok();
    let is_ours = match begin.iter().position(|&byte| byte == b'\n') {
        Some(first_end) => is_line(&begin[..first_end]),
        None => begins_as_line(&begin),
    };
    if !is_ours {
        return Ok(None);
    }
    let written_bytes = bytes_before_nuls(file, length)?;
    let end_from = written_bytes.saturating_sub(LINE_BYTES_MAX);
    let end = read_at(file, end_from, written_bytes - end_from)?;
    let tail = match end.iter().rposition(|&byte| byte == b'\n') {
        Some(last_end) => &end[last_end + 1..],
        None if end_from == 0 => &end,
        None => return Ok(None),
    };
    let is_unterminated = is_line(tail);
    let whole_bytes = match tail {
        _ if is_unterminated => written_bytes,
        _ if begins_as_line(tail) => written_bytes - tail.len() as u64,
        _ => return Ok(None),
    };
    Ok(Some(End {
        whole_bytes,
        is_unterminated,
        half_bytes: length - whole_bytes,
    }))
}

/// Nothing at all is the begin of a line, too.
fn begins_as_line(text: &[u8]) -> bool {
    let common = text.len().min(LINE_START.len());
    text[..common] == LINE_START[..common]
}

/// The length without the NULs at the end: some file systems have them after a power cut,
/// where the bytes written last should be.
fn bytes_before_nuls(file: &mut File, length: u64) -> io::Result<u64> {
    let mut left = length;
    while left > 0 {
        let from = left.saturating_sub(LINE_BYTES_MAX);
        let part = read_at(file, from, left - from)?;
        if let Some(last) = part.iter().rposition(|&byte| byte != 0) {
            return Ok(from + last as u64 + 1);
        }
        left = from;
    }
    Ok(0)
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
