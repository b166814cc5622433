//! Verdicts on what is in a log, without changing anything: from a copy of its index as far as
//! that goes, and from there on, or where there is none that fits, by folding the log into it.
//! Where something is damaged, the fold takes a hole: the verdicts are those of what remains.

use std::path::{Path, PathBuf};

use super::error::InspectError;
use super::payloads::{SweptPayloads, logged};
use super::place::StorePlace;
use super::store_index::{Fit, copied, fit};
use crate::event::{Event, Seq};
use crate::index::fold::{FoldInput, Judged};
use crate::index::{Durability, Index, IndexOptions};
use crate::log::codec::CodecError;
use crate::log::reader::Frame;
use crate::log::sweep::{Found, Lost, Sweep, SweepOptions};
use crate::replayer::{LoggedFrame, apply_offline};

/// Events whose digests are held in memory at most, where there is no index.
const DELTA_EVENTS: u64 = 400_000;
/// For how many seqs verdicts are read at once.
const WINDOW_SEQS: u64 = 64 * 1024;
/// What an index takes on the disk for an event, about.
pub(super) const INDEX_BYTES_EACH: u64 = 60;
/// How often it is told how far something is.
pub(super) const TELL_EACH_SEQS: u64 = 16 * 1024;

/// Where verdicts come from.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum VerdictSource {
    /// The store's index, up to this seq; what follows is folded on top of it.
    Index(Seq),
    /// The log alone.
    Fold,
}

/// Is told what takes room and time.
pub trait Listener {
    /// About so many bytes are about to be written to this temporary directory.
    fn will_write(&mut self, bytes: u64, dir: &Path);

    /// The log was folded up to this seq, of those up to the other one, and nothing is shown
    /// meanwhile.
    fn folded(&mut self, seq: Seq, of: Seq);

    /// What was looked through goes up to this seq, of those up to the other one.
    fn passed(&mut self, seq: Seq, of: Seq);
}

/// Gives verdicts.
#[derive(Debug)]
pub struct Verdicts {
    place: StorePlace,
    index: Index,
    payloads: SweptPayloads,
    source: VerdictSource,
    flushed: Option<Seq>,
    scratch: PathBuf,
    window: Window,
}

#[derive(Debug, Default)]
struct Window {
    judged: Vec<Judged>,
}

impl Verdicts {
    /// Of the log in this place, with a sweep over it. `scratch` is an empty directory of its own.
    ///
    /// # Errors
    /// There is no log, or no index can be made. One of the store that cannot be used is done
    /// without.
    pub fn open(
        place: &StorePlace,
        options: &SweepOptions,
        scratch: &Path,
        listener: &mut dyn Listener,
    ) -> Result<(Verdicts, Sweep), InspectError> {
        let failed = |error| InspectError::of_fold(error, scratch);
        let (mut sweep, copied) = copied(place, options, scratch, listener)?;
        let ends_with = sweep.end().due.previous();
        let flushed = copied.as_ref().map(Index::flushed);
        if let Some(flushed) = flushed
            && flushed > ends_with
        {
            // It proves that the log has lost something.
            sweep = place.sweep(SweepOptions {
                index_flushed: Some(flushed),
                ..options.clone()
            })?;
        }
        let (index, source) = match copied {
            Some(index)
                if index.flushed() > Seq::ZERO
                    && fit(&index, &mut place.finder(), ends_with) == Fit::Agrees =>
            {
                let flushed = index.flushed();
                (index, VerdictSource::Index(flushed))
            }
            other => {
                if let Some(useless) = other {
                    useless.abandon();
                }
                Index::discard(scratch).map_err(|error| failed(error.into()))?;
                let bytes = ends_with.get().saturating_mul(INDEX_BYTES_EACH);
                listener.will_write(bytes, scratch);
                let options = IndexOptions {
                    delta_events_max: DELTA_EVENTS,
                    flush_at_events: DELTA_EVENTS * 44 / 100,
                    durability: Durability::Throwaway,
                    ..IndexOptions::default()
                };
                let index = Index::open(scratch, sweep.log_id().0, options).map_err(failed)?;
                (index, VerdictSource::Fold)
            }
        };
        let verdicts = Verdicts {
            payloads: SweptPayloads::new(place),
            place: place.clone(),
            index,
            source,
            flushed,
            scratch: scratch.to_owned(),
            window: Window::default(),
        };
        Ok((verdicts, sweep))
    }

