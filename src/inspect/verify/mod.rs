//! Verifies a store: every frame and segment of its log, and its index against a fresh fold of
//! that log. Nothing is changed, and a store that runs does not notice.
//!
//! The log is read once. While one thread reads, checks and hashes, another one folds into an
//! index in a temporary directory; with that the store's own is compared row by row.
//!
//! | file | has |
//! |---|---|
//! | `log` (`ranges`) | what the walk over the log finds |
//! | `fold_line` | the fold beside it |
//! | `run` | both together |
//! | `index` | the store's own index against what was folded |
//! | `lost_events` | what the index knows of events that the log has lost |
//! | `receipts` | what publishers were told, against the log |
//! | `error` | why it could not go on |

mod error;
mod fold_line;
mod index;
mod log;
mod lost_events;
mod ranges;
mod receipts;
mod run;

use std::path::Path;

pub use error::VerifyError;
pub use index::IndexChecked;
pub use log::LogChecked;
pub use lost_events::{LostEvent, LostEvents};
pub use ranges::{SeqRange, SeqRanges};
pub use receipts::{Broken, BrokenReceipt, ReceiptLines, ReceiptsChecked};

use super::StorePlace;
use crate::event::Seq;
use crate::index::Beside;
use crate::index::fold::FoldState;
use crate::log::Holder;
use crate::log::sweep::SweepOptions;
use index::OwnIndex;
use log::LogCheck;
use run::Verifying;

/// What is verified, and how.
#[derive(Copy, Clone, Debug)]
pub struct VerifyOptions<'o> {
    /// The data directory.
    pub data_dir: &'o Path,
    /// Whether the log is folded, and the index compared.
    pub folds: bool,
    /// An empty directory of its own: for the index that is folded, and for a copy of the
    /// store's, if one must be made.
    pub scratch: &'o Path,
    /// The most memory for the filters of the index that is folded.
    pub filter_memory_bytes: u64,
}

/// How far it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// About so many bytes are about to be written to the temporary directory.
    WillWrite(u64),
    /// The receipts are read, up to this line.
    Receipts(u64),
    /// The log is read.
    Reading {
        /// Up to here.
        seq: Seq,
        /// Of so much.
        of: Seq,
    },
    /// The indexes are compared.
    Comparing {
        /// As many rows were.
        rows: u64,
        /// Of so many, about.
        of: u64,
    },
}

/// What was found.
#[derive(Debug)]
pub struct Verified {
    /// Who has the store's lock.
    pub holder: Holder,
    /// The log.
    pub log: LogChecked,
    /// The index.
    pub index: IndexChecked,
    /// What the index knows of the events that the log has lost, if there are any.
    pub lost_events: Option<LostEvents>,
    /// What the log folds to, if it was folded.
    pub folded: Option<FoldState>,
    /// What came of the receipts, if there were any.
    pub receipts: Option<ReceiptsChecked>,
}

impl Verified {
    /// Whether neither damage nor a difference was found.
    pub fn is_well(&self) -> bool {
        let is_broken = |receipts: &ReceiptsChecked| receipts.broken_count > 0;
        self.log.is_well() && self.index.is_well() && !self.receipts.as_ref().is_some_and(is_broken)
    }
}

/// Verifies a store, and proves what publishers were told, where the log is folded. `told` is told
/// how far it is.
///
/// # Errors
/// [`VerifyError`]. Damage and differences are found, and no errors.
pub fn verify(
    options: &VerifyOptions<'_>,
    receipts: Option<ReceiptLines<'_>>,
    told: &mut dyn FnMut(Progress),
) -> Result<Verified, VerifyError> {
    let place = StorePlace::new(options.data_dir);
    let log_id = place.check()?;
    // Before the log: what was told of a store that runs is in it then.
    let receipts = match receipts {
        Some(lines) => Some(receipts::read(lines, log_id, options.scratch, told)?),
        None => None,
    };
    let holder = Holder::of(options.data_dir).map_err(|source| VerifyError::Lock {
        dir: options.data_dir.to_owned(),
        source,
    })?;
    let beside = match &holder {
        Holder::Process { .. } => Beside::Writer,
        Holder::Nobody | Holder::Unknown { .. } => Beside::Nobody,
    };
    // Before the log, too: what an index has that is written meanwhile is in it then.
    let own = OwnIndex::open(&place, log_id, beside, options.scratch, told)?;
    let flushed = own.flushed();
    let sweep = place.sweep(SweepOptions {
        index_flushed: flushed,
        ..SweepOptions::default()
    })?;
    let check = LogCheck::of(&sweep, place.inventory()?, flushed);
    let verifying = Verifying {
        options,
        place: &place,
        log_id,
        told,
    };
    match options.folds {
        true => verifying.whole(holder, sweep, check, own, receipts),
        false => {
            let log = verifying.log_only(sweep, check)?;
            Ok(Verified {
                holder,
                lost_events: own.lost_events(&log),
                log,
                index: own.not_compared(),
                folded: None,
                receipts: None,
            })
        }
    }
}
