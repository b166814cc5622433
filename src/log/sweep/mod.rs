//! A walk over a whole log that goes on behind damage: what the offline tools stand on.
//!
//! It takes no lock, changes nothing, and reads with `pread` in flat memory. In order of place it
//! gives each good frame, and whatever is not as it was written ([`Found`]). What is a good frame,
//! what is torn and what is damaged say the reader and the tail rule, the same as for recovery.
//!
//! Damage in a payload costs its frame, damage in a header what stands up to the next valid
//! header, a bad sector what touches it, damage in a segment's header nothing where its seal
//! repeats it, or where it is one byte. How the log ends is looked up beforehand ([`Sweep::end`]), so that at each frame it
//! is known whether anything proves it.
//!
//! | file | has |
//! |---|---|
//! | `found` | what can be met |
//! | `candidates` | what lies under segments' names, and which log it is |
//! | `chain` | from segment to segment |
//! | `within` | one segment |
//! | `by_headers` | where a look into a segment may begin that has no seal to tell |
//! | `finder` | single frames by their seqs |
//! | `mend` | a damaged segment header that is known all the same |
//! | `patient` | reading around bad sectors |
//! | `read_ahead` | the next segment, for speed |

mod by_headers;
mod candidates;
mod chain;
mod finder;
mod found;
mod mend;
mod patient;
mod read_ahead;
mod within;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use finder::FrameFinder;
pub use found::{Damage, End, Flaw, Found, Lost, Missing, Overlap, Stray, StrayKind, Torn};
pub(super) use patient::PatientFile;

use super::codec::{CodecError, Erased, decode_erased, decode_events};
use super::error::{Evidence, LogError};
use super::format::{FrameType, LogId};
use super::header::{FrameTable, SegmentHeader};
use super::reader::Frame;
use super::segment::{SegmentFile, SegmentId};
use super::storage::Storage;
use super::tail::Ending;
use crate::event::{Event, Seq};
use candidates::{Candidate, Opened, State, look, open_file};
use read_ahead::ReadAhead;
use within::SegmentSweep;

/// What is swept.
#[derive(Clone, Debug, Default)]
pub struct SweepOptions {
    /// Up to where this log's index was flushed: evidence for the tail rule.
    pub index_flushed: Option<Seq>,
    /// Begins at the frame that holds this seq, or a little before it; what lies before that is
    /// not looked at.
    pub from: Seq,
    /// Goes on where an earlier sweep ended.
    pub resume: Option<Position>,
    /// Ends before the first frame that nothing proves to be durable.
    pub proven_only: bool,
    /// How the log ends is looked up from `from` on too, and of the last segment nothing before
    /// that is read: a segment that is being written may be long.
    pub only_from: bool,
}

/// Where a sweep ended, and another one may go on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Position {
    segment: SegmentId,
    due: Seq,
    offset: u64,
    is_sealed: bool,
}

impl Position {
    /// The seq that is due there.
    pub fn due(&self) -> Seq {
        self.due
    }
}

/// A walk over a whole log.
#[derive(Debug)]
pub struct Sweep {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    options: SweepOptions,
    log_id: LogId,
    candidates: Vec<Candidate>,
    /// The place in them that comes next.
    next: usize,
    current: Option<SegmentSweep>,
    /// The seq that is due in the next segment; none when nothing was read before it.
    due: Option<Seq>,
    end: End,
    /// Of the last segment.
    last_table: FrameTable,
    /// What is wrong behind the last good frame.
    behind_end: VecDeque<Found>,
    position: Option<Position>,
    is_over: bool,
    /// Once a whole segment was walked: then more will be.
    ahead: Option<ReadAhead>,
}

/// Opens a file as this segment, whatever its name, so that bad sectors are read around; also one
/// whose damaged header is known all the same.
///
/// # Errors
/// I/O errors; damage to the header that leaves nothing to be trusted.
pub(super) fn open_patiently(
    storage: &dyn Storage,
    path: &Path,
    id: SegmentId,
) -> Result<SegmentFile, LogError> {
    match open_file(storage, path.to_owned(), id)? {
        Opened::Good { segment, .. } => Ok(segment),
        Opened::Unusable(..) => {
            let file = storage.open(path).map_err(LogError::io("open", path))?;
            SegmentFile::of_file(file, path.to_owned(), id)
        }
    }
}

