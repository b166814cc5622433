//! Folds a log into an index that nobody else uses, for the offline tools.
//! Frames are read ahead as at a start; but what fails is told and not tried for ever.

use std::sync::Arc;
use std::time::Duration;

use super::ahead::ReadAhead;
use super::payloads::LogPayloads;
use crate::event::Seq;
use crate::index::fold::{FoldInput, FoldState, Judged, Payloads};
use crate::index::{Foresight, Index, IndexError};
use crate::log::{LiveLog, LogError};

/// How long a full delta is waited for at a time.
const ROOM_PAUSE: Duration = Duration::from_millis(50);

/// Why a log was not folded to the end.
#[derive(Debug, thiserror::Error)]
pub enum FoldLogError {
    /// It cannot be read, or is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The index cannot take it.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Applies what the log has behind what the index has, up to the last frame that ends at `upto`
/// or before. `applied` is told counters and hash after each frame.
///
/// # Errors
/// [`FoldLogError`]. What was applied before stays.
pub fn fold_log(
    log: &Arc<LiveLog>,
    index: &Arc<Index>,
    upto: Seq,
    applied: &mut dyn FnMut(&FoldState),
) -> Result<(), FoldLogError> {
    let payloads = LogPayloads::new(Arc::clone(log));
    let mut reader = ReadAhead::new(Arc::clone(log));
    let mut next = index.applied().next();
    index.make_room(upto.next().since(next));
    while next <= upto {
        let Some(due) = reader.read(index, next, upto)? else {
            break;
        };
        let frame = due.frame;
        if frame.next_seq() > upto.next() {
            break;
        }
        let (first, foresight) = (frame.first_seq, due.foresight.as_ref());
        apply_offline(index, first, frame.input(), foresight, &payloads)?;
        next = frame.next_seq();
        applied(&index.state());
    }
    Ok(())
}

/// Applies a frame as [`Index::apply_foreseen`] does, and waits for room in the delta.
///
/// # Errors
/// What cannot be applied; what keeps the delta from being flushed.
pub fn apply_offline(
    index: &Index,
    first: Seq,
    input: FoldInput<'_>,
    foresight: Option<&Foresight>,
    payloads: &dyn Payloads,
) -> Result<Vec<Judged>, IndexError> {
    loop {
        match index.apply_foreseen(first, input, foresight, payloads) {
            Err(IndexError::DeltaFull) => {
                if index.flush_health().failing_since.is_some() {
                    index.flush_now()?;
                }
                index.wait_for_room(input.count(), ROOM_PAUSE);
            }
            applied => return applied,
        }
    }
}
