//! From segment to segment: what is missing between them, what is there twice, and how the last
//! one ends.

use std::collections::VecDeque;
use std::sync::Arc;

use super::candidates::{Candidate, Opened, State, open};
use super::read_ahead::ReadAhead;
use super::within::{Bounds, SegmentSweep};
use super::{Damage, Flaw, Found, Lost, Missing, Overlap, Position, Stray, Sweep};
use crate::event::Seq;
use crate::log::error::{Evidence, LogError};
use crate::log::segment::SegmentId;

impl Sweep {
    /// Sweeps the last segment, to know how it ends.
    pub(super) fn look_at_end(&mut self) -> Result<(), LogError> {
        let is_last = |candidate: &Candidate| !matches!(candidate.state, State::Stray(_));
        let Some(last) = self.candidates.iter().rposition(is_last) else {
            return Ok(());
        };
        let Candidate { id, state } = self.candidates[last].clone();
        let opened = match state {
            State::Usable => open(self.storage.as_ref(), &self.dir, id)?,
            State::Unusable(flaw, bytes) => Opened::Unusable(flaw, bytes),
            State::Stray(_) => return Ok(()),
        };
        match opened {
            Opened::Unusable(flaw, bytes) => {
                self.end.segment = Some(id);
                (self.end.due, self.end.proven) = (id.0, id.0.previous());
                self.candidates[last].state = State::Unusable(flaw, bytes);
            }
            Opened::Good { segment, file, .. } => {
                let bounds = Bounds::Tail(self.options.index_flushed);
                let mut sweep = SegmentSweep::new(segment, file, bounds, None);
                if let Some(position) = self.resumed_in(id) {
                    sweep.start_at(position.due, position.offset);
                } else if self.options.only_from {
                    sweep.start_by_headers(self.options.from)?;
                }
                let mut damages = VecDeque::new();
                while let Some(found) = sweep.next()? {
                    if matches!(found, Found::Damage(_)) {
                        damages.push_back(found);
                    }
                }
                if let Some((end, table)) = sweep.into_end() {
                    damages.retain(
                        |found| matches!(found, Found::Damage(damage) if damage.offset >= end.offset),
                    );
                    (self.end, self.last_table, self.behind_end) = (end, table, damages);
                }
            }
        }
        Ok(())
    }

    /// The place in this segment where the sweep goes on; none to take it from its start.
    fn resumed_in(&self, id: SegmentId) -> Option<Position> {
        let position = self
            .options
            .resume
            .filter(|position| position.segment == id)?;
        // One without seqs may have been replaced by another of its name.
        (position.due > id.0).then_some(position)
    }

    pub(super) fn go_to_start(&mut self) {
        if let Some(position) = self.options.resume {
            self.due = Some(position.due);
            if position.is_sealed {
                self.next = self.after(position.segment);
            }
        } else if self.options.from > Seq::FIRST {
            let holds = |candidate: &Candidate| {
                matches!(candidate.state, State::Usable) && candidate.id.0 <= self.options.from
            };
            if let Some(first) = self.candidates.iter().rposition(holds) {
                (self.next, self.due) = (first, None);
            }
        }
    }

    fn after(&self, segment: SegmentId) -> usize {
        self.candidates
            .partition_point(|candidate| candidate.id <= segment)
    }

    /// The first seq of the segment behind this place.
    fn further(&self, place: usize) -> Option<Seq> {
        let mut behind = self.candidates[place + 1..].iter();
        let further = behind.find(|candidate| !matches!(candidate.state, State::Stray(_)));
        further.map(|candidate| candidate.id.0)
    }