impl Sweep {
    /// Looks at the segments of the log in this directory, and at how it ends.
    ///
    /// # Errors
    /// [`LogError::Missing`] when there is no log; no right to read; a directory that cannot be
    /// listed; what a later version wrote. Damage is none: it is met.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: &Path,
        options: SweepOptions,
    ) -> Result<Sweep, LogError> {
        let resumed = options.resume.map(|position| position.segment);
        let (log_id, candidates) = look(storage.as_ref(), dir, resumed)?;
        let mut sweep = Sweep {
            storage,
            dir: dir.to_owned(),
            log_id,
            candidates,
            next: 0,
            current: None,
            due: Some(Seq::FIRST),
            end: End {
                segment: None,
                ending: Ending::Open,
                offset: 0,
                due: Seq::FIRST,
                proven: Seq::ZERO,
                unproven_from: 0,
                torn: None,
                behind_index: options.index_flushed.filter(|flushed| *flushed > Seq::ZERO),
            },
            last_table: FrameTable::default(),
            behind_end: VecDeque::new(),
            position: options.resume,
            options,
            is_over: false,
            ahead: None,
        };
        sweep.look_at_end()?;
        sweep.go_to_start();
        Ok(sweep)
    }

    /// Which log there is in this directory that a sweep could be over.
    ///
    /// # Errors
    /// As [`Sweep::open`].
    pub fn check(storage: &dyn Storage, dir: &Path) -> Result<LogId, LogError> {
        look(storage, dir, None).map(|(log_id, _)| log_id)
    }

    /// Which log it is.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }

    /// How the log ends.
    pub fn end(&self) -> &End {
        &self.end
    }

    /// The segments of this log, in order, usable or not.
    pub fn segments(&self) -> impl Iterator<Item = SegmentId> {
        let of_this_log = |candidate: &&Candidate| !matches!(candidate.state, State::Stray(_));
        let segments = self.candidates.iter().filter(of_this_log);
        segments.map(|candidate| candidate.id)
    }

    /// Where it stands: at its end, where another sweep may go on.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// What comes next; none behind the end.
    ///
    /// # Errors
    /// [`LogError::Newer`] for what a later version wrote, and an I/O error that is not of single
    /// bytes. Nothing can be said of what follows.
    // It is no iterator: what it gives is borrowed from it.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Found>, LogError> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(found) = current.next()? {
                    return Ok(Some(found));
                }
                self.leave_segment();
            } else if let Some(found) = self.enter_segment()? {
                return Ok(Some(found));
            } else if self.current.is_none() {
                return Ok(self.next_at_end());
            }
        }
    }

    /// Finds single frames, with what is known by now of where they are in the last segment.
    pub fn finder(&self) -> FrameFinder {
        let usable = |candidate: &&Candidate| matches!(candidate.state, State::Usable);
        let segments = self.candidates.iter().filter(usable);
        let segments = segments.map(|candidate| candidate.id).collect();
        let near = self.end.segment.map(|id| (id, self.last_table.clone()));
        FrameFinder::knowing(Arc::clone(&self.storage), &self.dir, segments, near)
    }

    /// The payload of the frame that was given last.
    pub fn payload(&self) -> &[u8] {
        let current = self.current.as_ref();
        current.map_or(&[], |current| current.walk().payload())
    }

    /// The header of the frame that was given last, as it stands in the file.
    pub fn head(&self, frame: &Frame) -> &[u8] {
        let current = self.current.as_ref();
        current.map_or(&[], |current| current.walk().head(frame))
    }

    /// The header of the segment in which it stands.
    pub fn segment_header(&self) -> Option<&SegmentHeader> {
        let current = self.current.as_ref();
        current.map(|current| &current.walk().header)
    }

    /// The events of an `events` frame that was given last.
    ///
    /// # Errors
    /// Its CRC is right and its payload is not what it should be: see [`Sweep::undecodable`].
    pub fn events(&self, frame: &Frame) -> Result<Vec<Event<'_>>, CodecError> {
        decode_events(self.payload(), frame.header.count)
    }

    /// The content of an `erased` frame that was given last.
    ///
    /// # Errors
    /// As [`Sweep::events`].
    pub fn erased(&self, frame: &Frame) -> Result<Erased<'_>, CodecError> {
        decode_erased(self.payload(), frame.header.count)
    }

    /// A frame that was given and cannot be decoded, as damage.
    ///
    /// # Errors
    /// [`LogError::Newer`] when a later version wrote it.
    pub fn undecodable(&self, frame: &Frame, error: CodecError) -> Result<Damage, LogError> {
        let evidence = self.current.as_ref().map(SegmentSweep::evidence);
        let evidence = evidence.unwrap_or(Evidence::Itself);
        match frame.undecodable(error, evidence) {
            LogError::Corrupt(corruption) => {
                let end = frame.offset + frame.header.frame_bytes();
                Ok(Damage {
                    segment: frame.segment,
                    offset: frame.offset,
                    end,
                    lost: Lost {
                        first: frame.header.first_seq,
                        next: frame.header.next_seq(),
                        and_more: false,
                    },
                    goes_on_at: Some(end),
                    flaw: corruption.fault.into(),
                    evidence: Some(evidence),
                })
            }
            error => Err(error),
        }
    }

    /// Whether anything proves that this frame was durable.
    pub fn is_proven(&self, frame: &Frame) -> bool {
        match frame.frame_type {
            Some(FrameType::Seal) => true,
            _ => frame.header.last_seq() <= self.end.proven,
        }
    }
}
