//! How the last segment ends, and the tail rule: torn or damaged, and by which evidence.
//! It only looks; recovery and the offline tools all ask here.

use std::collections::VecDeque;

use super::error::{Evidence, Fault, LogError, SealFault};
use super::format::{FRAME_ALIGN_BYTES, FrameType, HEADER_BYTES};
use super::frame::FrameHeader;
use super::header::FrameTable;
use super::reader::{Frame, FrameWalk, Step, nothing_there};
use super::segment::{SegmentFile, SegmentId};
use crate::event::Seq;

/// How the frames of a segment end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a seal.
    Sealed,
    /// With a shutdown mark.
    CleanStop,
    /// With anything else: its writer is at work, or was stopped by force.
    Open,
}

/// The end of the last segment.
#[derive(Clone, Debug)]
pub struct Tail {
    /// How the frames end.
    pub ending: Ending,
    /// Where the last good frame ends.
    pub end: u64,
    /// The seq that is due there.
    pub due: Seq,
    /// The last seq that the segment itself proves durable.
    pub proven: Seq,
    /// From here on the bytes may be in the page cache only.
    pub unproven_from: u64,
    /// Where frames are.
    pub table: FrameTable,
    /// Where the torn bytes behind `end` end; none if only zeros follow.
    pub torn_end: Option<u64>,
}

impl Tail {
    /// Of a segment of which nothing was read yet.
    pub(super) fn at_start_of(id: SegmentId) -> Tail {
        Tail {
            ending: Ending::Open,
            end: HEADER_BYTES as u64,
            due: id.0,
            // The segment was given its name only after all before it had been synced.
            proven: id.0.previous(),
            unproven_from: HEADER_BYTES as u64,
            table: FrameTable::default(),
            torn_end: None,
        }
    }

    /// Whether the segment has any seq.
    pub fn holds_seqs(&self) -> bool {
        !self.table.is_empty()
    }
}

/// Walks the last segment to its end.
///
/// `index_flushed` is evidence too: the seq up to which this log's index was flushed.
///
/// # Errors
/// I/O errors; [`Corruption`](super::error::Corruption) where the tail rule says that
/// durable bytes are damaged; [`LogError::BehindIndex`] where they are gone.
pub fn examine(segment: &SegmentFile, index_flushed: Option<Seq>) -> Result<Tail, LogError> {
    let mut walk = FrameWalk::of_file(segment);
    let mut tail = Tail::at_start_of(segment.id);
    let mut unproven = VecDeque::new();
    loop {
        let fault = match walk.step() {
            Ok(Step::Frame(frame)) => {
                tail.take(&frame, &mut unproven);
                if frame.frame_type == Some(FrameType::Seal) {
                    let fits = FrameTable::decode_seal(walk.payload(), &segment.header).as_ref()
                        == Some(&tail.table);
                    return finish_sealed(segment, walk, tail, fits, index_flushed);
                }
                continue;
            }
            Ok(Step::Fault(fault)) => fault,
            Ok(Step::Limit) => unreachable!("a walk without limit"),
            Err(error) => return Err(walk.place(error, &segment.path)),
        };
        let looked = walk
            .end_of_bytes(tail.end)
            .and_then(|end| Ok((end, evidence(&mut walk, &fault, index_flushed)?)));
        let (bytes_end, evidence) =
            looked.map_err(|error| walk.place(error.into(), &segment.path))?;
        // For one who looks while a writer is at work: what it wrote meanwhile is no proof
        // against what was read before.
        walk.forget();
        if let Ok(Step::Frame(frame)) = walk.step() {
            walk.back_to(&frame);
            continue;
        }
        return finish_open(walk, tail, fault, bytes_end, evidence);
    }
}

