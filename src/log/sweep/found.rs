//! What a sweep comes by: good frames, and each way in which a log is not as it was written.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::event::Seq;
use crate::log::error::{Evidence, Fault};
use crate::log::format::LogId;
use crate::log::reader::Frame;
use crate::log::segment::SegmentId;
use crate::log::tail::Ending;

/// What stands at the next place of a log.
#[derive(Debug)]
pub enum Found {
    /// A good frame: its CRCs are right, and it continues the chain. Its payload is the sweep's,
    /// until the next step.
    Frame(Frame),
    /// A stretch of a segment that is not what was written.
    Damage(Damage),
    /// Seqs that are due between two segments, and stand in none.
    Missing(Missing),
    /// A segment begins with seqs that stand in an earlier one too.
    Overlap(Overlap),
    /// Something with a segment's name that is no segment of this log.
    Stray(Stray),
    /// How the log ends: always the last.
    End(End),
}

/// A stretch of a segment that is not what was written.
#[derive(Clone, Debug)]
pub struct Damage {
    /// In which segment.
    pub segment: SegmentId,
    /// Where it begins.
    pub offset: u64,
    /// Where it ends; the same where something is missing between two frames.
    pub end: u64,
    /// The seqs that are due in it.
    pub lost: Lost,
    /// Where the good header stands at which the chain goes on; none when nothing further in
    /// this segment does.
    pub goes_on_at: Option<u64>,
    /// What is wrong.
    pub flaw: Flaw,
    /// What proves that these bytes were durable. None where nothing does: then it may be what
    /// a crash left.
    pub evidence: Option<Evidence>,
}

/// The seqs `[first, next)`, which are due somewhere and are not there.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first one.
    pub first: Seq,
    /// The first one that is not among them.
    pub next: Seq,
    /// There may have been more: nothing tells how many.
    pub and_more: bool,
}

impl Lost {
    /// None at all: what is damaged takes no seqs.
    pub fn none(due: Seq) -> Lost {
        Lost {
            first: due,
            next: due,
            and_more: false,
        }
    }

    /// How many they are, as far as that is known.
    pub fn count(&self) -> u64 {
        self.next.since(self.first)
    }

    /// The last one; none if there is none.
    pub fn last(&self) -> Option<Seq> {
        (self.next > self.first).then(|| self.next.previous())
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.and_more {
            " and perhaps more"
        } else {
            ""
        };
        match (self.last(), self.and_more) {
            (None, true) => write!(f, "perhaps seqs from {} on", self.first),
            (None, false) => f.write_str("no seq"),
            (Some(last), _) if last == self.first => write!(f, "seq {last}{more}"),
            (Some(last), _) => write!(f, "seqs {} to {last}{more}", self.first),
        }
    }
}

/// What is wrong with a stretch.
#[derive(Clone, Debug)]
pub enum Flaw {
    /// Its bytes are not what they should be.
    Fault(Arc<Fault>),
    /// Some of its bytes cannot be read.
    Unreadable {
        /// Where those begin.
        offset: u64,
        /// Where those end.
        end: u64,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// The file cannot be opened.
    Unopened(Arc<io::Error>),
}

impl From<Fault> for Flaw {
    fn from(fault: Fault) -> Flaw {
        Flaw::Fault(Arc::new(fault))
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Fault(fault) => fault.fmt(f),
            Flaw::Unreadable { offset, end, error } => {
                write!(f, "bytes {offset} to {end} cannot be read: {error}")
            }
            Flaw::Unopened(error) => write!(f, "the segment cannot be opened: {error}"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { offset, end, .. } = self;
        match end > offset {
            true => write!(
                f,
                "{} is damaged at offsets {offset} to {end}",
                self.segment
            )?,
            false => write!(f, "{} is damaged at offset {offset}", self.segment)?,
        }
        write!(f, ", {} lost: {}", self.lost, self.flaw)?;
        match self.evidence {
            Some(evidence) => write!(f, " ({evidence})"),
            None => write!(f, " (nothing proves that it was durable)"),
        }
    }
}

/// Seqs that stand in no segment.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// They are due before this segment.
    pub before: SegmentId,
    /// Which they are.
    pub lost: Lost,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Missing { before, lost } = self;
        write!(f, "a segment is missing before {before}, {lost} lost")
    }
}

/// A segment begins with seqs that stand in an earlier one too: a copy of another state of this
/// log. What the earlier one says is shown; which of them is right nothing tells.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The later one.
    pub segment: SegmentId,
    /// The last seq that the earlier ones have.
    pub covered_to: Seq,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} begins with seq {}, and the segments before it go up to seq {}: \
             it is of another state of this log",
            self.segment, self.segment.0, self.covered_to
        )
    }
}

/// Something with a segment's name that is no segment of this log.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// By its name.
    pub segment: SegmentId,
    /// What it is.
    pub kind: StrayKind,
}

/// Why something is no segment of this log.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum StrayKind {
    /// It is one of another log.
    Foreign {
        /// Of that one.
        found: LogId,
        /// And this is that one.
        expected: LogId,
    },
    /// It is no plain file: a directory, a symbolic link or the like. The server does not see it.
    NoFile,
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segment = self.segment;
        match self.kind {
            StrayKind::Foreign { found, expected } => {
                write!(
                    f,
                    "{segment} belongs to log {found}, and this is log {expected}"
                )
            }
            StrayKind::NoFile => write!(f, "{segment} is no plain file; it is not followed"),
        }
    }
}

/// How a log ends.
#[derive(Clone, Debug)]
pub struct End {
    /// Its last segment; none when there is none.
    pub segment: Option<SegmentId>,
    /// How that one's frames end.
    pub ending: Ending,
    /// Where its last good frame ends.
    pub offset: u64,
    /// The seq that is due there.
    pub due: Seq,
    /// The last seq that the log itself proves to have been durable. Damage to what is behind
    /// it could not be told from what a crash leaves.
    pub proven: Seq,
    /// Where in the last segment the first frame stands that nothing proves.
    pub unproven_from: u64,
    /// Bytes that a crash left unfinished.
    pub torn: Option<Torn>,
    /// The index was flushed up to this seq, and the log ends before it.
    pub behind_index: Option<Seq>,
}

/// Bytes behind the last frame that were never acknowledged.
#[derive(Clone, Debug)]
pub struct Torn {
    /// Where they end.
    pub end: u64,
    /// What is wrong with them.
    pub fault: Arc<Fault>,
}
