//! What can go wrong with a log. A clean end, a torn tail, damage and an I/O error are
//! different things and have different types; each says where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::codec::CodecError;
use super::format::LogId;
use super::frame::FrameFault;
use super::header::HeaderFault;
use super::segment::SegmentId;
use crate::event::Seq;

/// Why the log could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system said no.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The disk does not give bytes of a segment.
    #[error("cannot read {} at offset {offset}: {source}", path.display())]
    Unreadable {
        /// In which segment.
        segment: SegmentId,
        /// Its file.
        path: PathBuf,
        /// Where in it what cannot be read begins, or the frame that it is in.
        offset: u64,
        /// The seq that is due there, or one before it.
        due: Seq,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Damage to what was acknowledged, or to what says where it is.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The log lost what its index had already seen durable.
    #[error(
        "the log ends with seq {log_end} and its index was flushed up to seq {index_flushed}: \
         events {} to {index_flushed} were durable and are gone from the log",
        log_end.next()
    )]
    BehindIndex {
        /// The last seq in the log.
        log_end: Seq,
        /// The last seq in the index.
        index_flushed: Seq,
    },
    /// Written by a later version.
    #[error(
        "{segment} at offset {offset}: {what} is not known to this program; a later version wrote it"
    )]
    Newer {
        /// Where.
        segment: SegmentId,
        /// Where in it.
        offset: u64,
        /// What it is.
        what: String,
    },
    /// The log's identity file was written by a later version.
    #[error(
        "{}: format version {version} is not known to this program; a later version wrote it",
        path.display()
    )]
    NewerMeta {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u16,
    },
    /// A segment of another log lies among the others.
    #[error("{segment} belongs to log {found}, and this is log {expected}")]
    Foreign {
        /// Which segment.
        segment: SegmentId,
        /// What its header says.
        found: LogId,
        /// What the others say.
        expected: LogId,
    },
    /// No log is there.
    #[error("there is no log in {}", .0.display())]
    Missing(PathBuf),
}

impl LogError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        move |source| LogError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// Bytes that were durable and are not what was written.
#[derive(Debug, thiserror::Error)]
#[error("{segment} is damaged at offset {offset}, where seq {seq} is due: {fault} ({evidence})")]
pub struct Corruption {
    /// In which segment.
    pub segment: SegmentId,
    /// Where in it.
    pub offset: u64,
    /// The first seq that is hit.
    pub seq: Seq,
    /// What is wrong there.
    pub fault: Fault,
    /// What proves that those bytes were durable.
    pub evidence: Evidence,
}

/// What is wrong at some place of a segment.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The segment's own header.
    #[error("segment header: {0}")]
    Header(#[from] HeaderFault),
    /// No valid frame.
    #[error("{0}")]
    Frame(#[from] FrameFault),
    /// A valid frame with another seq than is due.
    #[error("a valid frame has seq {found}")]
    Chain {
        /// What it says.
        found: Seq,
    },
    /// A frame that claims that it was durable before it was written.
    #[error("a valid frame says that it was durable up to {durable_up_to} before it was written")]
    DurableAhead {
        /// What it says.
        durable_up_to: Seq,
    },
    /// A frame that claims that less was durable than an earlier one knew.
    #[error(
        "a valid frame says that it was durable up to {durable_up_to} only, \
         and one before it up to {before}"
    )]
    DurableBehind {
        /// What it says.
        durable_up_to: Seq,
        /// What the earlier one says.
        before: Seq,
    },
    /// A valid frame that takes more or fewer seqs than its type can.
    #[error("a valid frame takes {found} seqs, which its type cannot")]
    SeqCount {
        /// What it says.
        found: u32,
    },
    /// A valid frame of a type that has no payload has one.
    #[error("a valid frame has a payload, which its type has not")]
    UnexpectedPayload,
    /// The payload is not what the header says.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// The segment should end with a seal, or the seal is not right.
    #[error("{0}")]
    Seal(SealFault),
}

/// What is wrong with the end of a segment.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// A further segment follows, and this one does not end with a seal.
    #[error("the segment is not sealed and another one follows")]
    Missing,
    /// Its table is not what the segment holds.
    #[error("the seal does not fit its segment")]
    Misfit,
    /// Something stands behind it.
    #[error("bytes follow the seal")]
    Trailing,
    /// The next segment does not begin where this one ends.
    #[error("the segment ends before seq {due} and the next one begins with {next}")]
    Gap {
        /// The first seq after this one.
        due: Seq,
        /// The first seq of the next one.
        next: Seq,
    },
}

/// What proves that bytes were durable.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A later frame in the same segment knew it.
    LaterFrame {
        /// Where it stands.
        offset: u64,
        /// What it says.
        durable_up_to: Seq,
    },
    /// A seal or a shutdown mark stands behind it.
    CleanEnd {
        /// Where it stands.
        offset: u64,
    },
    /// A further segment follows.
    FurtherSegment,
    /// The index was flushed up to this seq.
    Index {
        /// Up to where.
        flushed: Seq,
    },
    /// This process synced it.
    Synced,
    /// The bytes contradict themselves: a crash cannot make them.
    Itself,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::LaterFrame {
                offset,
                durable_up_to,
            } => write!(
                f,
                "it was durable: the frame at offset {offset} proves it up to seq {durable_up_to}"
            ),
            Evidence::CleanEnd { offset } => write!(
                f,
                "it was durable: the clean end at offset {offset} proves all before it"
            ),
            Evidence::FurtherSegment => write!(f, "it was durable: a further segment follows"),
            Evidence::Index { flushed } => write!(
                f,
                "it was durable: the index was flushed up to seq {flushed}"
            ),
            Evidence::Synced => write!(f, "it was durable: this process synced it"),
            Evidence::Itself => write!(f, "no crash leaves such bytes"),
        }
    }
}