fn finish_open(
    walk: FrameWalk,
    mut tail: Tail,
    fault: Fault,
    bytes_end: u64,
    evidence: Option<Evidence>,
) -> Result<Tail, LogError> {
    if bytes_end > tail.end {
        tail.torn_end = Some(bytes_end);
        tail.ending = Ending::Open;
    }
    match evidence {
        None => Ok(tail),
        Some(Evidence::Index { flushed }) if tail.torn_end.is_none() => {
            Err(LogError::BehindIndex {
                log_end: tail.due.previous(),
                index_flushed: flushed,
            })
        }
        Some(evidence) => Err(walk.corruption(fault, evidence)),
    }
}

impl Tail {
    /// A further frame. `unproven` has the last seqs, and the ends, of those that nothing proves.
    pub(super) fn take(&mut self, frame: &Frame, unproven: &mut VecDeque<(Seq, u64)>) {
        let header = &frame.header;
        self.end = frame.offset + header.frame_bytes();
        self.due = header.next_seq();
        self.proven = self.proven.max(header.durable_up_to);
        self.ending = match frame.frame_type {
            Some(FrameType::Seal) => Ending::Sealed,
            _ if header.is_shutdown_mark() => Ending::CleanStop,
            _ => Ending::Open,
        };
        if header.count > 0 {
            self.table.note(header.first_seq, frame.offset);
            unproven.push_back((header.last_seq(), self.end));
        }
        while let Some((last, end)) = unproven.front()
            && *last <= self.proven
        {
            self.unproven_from = *end;
            unproven.pop_front();
        }
    }
}

fn finish_sealed(
    segment: &SegmentFile,
    mut walk: FrameWalk,
    tail: Tail,
    fits: bool,
    index_flushed: Option<Seq>,
) -> Result<Tail, LogError> {
    let bytes_end = walk
        .end_of_bytes(tail.end)
        .map_err(|error| walk.place(error.into(), &segment.path))?;
    let fault = if !fits {
        SealFault::Misfit
    } else if bytes_end > tail.end {
        SealFault::Trailing
    } else if let Some(index_flushed) = index_flushed.filter(|flushed| *flushed >= tail.due) {
        return Err(LogError::BehindIndex {
            log_end: tail.due.previous(),
            index_flushed,
        });
    } else {
        return Ok(tail);
    };
    Err(walk.corruption(Fault::Seal(fault), Evidence::Itself))
}

/// What proves that the seq that is due where the walk stands was durable.
pub(super) fn evidence(
    walk: &mut FrameWalk,
    fault: &Fault,
    index_flushed: Option<Seq>,
) -> std::io::Result<Option<Evidence>> {
    if !matches!(fault, Fault::Frame(_)) {
        return Ok(Some(Evidence::Itself));
    }
    let due = walk.due();
    let mut from = walk.offset();
    if !nothing_there(fault) {
        // Damage in a payload is skipped by the length that its header tells.
        from = match walk.next_header(from)? {
            Some((at, header)) if at == from => from + header.frame_bytes(),
            _ => from + FRAME_ALIGN_BYTES,
        };
    }
    while let Some((offset, header)) = walk.next_header(from)? {
        // One in this very place is no later one: a writer at work has put it there since the
        // place was looked at, and may not be done with its payload.
        if offset > walk.offset()
            && let Some(evidence) = proof_of(due, offset, &header)
        {
            return Ok(Some(evidence));
        }
        from = offset + header.frame_bytes();
    }
    Ok(index_flushed
        .filter(|flushed| *flushed >= due)
        .map(|flushed| Evidence::Index { flushed }))
}

fn proof_of(due: Seq, offset: u64, header: &FrameHeader) -> Option<Evidence> {
    // A mark is synced before anything further is written. Where the chain goes on behind
    // the bad bytes with the seq that was due, they are a mark's.
    let goes_on = header.count > 0 && header.first_seq == due;
    if header.proves_all_before() {
        Some(Evidence::CleanEnd { offset })
    } else if header.durable_up_to >= due || goes_on {
        Some(Evidence::LaterFrame {
            offset,
            durable_up_to: header.durable_up_to,
        })
    } else {
        None
    }
}
