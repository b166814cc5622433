//! What publishers were told, to be proved against the log: that each event is in this log, at
//! that seq, byte for byte, and with that verdict.
//!
//! | file | has |
//! |---|---|
//! | `line` | a line of them, parsed |
//! | `record` `sorted` | any number of them, in the order of their seqs |
//! | `check` | each of them held against the log |

mod check;
mod line;
mod record;
mod sorted;

use std::io::{BufRead, Read as _};
use std::path::Path;

pub use check::{Broken, BrokenReceipt, ReceiptsChecked};

use super::{Progress, VerifyError};
use crate::log::LogId;
pub(super) use check::ReceiptCheck;
use sorted::Sorter;

/// More than the answer to any batch takes.
const LINE_BYTES_MAX: u64 = if cfg!(test) { 4096 } else { 1 << 30 };
/// How often it is told how far it is, in lines.
const TELL_EACH_LINES: u64 = 16 * 1024;

/// Where receipts come from.
pub struct ReceiptLines<'o> {
    /// What it is called.
    pub name: &'o str,
    /// One receipt, or the whole answer to a publish, a line.
    pub lines: &'o mut dyn BufRead,
}

/// Reads all receipts. Those of other logs do not hold.
///
/// # Errors
/// A line that is none; what cannot be read, or written meanwhile to this directory.
pub(super) fn read(
    from: ReceiptLines<'_>,
    log_id: LogId,
    scratch: &Path,
    told: &mut dyn FnMut(Progress),
) -> Result<ReceiptCheck, VerifyError> {
    let name = from.name;
    let malformed = |line, why| VerifyError::Malformed {
        name: name.to_owned(),
        line,
        why,
    };
    let unwritten = |source| VerifyError::Scratch {
        dir: scratch.to_owned(),
        source,
    };
    let mut sorter = Sorter::new(scratch);
    let mut checked = ReceiptsChecked::default();
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let line = (&mut *from.lines)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut text);
        line.map_err(|source| VerifyError::Receipts {
            name: name.to_owned(),
            source,
        })?;
        if text.is_empty() {
            break;
        }
        if text.len() as u64 == LINE_BYTES_MAX {
            return Err(malformed(number, "it is longer than any answer".into()));
        }
        if number % TELL_EACH_LINES == 0 {
            told(Progress::Receipts(number));
        }
        let mut pushed = Ok(());
        let parsed = match is_blank(&text) {
            true => Ok(()),
            false => line::parse(&text, number, |record, of| match of {
                Some(of) if of != log_id => checked.broken(record, Broken::OtherLog(of)),
                _ if pushed.is_ok() => pushed = sorter.push(record),
                _ => {}
            }),
        };
        pushed.map_err(unwritten)?;
        match parsed {
            Ok(()) => {}
            // What a kill of the publisher has left of a line that acknowledges nothing.
            Err(_) if text.last() != Some(&b'\n') => checked.cut_line = Some(number),
            Err(why) => return Err(malformed(number, why)),
        }
    }
    Ok(ReceiptCheck {
        sorted: sorter.sorted().map_err(unwritten)?,
        checked,
    })
}

/// Also NULs: some file systems have them after a power cut, where the bytes written last should be.
fn is_blank(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

impl std::fmt::Debug for ReceiptLines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiptLines")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
