//! The store's own index, as far as it may be believed: copied, of this log, and not of another
//! state of it.

use std::path::Path;
use std::time::Duration;

use super::error::InspectError;
use super::payloads::logged;
use super::place::StorePlace;
use super::verdicts::Listener;
use crate::event::Seq;
use crate::index::digest::KeyDigest;
use crate::index::fold::{First, FoldInput, Judged};
use crate::index::{Durability, Index, IndexError, IndexOptions, StoredIndex};
use crate::log::reader::Frame;
use crate::log::sweep::{FrameFinder, Sweep, SweepOptions};

/// What a store that was killed had not flushed is fewer: it is folded in memory, and the runs
/// that the copy links to are left as they are.
const REST_EVENTS: u64 = 1_000_000;
/// How long the rest may stay in memory.
const REST_KEPT: Duration = Duration::from_secs(24 * 3600);
const TRIES: u32 = 3;
/// How many events of the last frame that an index has are looked up in it.
const CHECKED_EVENTS: u64 = 64;

/// A sweep over the log, and the store's index, copied, if it is of this log.
pub(super) fn copied(
    place: &StorePlace,
    options: &SweepOptions,
    scratch: &Path,
    listener: &mut dyn Listener,
) -> Result<(Sweep, Option<Index>), InspectError> {
    let failed = |error: IndexError| InspectError::of_fold(error, scratch);
    let none = |sweep| {
        Index::discard(scratch).map_err(|error| failed(error.into()))?;
        Ok((sweep, None))
    };
    for _ in 0..TRIES {
        let bytes = Index::aside_bytes(place.index_dir()).unwrap_or_default();
        listener.will_write(bytes, scratch);
        let copy = Index::copy_aside(place.index_dir(), scratch);
        // Behind the copy: what an index of a store that works was flushed to is in the log then.
        let sweep = place.sweep(options.clone())?;
        match copy {
            Ok(true) => {}
            Ok(false) => return none(sweep),
            Err(error @ IndexError::Full(_)) => return Err(failed(error)),
            Err(_) => return none(sweep),
        }
        let index_options = IndexOptions {
            delta_events_max: REST_EVENTS * 22 / 10,
            flush_at_events: REST_EVENTS,
            flush_after: REST_KEPT,
            durability: Durability::Throwaway,
            filter_memory_bytes: 0,
            ..IndexOptions::default()
        };
        match Index::open(scratch, sweep.log_id().0, index_options) {
            Ok(index) => return Ok((sweep, Some(index))),
            // A run of a store that works may be gone since.
            Err(IndexError::Damaged { .. }) => {
                Index::discard(scratch).map_err(|error| failed(error.into()))?;
            }
            Err(error @ IndexError::Full(_)) => return Err(failed(error)),
            Err(_) => return none(sweep),
        }
    }
    none(place.sweep(options.clone())?)
}

/// An index of the store, copied or only looked at.
pub(super) trait OfStore {
    /// The last seq that it has.
    fn flushed(&self) -> Seq;

    /// The verdicts on these seqs.
    fn verdicts(&self, from: Seq, to: Seq) -> Result<Vec<Judged>, IndexError>;

    /// What is known of these keys.
    fn firsts_of(&self, keys: &[KeyDigest]) -> Result<Vec<Option<First>>, IndexError>;
}

impl OfStore for Index {
    fn flushed(&self) -> Seq {
        self.flushed()
    }

    fn verdicts(&self, from: Seq, to: Seq) -> Result<Vec<Judged>, IndexError> {
        self.verdicts(from, to)
    }

    fn firsts_of(&self, keys: &[KeyDigest]) -> Result<Vec<Option<First>>, IndexError> {
        keys.iter().map(|key| self.first_of(*key)).collect()
    }
}

impl OfStore for StoredIndex {
    fn flushed(&self) -> Seq {
        self.flushed()
    }

    fn verdicts(&self, from: Seq, to: Seq) -> Result<Vec<Judged>, IndexError> {
        self.verdicts(from, to)
    }

    fn firsts_of(&self, keys: &[KeyDigest]) -> Result<Vec<Option<First>>, IndexError> {
        self.firsts_of(keys)
    }
}

/// How an index stands to the log beside it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It has a part of this log, or nothing, and ends between two of its frames.
    Agrees,
    /// The log has lost what it has.
    Ahead,
    /// It is of another state of this log.
    Disagrees,
}

/// How it stands to a log that ends there.
pub(super) fn fit(index: &impl OfStore, finder: &mut FrameFinder, log_end: Seq) -> Fit {
    let flushed = index.flushed();
    match flushed > log_end {
        true => Fit::Ahead,
        false if flushed == Seq::ZERO || agrees(index, finder, log_end) => Fit::Agrees,
        false => Fit::Disagrees,
    }
}

fn agrees(index: &impl OfStore, finder: &mut FrameFinder, log_end: Seq) -> bool {
    let flushed = index.flushed();
    let mut begins = || match finder.find(flushed.next()) {
        Ok(Some((frame, _))) => frame.header.first_seq == flushed.next(),
        Ok(None) => true,
        Err(_) => false,
    };
    // Behind the end of the log nothing is looked for: that would be done to the end of its room.
    (flushed == log_end || begins())
        && match finder.find(flushed) {
            Ok(Some((frame, payload))) => knows(index, &frame, &payload).unwrap_or(false),
            Ok(None) => true,
            Err(_) => false,
        }
}

/// Whether an index knows the events of a frame: not if that was written after the log had been
/// taken back to an earlier state, and the index had not.
fn knows(index: &impl OfStore, frame: &Frame, payload: &[u8]) -> Result<bool, IndexError> {
    let header = &frame.header;
    let Ok(logged) = logged(frame, payload) else {
        return Ok(true);
    };
    let FoldInput::Arrivals(arrivals) = logged.input() else {
        return Ok(true);
    };
    let last = header.last_seq().min(header.first_seq.plus(CHECKED_EVENTS));
    let judged = index.verdicts(header.first_seq, last)?;
    let keys = arrivals.list.iter().take(judged.len());
    let keys: Vec<KeyDigest> = keys.map(|arrival| arrival.key).collect();
    let firsts = index.firsts_of(&keys)?;
    let agrees = |(judged, first): (&Judged, &Option<First>)| {
        first.is_some_and(|first| first.seq == judged.original_seq)
    };
    Ok(judged.iter().zip(&firsts).all(agrees))
}
