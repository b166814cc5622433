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
//! | `index` | the store's own index against what was folded |
//! | `receipts` | what publishers were told, against the log |
//! | `error` | why it could not go on |

mod error;
mod fold_line;
mod index;
mod log;
mod ranges;
mod receipts;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

pub use error::VerifyError;
pub use index::IndexChecked;
pub use log::LogChecked;
pub use ranges::{SeqRange, SeqRanges};
pub use receipts::{Broken, BrokenReceipt, ReceiptLines, ReceiptsChecked};

use super::payloads::logged;
use super::verdicts::{INDEX_BYTES_EACH, TELL_EACH_SEQS};
use super::{InspectError, StorePlace};
use crate::event::Seq;
use crate::index::fold::FoldState;
use crate::index::{Beside, Index, IndexError, StoredIndex};
use crate::log::Holder;
use crate::log::LogId;
use crate::log::sweep::{Found, Lost, Sweep, SweepOptions};
use fold_line::{FoldFailed, FoldLine, FoldOptions, Folded};
use log::LogCheck;
use receipts::ReceiptCheck;

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
    let own = open_own(&place, log_id, beside, options.scratch, told)?;
    let flushed = own
        .as_ref()
        .ok()
        .and_then(|own| Some(own.as_ref()?.flushed()));
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
        false => Ok(Verified {
            holder,
            log: verifying.log_only(sweep, check)?,
            index: looked_at(own),
            folded: None,
            receipts: None,
        }),
    }
}

/// The store's own index; an error inside if it is of no use.
fn open_own(
    place: &StorePlace,
    log_id: LogId,
    beside: Beside,
    scratch: &Path,
    told: &mut dyn FnMut(Progress),
) -> Result<Result<Option<StoredIndex>, IndexError>, VerifyError> {
    let told = std::cell::RefCell::new(told);
    let copy_to = || {
        told.borrow_mut()(Progress::WillWrite(Index::aside_bytes(place.index_dir())?));
        TempDir::new_in(scratch)
    };
    match StoredIndex::open(place.index_dir(), log_id.0, beside, &copy_to) {
        // Of what is copied.
        Err(error @ IndexError::Full(_)) => Err(InspectError::of_fold(error, scratch).into()),
        other => Ok(other),
    }
}

/// What is known of an index that is not compared.
fn looked_at(own: Result<Option<StoredIndex>, IndexError>) -> IndexChecked {
    match own {
        Ok(None) => IndexChecked::None,
        Ok(Some(own)) => IndexChecked::NotCompared {
            flushed: own.flushed(),
        },
        Err(error) => IndexChecked::failed(error),
    }
}

/// A verification under way.
struct Verifying<'v> {
    options: &'v VerifyOptions<'v>,
    place: &'v StorePlace,
    log_id: LogId,
    told: &'v mut dyn FnMut(Progress),
}

impl Verifying<'_> {
    fn log_only(
        mut self,
        mut sweep: Sweep,
        mut check: LogCheck,
    ) -> Result<LogChecked, VerifyError> {
        let mut tell_at = Seq::ZERO;
        while let Some(found) = sweep.next()? {
            match found {
                Found::Frame(frame) => {
                    check.frame(&frame);
                    self.tell(&sweep, frame.header.first_seq, &mut tell_at);
                }
                other => check.wrong(other),
            }
        }
        Ok(check.finish())
    }

    fn whole(
        mut self,
        holder: Holder,
        mut sweep: Sweep,
        mut check: LogCheck,
        own: Result<Option<StoredIndex>, IndexError>,
        receipts: Option<ReceiptCheck>,
    ) -> Result<Verified, VerifyError> {
        let own_flushed = own
            .as_ref()
            .ok()
            .and_then(|own| Some(own.as_ref()?.flushed()));
        let events = sweep.end().due.previous().get();
        let scratch = self.options.scratch;
        (self.told)(Progress::WillWrite(events.saturating_mul(INDEX_BYTES_EACH)));
        let dir = scratch.join("fold");
        let in_scratch = |source| VerifyError::Scratch {
            dir: scratch.to_owned(),
            source,
        };
        fs::create_dir(&dir).map_err(in_scratch)?;
        let failed = |error| VerifyError::from(InspectError::of_fold(error, scratch));
        let options = FoldOptions {
            dir: &dir,
            filter_memory_bytes: self.options.filter_memory_bytes,
            flushed: own_flushed.unwrap_or_default(),
            events,
        };
        let line = FoldLine::start(self.place, self.log_id, options, receipts);
        let mut line = line.map_err(failed)?;
        self.walk(&mut sweep, &mut check, &mut line)?;
        let folded = line.finish().map_err(|error| match error {
            FoldFailed::Index(error) => failed(error),
            FoldFailed::Receipts(source) => in_scratch(source),
        })?;
        let log = check.finish();
        let index = match own {
            Ok(Some(own)) => self
                .compare(&own, &dir, &folded, log.whole_to())
                .map_err(failed)?,
            other => looked_at(other),
        };
        let receipts = folded.receipts.map(|check| check.finish(log.last_seq()));
        Ok(Verified {
            holder,
            log,
            index,
            folded: Some(folded.state),
            receipts: receipts.transpose().map_err(in_scratch)?,
        })
    }

    /// Checks and folds all of the log. Where the fold fails it ends: the fold says why.
    fn walk(
        &mut self,
        sweep: &mut Sweep,
        check: &mut LogCheck,
        line: &mut FoldLine,
    ) -> Result<(), VerifyError> {
        let mut tell_at = Seq::ZERO;
        while let Some(found) = sweep.next()? {
            let lost = match &found {
                Found::Frame(frame) if frame.header.count == 0 => {
                    check.frame(frame);
                    continue;
                }
                Found::Frame(frame) => match logged(frame, sweep.payload()) {
                    Ok(logged) => {
                        check.frame(frame);
                        self.tell(sweep, frame.header.first_seq, &mut tell_at);
                        if !line.take(logged) {
                            return Ok(());
                        }
                        continue;
                    }
                    Err(error) => {
                        let damage = sweep.undecodable(frame, error)?;
                        let lost = damage.lost;
                        check.wrong(Found::Damage(damage));
                        lost
                    }
                },
                Found::Damage(damage) => damage.lost,
                Found::Missing(missing) => missing.lost,
                Found::Overlap(_) | Found::Stray(_) | Found::End(_) => Lost::none(Seq::ZERO),
            };
            check.wrong(found);
            if !line.skip_to(lost.next) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn compare(
        &mut self,
        own: &StoredIndex,
        dir: &Path,
        folded: &Folded,
        whole_to: Seq,
    ) -> Result<IndexChecked, IndexError> {
        let scratch = self.options.scratch;
        let copy_to = || TempDir::new_in(scratch);
        let fresh = StoredIndex::open(dir, self.log_id.0, Beside::Nobody, &copy_to)?;
        let Some(fresh) = fresh else {
            return Err(IndexError::Closed);
        };
        index::check(own, &fresh, folded, whole_to, self.told)
    }

    fn tell(&mut self, sweep: &Sweep, seq: Seq, tell_at: &mut Seq) {
        if seq >= *tell_at {
            *tell_at = seq.plus(TELL_EACH_SEQS);
            (self.told)(Progress::Reading {
                seq,
                of: sweep.end().due.previous(),
            });
        }
    }
}