    /// Up to where the store's own index was flushed, used or not; none if there is none of this
    /// log. It is evidence for the tail rule.
    pub fn index_flushed(&self) -> Option<Seq> {
        self.flushed
    }

    /// Where they come from.
    pub fn source(&self) -> VerdictSource {
        self.source
    }

    /// The verdicts on the events of a frame that takes seqs, which `sweep` gave last: none for
    /// a hole, however long. What lies before it and was not folded yet is folded first.
    ///
    /// # Errors
    /// The fold fails, or cannot read what it needs.
    pub fn of_frame(
        &mut self,
        frame: &Frame,
        events: &[Event<'_>],
        payload: &[u8],
        listener: &mut dyn Listener,
    ) -> Result<Result<Vec<Judged>, CodecError>, InspectError> {
        let (first, last) = (frame.header.first_seq, frame.header.last_seq());
        self.fold_to(first.previous(), listener)?;
        if first > self.index.applied() {
            let logged = match events.is_empty() {
                false => LoggedFrame::of_events(frame, events),
                true => match LoggedFrame::without_events(frame, payload) {
                    Ok(logged) => logged,
                    Err(error) => return Ok(Err(error)),
                },
            };
            return Ok(Ok(self.apply(first, logged.input())?));
        }
        if events.is_empty() && frame.header.payload_bytes == 0 {
            return Ok(Ok(Vec::new()));
        }
        Ok(Ok(self.read(first, last)?))
    }

    /// Takes a hole for what is damaged or missing, if it was not folded yet.
    ///
    /// # Errors
    /// As [`Verdicts::of_frame`].
    pub fn lost(&mut self, lost: Lost, listener: &mut dyn Listener) -> Result<(), InspectError> {
        self.fold_to(lost.first.previous(), listener)?;
        self.apply_hole(lost)
    }

    fn apply_hole(&mut self, lost: Lost) -> Result<(), InspectError> {
        let due = self.index.applied().next();
        let first = lost.first.max(due);
        if first == due && lost.next > first {
            self.apply(first, FoldInput::Hole(lost.next.since(first)))?;
        }
        Ok(())
    }

    /// Folds the log up to this seq, as far as that was not done.
    fn fold_to(&mut self, seq: Seq, listener: &mut dyn Listener) -> Result<(), InspectError> {
        if seq <= self.index.applied() {
            return Ok(());
        }
        let mut sweep = self.place.sweep(SweepOptions {
            from: self.index.applied().next(),
            ..SweepOptions::default()
        })?;
        let mut tell_at = Seq::ZERO;
        while self.index.applied() < seq
            && let Some(found) = sweep.next()?
        {
            match found {
                Found::Frame(frame) if frame.header.next_seq() > self.index.applied().next() => {
                    let first = frame.header.first_seq;
                    match logged(&frame, sweep.payload()) {
                        Ok(logged) => _ = self.apply(first, logged.input())?,
                        Err(error) => {
                            let damage = sweep.undecodable(&frame, error)?;
                            self.apply_hole(damage.lost)?;
                        }
                    }
                }
                Found::Damage(damage) => self.apply_hole(damage.lost)?,
                Found::Missing(missing) => self.apply_hole(missing.lost)?,
                _ => {}
            }
            let applied = self.index.applied();
            if applied >= tell_at {
                listener.folded(applied, seq);
                tell_at = applied.plus(TELL_EACH_SEQS);
            }
        }
        Ok(())
    }

    fn apply(&mut self, first: Seq, input: FoldInput<'_>) -> Result<Vec<Judged>, InspectError> {
        self.window.judged.clear();
        apply_offline(&self.index, first, input, None, &self.payloads)
            .map_err(|error| InspectError::of_fold(error, &self.scratch))
    }

    /// The verdicts on these seqs, which were applied.
    fn read(&mut self, first: Seq, last: Seq) -> Result<Vec<Judged>, InspectError> {
        let window = &mut self.window.judged;
        let is_in = |window: &[Judged]| {
            window.first().is_some_and(|judged| judged.seq <= first)
                && window.last().is_some_and(|judged| judged.seq >= last)
        };
        if !is_in(window) {
            let to = last.max(first.plus(WINDOW_SEQS));
            *window = self
                .index
                .verdicts(first, to)
                .map_err(|error| InspectError::of_fold(error, &self.scratch))?;
        }
        let skipped = match window.first() {
            Some(judged) => first.since(judged.seq) as usize,
            None => return Ok(Vec::new()),
        };
        let count = last.next().since(first) as usize;
        Ok(window.iter().skip(skipped).take(count).copied().collect())
    }
}
