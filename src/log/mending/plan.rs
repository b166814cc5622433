//! What is to be done to a damaged log, without doing it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::draft::Draft;
use super::misplaced::Misplaced;
use crate::event::Seq;
use crate::log::error::{Evidence, Fault, LogError};
use crate::log::format::{FrameType, HEADER_BYTES, LogId};
use crate::log::inventory::Inventory;
use crate::log::reader::Frame;
use crate::log::segment::SegmentId;
use crate::log::storage::Storage;
use crate::log::sweep::{Damage, End, Found, Lost, Stray, StrayKind, Sweep, SweepOptions};
use crate::log::tail::Ending;

/// So many of the things that are wrong are listed; all are counted.
const WRONG_LISTED_MAX: usize = 100;

/// What a new segment has, in order.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Frames that stand one behind the other in the old file.
    Kept {
        /// Where the first of them begins.
        offset: u64,
        /// Where the last of them ends.
        end: u64,
        /// The seq that is due at the first of them.
        first: Seq,
        /// The seq that is due behind them.
        next: Seq,
    },
    /// Seqs whose bytes are gone: `[first, next)`.
    Hole {
        /// The first of them.
        first: Seq,
        /// The first that is not among them.
        next: Seq,
    },
}

impl Piece {
    /// The seq that is due behind it.
    pub fn next(&self) -> Seq {
        match self {
            Piece::Kept { next, .. } | Piece::Hole { next, .. } => *next,
        }
    }
}

/// Where the frames that are kept stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Which segment it is, whatever its name.
    pub id: SegmentId,
}

/// A segment that is written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSegment {
    /// Its name. The file that has it now is set aside.
    pub id: SegmentId,
    /// Where its frames are; none where it is only a hole.
    pub source: Option<Source>,
    /// What it has. It takes one seq at least.
    pub pieces: Vec<Piece>,
}

impl NewSegment {
    /// The seq that is due behind it.
    pub fn next(&self) -> Seq {
        self.pieces.last().map_or(self.id.0, Piece::next)
    }

    fn bytes(&self) -> u64 {
        let kept = self.pieces.iter().map(|piece| match piece {
            Piece::Kept { offset, end, .. } => end - offset,
            Piece::Hole { .. } => 0,
        });
        HEADER_BYTES as u64 + kept.sum::<u64>()
    }

    /// The seqs that are kept, as `[first, next)`; those next to each other in one.
    pub fn kept(&self) -> impl Iterator<Item = (Seq, Seq)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Kept { first, next, .. } if next > first => Some((*first, *next)),
            _ => None,
        })
    }

    /// The holes that are made, as `[first, next)`.
    pub fn holes(&self) -> impl Iterator<Item = (Seq, Seq)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole { first, next } => Some((*first, *next)),
            Piece::Kept { .. } => None,
        })
    }
}

/// What is to be done to a log.
#[derive(Debug)]
pub struct Plan {
    /// Which log.
    pub log_id: LogId,
    /// The segments that are written anew, in order.
    pub new_segments: Vec<NewSegment>,
    /// The files that are set aside, in order of their names.
    pub set_aside: Vec<SegmentId>,
    /// What is no plain file, and is left where it is.
    pub left: Vec<Stray>,
    /// The first things that are wrong.
    pub wrong: Vec<Found>,
    /// How many are.
    pub wrong_count: u64,
    /// From this seq on there may have been more, which nothing tells: they will be given again.
    pub perhaps_from: Option<Seq>,
    /// How the log ends, before.
    pub end: End,
    /// The seq that comes next, afterwards.
    pub next_seq: Seq,
}

impl Plan {
    /// Whether there is nothing to be done to the log.
    pub fn is_empty(&self) -> bool {
        self.new_segments.is_empty() && self.set_aside.is_empty()
    }

    /// Whether a file that is set aside gets no successor.
    pub fn is_dropped(&self, id: SegmentId) -> bool {
        let has_name = |new: &NewSegment| new.id == id;
        self.set_aside.contains(&id) && !self.new_segments.iter().any(has_name)
    }

    /// The holes that are made, as `[first, next)`, in order.
    pub fn holes(&self) -> impl Iterator<Item = (Seq, Seq)> {
        self.new_segments.iter().flat_map(NewSegment::holes)
    }