    /// Goes into the next segment, or says what is there instead. None of both: there is no more.
    pub(super) fn enter_segment(&mut self) -> Result<Option<Found>, LogError> {
        let Some(candidate) = self.candidates.get(self.next).cloned() else {
            return Ok(None);
        };
        let (id, place) = (candidate.id, self.next);
        if let State::Stray(kind) = candidate.state {
            self.next += 1;
            return Ok(Some(Found::Stray(Stray { segment: id, kind })));
        }
        let resumed = self.resumed_in(id);
        if let Some(due) = self.due
            && due < id.0
        {
            self.due = Some(id.0);
            let lost = Lost {
                first: due,
                next: id.0,
                and_more: false,
            };
            return Ok(Some(Found::Missing(Missing { before: id, lost })));
        }
        self.next += 1;
        let opened = match candidate.state {
            State::Unusable(flaw, bytes) => Opened::Unusable(flaw, bytes),
            _ => open(self.storage.as_ref(), &self.dir, id)?,
        };
        let (segment, file, header_fault) = match opened {
            Opened::Good {
                segment,
                file,
                header_fault,
            } => (segment, file, header_fault),
            Opened::Unusable(flaw, bytes) => {
                return Ok(Some(Found::Damage(self.unusable(place, flaw, bytes))));
            }
        };
        let bounds = match self.further(place) {
            Some(next) => Bounds::Further(next),
            None => Bounds::Known(self.known_end(), self.options.index_flushed),
        };
        let mut sweep = SegmentSweep::new(segment, file, bounds, header_fault);
        let mut overlap = None;
        match (self.due, resumed) {
            (_, Some(position)) => sweep.start_at(position.due, position.offset),
            (None, None) => {
                let is_last = matches!(bounds, Bounds::Known(..));
                let table = is_last.then_some(&self.last_table);
                let is_told = sweep.starting_near(self.options.from, table)?;
                if is_last && !is_told && self.options.only_from {
                    sweep.start_by_headers(self.options.from)?;
                }
            }
            (Some(due), None) if due > id.0 && self.options.resume.is_none() => {
                sweep.covered_below(due);
                overlap = Some(Found::Overlap(Overlap {
                    segment: id,
                    covered_to: due.previous(),
                }));
            }
            _ => {}
        }
        self.current = Some(sweep);
        self.read_ahead();
        match overlap {
            Some(found) => Ok(Some(found)),
            None => self.first_of_segment(),
        }
    }

    fn read_ahead(&self) {
        if let (Some(ahead), Some(next)) = (&self.ahead, self.candidates.get(self.next))
            && matches!(next.state, State::Usable)
        {
            ahead.will_need(self.dir.join(next.id.file_name()));
        }
    }

    fn first_of_segment(&mut self) -> Result<Option<Found>, LogError> {
        match &mut self.current {
            Some(current) => match current.next()? {
                Some(found) => Ok(Some(found)),
                None => {
                    self.leave_segment();
                    self.enter_segment()
                }
            },
            None => Ok(None),
        }
    }

    fn known_end(&self) -> u64 {
        match self.options.proven_only {
            true => self.end.unproven_from.min(self.end.offset),
            false => self.end.offset,
        }
    }

    /// All of a segment as damage.
    fn unusable(&mut self, place: usize, flaw: Flaw, bytes: u64) -> Damage {
        let id = self.candidates[place].id;
        let first = self.due.unwrap_or(id.0).max(id.0);
        let further = self.further(place);
        let next = further.unwrap_or(first).max(first);
        self.due = Some(next);
        Damage {
            segment: id,
            offset: 0,
            end: bytes,
            lost: Lost {
                first,
                next,
                and_more: further.is_none(),
            },
            goes_on_at: None,
            flaw,
            evidence: Some(match further {
                Some(_) => Evidence::FurtherSegment,
                None => Evidence::Itself,
            }),
        }
    }

    pub(super) fn leave_segment(&mut self) {
        if let Some(current) = self.current.take() {
            self.due = Some(current.due());
            self.position = Some(Position {
                segment: current.walk().id(),
                due: current.due(),
                offset: current.offset(),
                is_sealed: current.is_sealed(),
            });
            if self.ahead.is_none() && self.next < self.candidates.len() {
                self.ahead = ReadAhead::start(Arc::clone(&self.storage));
            }
        }
    }

    pub(super) fn next_at_end(&mut self) -> Option<Found> {
        if let Some(found) = self.behind_end.pop_front() {
            return Some(found);
        }
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        Some(Found::End(self.end.clone()))
    }
}
