//! The store's own index, held against what its log gives.

use std::cell::RefCell;
use std::path::Path;

use tempfile::TempDir;

use super::fold_line::Folded;
use super::{LogChecked, LostEvents, Progress, VerifyError};
use crate::event::Seq;
use crate::index::{Beside, Index, IndexError, StoredIndex};
use crate::inspect::compare::{CompareError, Compared, Comparison, compare};
use crate::inspect::{InspectError, StorePlace};
use crate::log::LogId;

/// What was found of the store's own index.
#[derive(Debug)]
pub enum IndexChecked {
    /// There is none: the next start makes one.
    None,
    /// It is damaged, or of another log or version.
    Unusable(IndexError),
    /// It cannot be read now.
    Unreadable(IndexError),
    /// It was not compared, but for how far it goes.
    NotCompared {
        /// The last seq that it has.
        flushed: Seq,
    },
    /// It was compared with a fresh fold.
    Compared {
        /// The last seq that it has.
        flushed: Seq,
        /// What came out.
        comparison: Comparison,
    },
}

impl IndexChecked {
    /// Whether it is what it has to be, as far as it was looked at. One that is missing or of
    /// another version is made good by the next start.
    pub fn is_well(&self) -> bool {
        match self {
            IndexChecked::Unusable(error) => matches!(error, IndexError::OtherVersion { .. }),
            IndexChecked::Compared { comparison, .. } => comparison.is_equal(),
            IndexChecked::None | IndexChecked::Unreadable(_) | IndexChecked::NotCompared { .. } => {
                true
            }
        }
    }

    /// The last seq that it has, if it can be used.
    pub fn flushed(&self) -> Option<Seq> {
        match self {
            IndexChecked::NotCompared { flushed } | IndexChecked::Compared { flushed, .. } => {
                Some(*flushed)
            }
            _ => None,
        }
    }

    /// Of one that could not be opened, or not be read to its end.
    pub(super) fn failed(error: IndexError) -> IndexChecked {
        match error {
            IndexError::Damaged { .. }
            | IndexError::OtherLog { .. }
            | IndexError::OtherVersion { .. } => IndexChecked::Unusable(error),
            other => IndexChecked::Unreadable(other),
        }
    }
}

/// The store's own index, if there is one that can be used.
#[derive(Debug)]
pub(super) struct OwnIndex(Result<Option<StoredIndex>, IndexError>);

impl OwnIndex {
    /// Looks at it. `scratch` takes a copy, if one must be made.
    ///
    /// # Errors
    /// No room for the copy.
    pub(super) fn open(
        place: &StorePlace,
        log_id: LogId,
        beside: Beside,
        scratch: &Path,
        told: &mut dyn FnMut(Progress),
    ) -> Result<OwnIndex, VerifyError> {
        let told = RefCell::new(told);
        let copy_to = || {
            told.borrow_mut()(Progress::WillWrite(Index::aside_bytes(place.index_dir())?));
            TempDir::new_in(scratch)
        };
        match StoredIndex::open(place.index_dir(), log_id.0, &|| beside, &copy_to) {
            Err(error @ IndexError::Full(_)) => Err(InspectError::of_fold(error, scratch).into()),
            other => Ok(OwnIndex(other)),
        }
    }

    fn usable(&self) -> Option<&StoredIndex> {
        self.0.as_ref().ok()?.as_ref()
    }

    /// The last seq that it has.
    pub(super) fn flushed(&self) -> Option<Seq> {
        self.usable().map(StoredIndex::flushed)
    }

    /// What it knows of lost events. That it may be damaged itself is told where it is compared.
    pub(super) fn lost_events(&self, log: &LogChecked) -> Option<LostEvents> {
        LostEvents::of(self.usable()?, &log.lost).ok()?
    }

    /// What is known of it when it is not compared.
    pub(super) fn not_compared(self) -> IndexChecked {
        match self.0 {
            Ok(None) => IndexChecked::None,
            Ok(Some(own)) => IndexChecked::NotCompared {
                flushed: own.flushed(),
            },
            Err(error) => IndexChecked::failed(error),
        }
    }

    /// Compares it with what was folded, up to this seq. `fresh` opens that.
    ///
    /// # Errors
    /// What was folded cannot be read.
    pub(super) fn compared(
        self,
        fresh: impl FnOnce() -> Result<StoredIndex, IndexError>,
        folded: &Folded,
        upto: Seq,
        told: &mut dyn FnMut(Progress),
    ) -> Result<IndexChecked, IndexError> {
        match self.usable() {
            Some(own) => check(own, &fresh()?, folded, upto, told),
            None => Ok(self.not_compared()),
        }
    }
}

/// Compares the store's own index with what was folded, up to this seq.
///
/// # Errors
/// What was folded cannot be read.
fn check(
    own: &StoredIndex,
    fresh: &StoredIndex,
    folded: &Folded,
    upto: Seq,
    told: &mut dyn FnMut(Progress),
) -> Result<IndexChecked, IndexError> {
    let flushed = own.flushed();
    let upto = upto.min(fresh.flushed());
    if upto == Seq::ZERO && flushed > Seq::ZERO {
        return Ok(IndexChecked::NotCompared { flushed });
    }
    let compared = Compared {
        found: own,
        upto,
        expected: fresh,
        expected_state: folded.at_flushed,
    };
    // Each key is in a topic, too.
    let counters = own.state().counters;
    let of = counters.unique * 2 + counters.duplicates;
    match compare(compared, &mut |rows| told(Progress::Comparing { rows, of })) {
        Ok(comparison) => Ok(IndexChecked::Compared {
            flushed,
            comparison,
        }),
        Err(CompareError::Found(error)) => Ok(IndexChecked::failed(error)),
        Err(CompareError::Expected(error)) => Err(error),
    }
}
