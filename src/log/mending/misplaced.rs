//! Segments that are whole and lie under the name of another one, as after a restore that mixed
//! names up; or under a second name already, where a stop has left them.

use std::path::Path;
use std::sync::Arc;

use super::plan::{NewSegment, Piece, Source};
use crate::event::Seq;
use crate::log::codec::{decode_erased, decode_events};
use crate::log::error::{Fault, LogError};
use crate::log::format::{FrameType, HEADER_BYTES, LogId};
use crate::log::header::{HeaderFault, SegmentHeader};
use crate::log::reader::{Frame, FrameWalk, Step};
use crate::log::segment::{SegmentFile, SegmentId};
use crate::log::storage::Storage;
use crate::log::sweep::{Damage, Flaw};

/// What might be found elsewhere.
pub(super) struct Misplaced<'p> {
    storage: &'p Arc<dyn Storage>,
    dir: &'p Path,
    log_id: LogId,
    found: Vec<Source>,
}

impl<'p> Misplaced<'p> {
    pub(super) fn new(
        storage: &'p Arc<dyn Storage>,
        dir: &'p Path,
        log_id: LogId,
    ) -> Misplaced<'p> {
        Misplaced {
            storage,
            dir,
            log_id,
            found: Vec::new(),
        }
    }

    /// A segment whose header says another name than its file has.
    pub(super) fn note(&mut self, damage: &Damage) {
        if let Flaw::Fault(fault) = &damage.flaw
            && let Fault::Header(HeaderFault::Misnamed { header, .. }) = **fault
        {
            self.found.push(Source {
                path: self.dir.join(damage.segment.file_name()),
                id: SegmentId(header),
            });
        }
    }

    /// What an earlier attempt has set aside, and was misplaced. What cannot be read is of no use.
    pub(super) fn look_in(&mut self, set_aside: &Path) {
        for name in self.storage.list(set_aside).unwrap_or_default() {
            let path = set_aside.join(name);
            if let Some(id) = self.header_of(&path) {
                self.found.push(Source { path, id });
            }
        }
    }

    fn header_of(&self, path: &Path) -> Option<SegmentId> {
        let mut bytes = [0; HEADER_BYTES];
        let file = self.storage.open(path).ok()?;
        let count = file.read_at(&mut bytes, 0).ok()?;
        let header = SegmentHeader::decode(&bytes[..count]).ok()?;
        (header.log_id == self.log_id).then_some(SegmentId(header.first_seq))
    }

    /// Fills holes that are whole segments with what was found.
    ///
    /// # Errors
    /// What a later version wrote.
    pub(super) fn put_right(&self, news: &mut [NewSegment]) -> Result<(), LogError> {
        for new in news {
            let [Piece::Hole { next, .. }] = new.pieces[..] else {
                continue;
            };
            for source in self.found.iter().filter(|source| source.id == new.id) {
                if let Some(kept) = self.kept(source, next)? {
                    let kept_to = kept.next();
                    new.pieces = vec![kept];
                    if kept_to < next {
                        let first = kept_to;
                        new.pieces.push(Piece::Hole { first, next });
                    }
                    new.source = Some(source.clone());
                    break;
                }
            }
        }
        Ok(())
    }

    /// Segments that follow on this seq, one behind the other.
    ///
    /// # Errors
    /// What a later version wrote.
    pub(super) fn behind(&self, mut due: Seq) -> Result<Vec<NewSegment>, LogError> {
        let mut behind = Vec::new();
        'next: loop {
            for source in self.found.iter().filter(|source| source.id.0 == due) {
                if let Some(kept) = self.kept(source, Seq::new(u64::MAX))? {
                    due = kept.next();
                    behind.push(NewSegment {
                        id: source.id,
                        source: Some(source.clone()),
                        pieces: vec![kept],
                    });
                    continue 'next;
                }
            }
            return Ok(behind);
        }
    }

    /// The good frames with which such a segment begins, up to this seq; none if it has none.
    fn kept(&self, source: &Source, limit: Seq) -> Result<Option<Piece>, LogError> {
        let Ok(file) = self.storage.open(&source.path) else {
            return Ok(None);
        };
        let segment = match SegmentFile::of_file(file, source.path.clone(), source.id) {
            Ok(segment) if segment.header.log_id == self.log_id => segment,
            Err(error @ LogError::Newer { .. }) => return Err(error),
            _ => return Ok(None),
        };
        let mut walk = FrameWalk::of_file(&segment);
        let mut kept = None;
        loop {
            let frame = match walk.step() {
                Ok(Step::Frame(frame)) => frame,
                Ok(_) => return Ok(kept),
                Err(error) => match walk.place(error, &source.path) {
                    error @ LogError::Newer { .. } => return Err(error),
                    _ => return Ok(kept),
                },
            };
            let is_over = frame.header.next_seq() > limit
                || frame.frame_type == Some(FrameType::Seal)
                || !can_be_decoded(&frame, walk.payload());
            if is_over {
                return Ok(kept);
            }
            if walk.due() > source.id.0 {
                kept = Some(Piece::Kept {
                    offset: HEADER_BYTES as u64,
                    end: walk.offset(),
                    first: source.id.0,
                    next: walk.due(),
                });
            }
        }
    }
}

fn can_be_decoded(frame: &Frame, payload: &[u8]) -> bool {
    let count = frame.header.count;
    match frame.frame_type {
        Some(FrameType::Events) => decode_events(payload, count).is_ok(),
        Some(FrameType::Erased) => decode_erased(payload, count).is_ok(),
        _ => true,
    }
}