    /// What the new segments take, but for their seals and holes.
    pub fn new_bytes(&self) -> u64 {
        self.new_segments.iter().map(NewSegment::bytes).sum()
    }

    /// Something that is no plain file, and has a name that a new segment must have.
    pub fn in_the_way(&self) -> Option<SegmentId> {
        let names = self.left.iter().map(|stray| stray.segment);
        let mut news = self.new_segments.iter().map(|new| new.id);
        let left: BTreeSet<SegmentId> = names.collect();
        news.find(|id| left.contains(id))
    }
}

/// Plans it. `index_flushed` is up to where this log's index was flushed; in `set_aside` an earlier
/// attempt may have kept segments. `told` is told which seq it has come to, of so many.
///
/// # Errors
/// As those of a sweep; [`LogError::Foreign`] when not one segment is of the log that `log.meta`
/// names.
pub fn plan(
    storage: &Arc<dyn Storage>,
    dir: &Path,
    index_flushed: Option<Seq>,
    set_aside: &Path,
    told: &mut dyn FnMut(Seq, Seq),
) -> Result<Plan, LogError> {
    let options = SweepOptions {
        index_flushed,
        ..SweepOptions::default()
    };
    let mut sweep = Sweep::open(Arc::clone(storage), dir, options)?;
    let mut planning = Planning {
        dir,
        plan: Plan {
            log_id: sweep.log_id(),
            new_segments: Vec::new(),
            set_aside: Vec::new(),
            left: Vec::new(),
            wrong: Vec::new(),
            wrong_count: 0,
            perhaps_from: None,
            end: sweep.end().clone(),
            next_seq: Seq::FIRST,
        },
        set_aside: BTreeSet::new(),
        draft: None,
        durable: Seq::ZERO,
        foreign: None,
        misplaced: Misplaced::new(storage, dir, sweep.log_id()),
    };
    while let Some(found) = sweep.next()? {
        match found {
            Found::Frame(frame) => {
                planning.frame(&sweep, &frame)?;
                told(frame.header.last_seq(), sweep.end().due.previous());
            }
            other => planning.wrong(other),
        }
    }
    planning.misplaced.look_in(set_aside);
    planning.last(storage.as_ref(), index_flushed)?;
    planning.finish(storage.as_ref(), sweep.segments().next().is_some())
}

struct Planning<'p> {
    dir: &'p Path,
    plan: Plan,
    set_aside: BTreeSet<SegmentId>,
    draft: Option<Draft>,
    /// The most that a frame has said to be durable.
    durable: Seq,
    foreign: Option<LogError>,
    misplaced: Misplaced<'p>,
}

