//! A look at a whole log before anything is changed: is every segment there, does each end as
//! it must, and how does the last one end?

use super::error::{Evidence, Fault, LogError, SealFault};
use super::format::{FrameType, LogId};
use super::header::FrameTable;
use super::inventory::Inventory;
use super::reader::{FrameWalk, Step};
use super::segment::{SegmentFile, SegmentId};
use super::storage::{Storage, side_by_side};
use super::tail::{Tail, examine};
use crate::event::Seq;

/// How many segments a thread looks at, at least. Each costs a few random reads.
const SEGMENTS_EACH_MIN: usize = if cfg!(test) { 2 } else { 16 };

/// A segment that is sealed, with the seq that is due behind it.
#[derive(Clone, Debug)]
pub struct SealedSegment {
    /// The segment.
    pub segment: SegmentFile,
    /// Its length.
    pub bytes: u64,
    /// The first seq after it.
    pub next_seq: Seq,
}

/// A log as it was found.
#[derive(Debug)]
pub(super) struct Survey {
    /// What is sealed and not the last, in order.
    pub(super) sealed: Vec<SealedSegment>,
    /// The last segment; none when there is no segment.
    pub(super) last: Option<(SegmentFile, Tail)>,
}

/// Reads what must be read: the ends of all segments, the whole of the last one, and of the
/// others `verify_bytes`, the newest first.
///
/// # Errors
/// I/O errors, damage, a foreign or a later segment.
pub(super) fn survey(
    storage: &dyn Storage,
    inventory: &Inventory,
    log_id: LogId,
    index_flushed: Option<Seq>,
    verify_bytes: u64,
) -> Result<Survey, LogError> {
    let Some((last, earlier)) = inventory.segments.split_last() else {
        return match index_flushed {
            Some(index_flushed) if index_flushed > Seq::ZERO => Err(LogError::BehindIndex {
                log_end: Seq::ZERO,
                index_flushed,
            }),
            _ => Ok(Survey {
                sealed: Vec::new(),
                last: None,
            }),
        };
    };
    let open = |id| SegmentFile::open_of(storage, &inventory.dir, id, log_id);
    let neighbours: Vec<_> = earlier.iter().zip(&inventory.segments[1..]).collect();
    let sealed = side_by_side::on_pieces(&neighbours, SEGMENTS_EACH_MIN, |piece| {
        let sealed = |(id, next): &(&SegmentId, &SegmentId)| look_at_sealed(open(**id)?, **next);
        piece.iter().map(sealed).collect::<Result<Vec<_>, _>>()
    })?;
    open(inventory.segments[0])?.must_be_first()?;
    let last = open(*last)?;
    let tail = examine(&last, index_flushed)?;
    let mut budget = verify_bytes;
    for sealed in sealed.iter().rev() {
        let Some(left) = budget.checked_sub(sealed.bytes) else {
            break;
        };
        budget = left;
        check_sealed(&sealed.segment)?;
    }
    Ok(Survey {
        sealed,
        last: Some((last, tail)),
    })
}

/// Reads the end of a segment that must be sealed, and lead to the next one.
fn look_at_sealed(segment: SegmentFile, next: SegmentId) -> Result<SealedSegment, LogError> {
    let seal = match segment.required_seal() {
        Ok(seal) => seal,
        Err(error) => {
            // The walk knows better where the damage begins.
            check_sealed(&segment)?;
            return Err(error);
        }
    };
    if seal.next_seq != next.0 {
        let gap = SealFault::Gap {
            due: seal.next_seq,
            next: next.0,
        };
        return Err(segment.seal_fault(gap, seal.offset, seal.next_seq));
    }
    Ok(SealedSegment {
        bytes: segment.len_bytes()?,
        segment,
        next_seq: seal.next_seq,
    })
}

/// Reads a sealed segment from front to back.
///
/// # Errors
/// I/O errors, and the first damage.
pub(super) fn check_sealed(segment: &SegmentFile) -> Result<(), LogError> {
    let mut walk = FrameWalk::of_file(segment);
    let mut table = FrameTable::default();
    loop {
        let fault = match walk.step() {
            Ok(Step::Frame(frame)) if frame.frame_type == Some(FrameType::Seal) => {
                if FrameTable::decode_seal(walk.payload(), &segment.header).as_ref() == Some(&table)
                {
                    return Ok(());
                }
                Fault::Seal(SealFault::Misfit)
            }
            Ok(Step::Frame(frame)) => {
                if frame.header.count > 0 {
                    table.note(frame.header.first_seq, frame.offset);
                }
                continue;
            }
            Ok(Step::Fault(fault)) => fault,
            Ok(Step::Limit) => unreachable!("a walk without limit"),
            Err(error) => return Err(walk.place(error, &segment.path)),
        };
        return Err(walk.corruption(fault, Evidence::FurtherSegment));
    }
}
