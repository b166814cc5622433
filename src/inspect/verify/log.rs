//! What a walk over the whole log finds.

use crate::event::Seq;
use crate::log::LogId;
use crate::log::error::{Evidence, Fault};
use crate::log::format::FrameType;
use crate::log::inventory::Inventory;
use crate::log::reader::Frame;
use crate::log::sweep::{Damage, End, Found, Lost, Sweep};

use super::ranges::SeqRanges;

/// How many of the things that are wrong are kept; all are counted.
const WRONG_LISTED_MAX: usize = 100;

/// What was found in a log.
#[derive(Debug)]
pub struct LogChecked {
    /// Which log.
    pub log_id: LogId,
    /// How many segments it has.
    pub segments: u64,
    /// How many good frames.
    pub frames: u64,
    /// The bytes of these.
    pub frame_bytes: u64,
    /// The events that are byte for byte as they were written.
    pub intact: SeqRanges,
    /// Those that an earlier repair has told to be lost.
    pub holes: SeqRanges,
    /// Those that must be there, and are damaged or gone.
    pub lost: SeqRanges,
    /// Those that stand in two segments of different states of this log.
    pub doubtful: SeqRanges,
    /// From this seq on there may have been more, which nothing tells.
    pub perhaps_from: Option<Seq>,
    /// The first things that are wrong.
    pub wrong: Vec<Found>,
    /// How many are.
    pub wrong_count: u64,
    /// How it ends.
    pub end: End,
    /// Damage from this seq on could not be told from what a crash leaves: nothing proves that it
    /// was durable. Behind the last one, if all is proven.
    pub undecidable_from: Seq,
    /// `log.meta` is there and good. Else the next start makes it anew.
    pub has_meta: bool,
    /// Files that never became what they were to be; a running store has some.
    pub left_overs: Vec<String>,
    /// Files with the torn bytes of earlier crashes.
    pub torn_files: Vec<String>,
    /// Files that are none of a log's, and that nobody reads.
    pub strange_files: Vec<String>,
}

impl LogChecked {
    /// Whether all is as it was written.
    pub fn is_well(&self) -> bool {
        self.wrong_count == 0
    }

    /// The last seq that it has.
    pub fn last_seq(&self) -> Seq {
        self.end.due.previous()
    }

    /// The last seq before the first that is lost or in doubt.
    pub(super) fn whole_to(&self) -> Seq {
        let first = |ranges: &SeqRanges| ranges.listed().first().map(|range| range.first);
        let firsts = [first(&self.lost), first(&self.doubtful), self.perhaps_from];
        let first = firsts.into_iter().flatten().min();
        first.map_or(Seq::new(u64::MAX), Seq::previous)
    }
}

/// Takes down what a sweep gives.
#[derive(Debug)]
pub(super) struct LogCheck {
    found: LogChecked,
    /// The most that a frame has said to be durable.
    durable: Seq,
}

impl LogCheck {
    /// Of this sweep. `index_flushed` is evidence, too.
    pub(super) fn of(sweep: &Sweep, files: Inventory, index_flushed: Option<Seq>) -> LogCheck {
        let end = sweep.end().clone();
        let proven = end.proven.max(index_flushed.unwrap_or_default());
        LogCheck {
            found: LogChecked {
                log_id: sweep.log_id(),
                segments: sweep.segments().count() as u64,
                frames: 0,
                frame_bytes: 0,
                intact: SeqRanges::default(),
                holes: SeqRanges::default(),
                lost: SeqRanges::default(),
                doubtful: SeqRanges::default(),
                perhaps_from: None,
                wrong: Vec::new(),
                wrong_count: 0,
                end,
                undecidable_from: proven.next(),
                has_meta: files.meta.is_some(),
                left_overs: files.left_overs,
                torn_files: files.torn,
                strange_files: files.strange,
            },
            durable: Seq::ZERO,
        }
    }

    /// A good frame whose payload is what it should be.
    pub(super) fn frame(&mut self, frame: &Frame) {
        let header = &frame.header;
        self.found.frames += 1;
        self.found.frame_bytes += header.frame_bytes();
        let (first, next) = (header.first_seq, header.next_seq());
        match frame.frame_type {
            Some(FrameType::Hole) => self.found.holes.add(first, next),
            _ => self.found.intact.add(first, next),
        }
        let (says, before) = (header.durable_up_to, self.durable);
        self.durable = before.max(says);
        if says < before {
            // The reader does not mind, but no committer unlearns what is durable.
            self.wrong(Found::Damage(Damage {
                segment: frame.segment,
                offset: frame.offset,
                end: frame.offset + header.frame_bytes(),
                lost: Lost::none(first),
                goes_on_at: Some(frame.offset + header.frame_bytes()),
                flaw: Fault::DurableBehind {
                    durable_up_to: says,
                    before,
                }
                .into(),
                evidence: Some(Evidence::Itself),
            }));
        }
    }

    /// Anything else.
    pub(super) fn wrong(&mut self, found: Found) {
        let log = &mut self.found;
        match &found {
            Found::Frame(_) => return,
            Found::End(End {
                behind_index: None, ..
            }) => return,
            Found::End(End {
                due,
                behind_index: Some(flushed),
                ..
            }) => log.lost.add(*due, flushed.next()),
            Found::Damage(Damage { lost, .. }) => {
                log.lost.add(lost.first, lost.next);
                if lost.and_more {
                    log.perhaps_from.get_or_insert(lost.next);
                }
            }
            Found::Missing(missing) => log.lost.add(missing.lost.first, missing.lost.next),
            Found::Overlap(overlap) => {
                let (first, next) = (overlap.segment.0, overlap.covered_to.next());
                log.intact.cut_from(first);
                log.doubtful.cut_from(first);
                log.doubtful.add(first, next);
            }
            Found::Stray(_) => {}
        }
        log.wrong_count += 1;
        if log.wrong.len() < WRONG_LISTED_MAX {
            log.wrong.push(found);
        }
    }

    /// What was found, when all was seen.
    pub(super) fn finish(self) -> LogChecked {
        self.found
    }
}