impl Planning<'_> {
    /// The draft of the segment that is being read; its file is this one.
    fn draft_of(&mut self, file: SegmentId) -> &mut Draft {
        if self.draft.as_ref().and_then(Draft::file) != Some(file) {
            self.close_draft();
        }
        let first = self.plan.next_seq.max(file.0);
        self.draft.get_or_insert_with(|| Draft::of(file, first))
    }

    fn close_draft(&mut self) {
        if let Some(draft) = self.draft.take() {
            self.set_aside.extend(draft.file_set_aside());
            self.plan.new_segments.extend(draft.into_new(self.dir));
        }
    }

    fn frame(&mut self, sweep: &Sweep, frame: &Frame) -> Result<(), LogError> {
        let decoded = match frame.frame_type {
            Some(FrameType::Events) => sweep.events(frame).map(drop),
            Some(FrameType::Erased) => sweep.erased(frame).map(drop),
            _ => Ok(()),
        };
        if let Err(error) = decoded {
            let damage = sweep.undecodable(frame, error)?;
            self.wrong(Found::Damage(damage));
            return Ok(());
        }
        let says = frame.header.durable_up_to;
        if says < self.durable {
            self.wrong(Found::Damage(durable_behind(frame, self.durable)));
        }
        self.durable = self.durable.max(says);
        self.draft_of(frame.segment).keep(frame);
        self.plan.next_seq = frame.header.next_seq();
        Ok(())
    }

    /// Anything else.
    fn wrong(&mut self, found: Found) {
        match &found {
            Found::Frame(_) => return,
            Found::End(end) => {
                let is_ahead = |flushed: Seq| flushed >= self.plan.next_seq;
                if !end.behind_index.is_some_and(is_ahead) {
                    return;
                }
            }
            Found::Damage(damage) => {
                self.misplaced.note(damage);
                self.draft_of(damage.segment).damaged(damage.lost);
                self.lost(damage.lost);
            }
            Found::Missing(missing) => {
                let lost = missing.lost;
                // Within a segment of which earlier ones have the beginning, or before one.
                if self.draft.as_ref().and_then(Draft::file) == Some(missing.before) {
                    self.draft_of(missing.before).damaged(lost);
                } else {
                    self.close_draft();
                    self.draft = Some(Draft::hole(lost.first, lost.next));
                }
                self.lost(lost);
            }
            Found::Overlap(overlap) => {
                let lost = Lost::none(self.plan.next_seq);
                self.draft_of(overlap.segment).damaged(lost);
            }
            Found::Stray(stray) => match stray.kind {
                StrayKind::Foreign { found, expected } => {
                    self.set_aside.insert(stray.segment);
                    self.foreign = Some(LogError::Foreign {
                        segment: stray.segment,
                        found,
                        expected,
                    });
                }
                StrayKind::NoFile => self.plan.left.push(*stray),
            },
        }
        self.plan.wrong_count += 1;
        if self.plan.wrong.len() < WRONG_LISTED_MAX {
            self.plan.wrong.push(found);
        }
    }

    fn lost(&mut self, lost: Lost) {
        self.plan.next_seq = self.plan.next_seq.max(lost.next);
        if lost.and_more {
            self.plan.perhaps_from = Some(lost.next);
        }
    }

    /// Behind the last segment comes what lies under another name, and then a hole for what the
    /// index has and the log has not. The last one must end with its seal then.
    fn last(&mut self, storage: &dyn Storage, index_flushed: Option<Seq>) -> Result<(), LogError> {
        let due = self.plan.next_seq;
        let behind = self.misplaced.behind(due)?;
        let next = behind.last().map_or(due, NewSegment::next);
        let flushed = index_flushed.filter(|flushed| *flushed >= next);
        if let Some(file) = self.draft.as_ref().and_then(Draft::file)
            && (next > due || flushed.is_some())
            && !self.ends_with_seal(storage, file)?
        {
            self.draft_of(file).damaged(Lost::none(due));
        }
        self.close_draft();
        self.plan.new_segments.extend(behind);
        self.plan.next_seq = next;
        if let Some(flushed) = flushed {
            self.draft = Some(Draft::hole(next, flushed.next()));
            self.close_draft();
            self.plan.next_seq = flushed.next();
        }
        // What was durable, and not yet in the index, nothing tells.
        if flushed.is_some() || self.plan.perhaps_from.is_some() {
            self.plan.perhaps_from = Some(self.plan.next_seq);
        }
        Ok(())
    }

    fn ends_with_seal(&self, storage: &dyn Storage, file: SegmentId) -> Result<bool, LogError> {
        let path = self.dir.join(file.file_name());
        let bytes = storage
            .open(&path)
            .and_then(|file| file.len())
            .map_err(LogError::io("measure", &path))?;
        let end = &self.plan.end;
        Ok(end.ending == Ending::Sealed && end.offset == bytes)
    }

    fn finish(mut self, storage: &dyn Storage, has_own: bool) -> Result<Plan, LogError> {
        if let (Some(error), false) = (self.foreign, has_own) {
            return Err(error);
        }
        self.misplaced.put_right(&mut self.plan.new_segments)?;
        let files = Inventory::read(storage, self.dir)?.segments;
        let is_file = |id: &SegmentId| files.binary_search(id).is_ok();
        let news = self.plan.new_segments.iter().map(|new| new.id);
        self.set_aside.extend(news.filter(is_file));
        self.plan.set_aside = self.set_aside.into_iter().collect();
        Ok(self.plan)
    }
}

/// A frame that says that less was durable than one before it: no committer unlearns that.
fn durable_behind(frame: &Frame, before: Seq) -> Damage {
    let end = frame.offset + frame.header.frame_bytes();
    let fault = Fault::DurableBehind {
        durable_up_to: frame.header.durable_up_to,
        before,
    };
    Damage {
        segment: frame.segment,
        offset: frame.offset,
        end,
        lost: Lost::none(frame.header.first_seq),
        goes_on_at: Some(end),
        flaw: fault.into(),
        evidence: Some(Evidence::Itself),
    }
}
