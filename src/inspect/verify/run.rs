//! The walk over the log, and what stands beside it.

use std::fs;

use tempfile::TempDir;

use super::fold_line::{FoldFailed, FoldLine, FoldOptions};
use super::index::OwnIndex;
use super::log::LogCheck;
use super::receipts::ReceiptCheck;
use super::{LogChecked, Progress, Verified, VerifyError, VerifyOptions};
use crate::event::Seq;
use crate::index::{Beside, IndexError, StoredIndex};
use crate::inspect::payloads::logged;
use crate::inspect::verdicts::{INDEX_BYTES_EACH, TELL_EACH_SEQS};
use crate::inspect::{InspectError, StorePlace};
use crate::log::sweep::{Found, Lost, Sweep};
use crate::log::{Holder, LogId};

/// A verification under way.
pub(super) struct Verifying<'v> {
    pub(super) options: &'v VerifyOptions<'v>,
    pub(super) place: &'v StorePlace,
    pub(super) log_id: LogId,
    pub(super) told: &'v mut dyn FnMut(Progress),
}

impl Verifying<'_> {
    /// The log alone.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn log_only(
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

    /// The log, its fold and the index.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub(super) fn whole(
        mut self,
        holder: Holder,
        mut sweep: Sweep,
        mut check: LogCheck,
        own: OwnIndex,
        receipts: Option<ReceiptCheck>,
    ) -> Result<Verified, VerifyError> {
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
            flushed: own.flushed().unwrap_or_default(),
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
        let lost_events = own.lost_events(&log);
        let fresh = || {
            let copy_to = || TempDir::new_in(scratch);
            let fresh = StoredIndex::open(&dir, self.log_id.0, &|| Beside::Nobody, &copy_to)?;
            fresh.ok_or(IndexError::Closed)
        };
        let index = own.compared(fresh, &folded, log.whole_to(), self.told);
        let index = index.map_err(failed)?;
        let receipts = folded.receipts.map(|check| check.finish(log.last_seq()));
        Ok(Verified {
            holder,
            log,
            lost_events,
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
