//! The store's own index, held against what its log gives.

use crate::event::Seq;
use crate::index::{IndexError, StoredIndex};
use crate::inspect::compare::{CompareError, Compared, Comparison, compare};

use super::Progress;
use super::fold_line::Folded;

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

/// Compares the store's own index with what was folded, up to this seq.
///
/// # Errors
/// What was folded cannot be read.
pub(super) fn check(
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
