//! Frames by their seqs, behind damage too.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::candidates::{Opened, State, look, open};
use super::found::Found;
use super::within::{Bounds, SegmentSweep};
use crate::event::Seq;
use crate::log::error::LogError;
use crate::log::header::FrameTable;
use crate::log::reader::Frame;
use crate::log::segment::SegmentId;
use crate::log::storage::Storage;

/// Finds good frames of a log, in any order. It changes nothing.
#[derive(Debug)]
pub struct FrameFinder {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    /// As they were listed last.
    segments: Vec<SegmentId>,
    /// Where frames are in the segment that was looked into last.
    near: Option<(SegmentId, FrameTable)>,
}

impl FrameFinder {
    /// In the log of this directory, which is looked at when something is first asked for.
    pub fn new(storage: Arc<dyn Storage>, dir: &Path) -> FrameFinder {
        FrameFinder::knowing(storage, dir, Vec::new(), None)
    }

    /// The same, where it is known which segments there are, and where frames are in one of them.
    pub(super) fn knowing(
        storage: Arc<dyn Storage>,
        dir: &Path,
        segments: Vec<SegmentId>,
        near: Option<(SegmentId, FrameTable)>,
    ) -> FrameFinder {
        FrameFinder {
            storage,
            dir: dir.to_owned(),
            segments,
            near,
        }
    }

    /// The good frame that holds this seq, with its payload; none if there is none.
    ///
    /// # Errors
    /// As those of a sweep.
    pub fn find(&mut self, seq: Seq) -> Result<Option<(Frame, Vec<u8>)>, LogError> {
        let mut found = None;
        self.walk_from(seq, |frame, payload| {
            if frame.header.first_seq <= seq && frame.header.count > 0 {
                found = Some((*frame, payload.to_vec()));
            }
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Good frames that take seqs, from the one that holds this seq on, or from the next one
    /// behind it, until `visit` breaks off or the segment ends.
    ///
    /// # Errors
    /// As those of a sweep.
    pub fn walk_from(
        &mut self,
        seq: Seq,
        mut visit: impl FnMut(&Frame, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let is_last = |segments: &[SegmentId]| segments.last().is_none_or(|last| last.0 <= seq);
        if is_last(&self.segments) {
            self.list()?;
        }
        let behind = self.segments.partition_point(|id| id.0 <= seq);
        let Some(id) = behind.checked_sub(1).map(|place| self.segments[place]) else {
            return Ok(());
        };
        let Opened::Good { segment, file, .. } = open(self.storage.as_ref(), &self.dir, id)? else {
            return Ok(());
        };
        let bounds = match self.segments.get(behind) {
            Some(next) => Bounds::Further(next.0),
            None => Bounds::Tail(None),
        };
        let table = match self.near.take() {
            Some((near, table)) if near == id && table.spans(seq) => Some(table),
            _ => segment.seal()?.map(|seal| seal.table),
        };
        let mut sweep = SegmentSweep::new(segment, file, bounds, None);
        let is_told = table.is_some();
        sweep.know(table.unwrap_or_default(), seq);
        if !is_told {
            sweep.start_by_headers(seq)?;
        }
        while let Some(found) = sweep.next()? {
            if let Found::Frame(frame) = found
                && frame.header.count > 0
                && frame.header.next_seq() > seq
                && visit(&frame, sweep.walk().payload()).is_break()
            {
                break;
            }
        }
        self.near = Some((id, sweep.into_table()));
        Ok(())
    }

    fn list(&mut self) -> Result<(), LogError> {
        let known = self.segments.last().copied();
        let (_, candidates) = look(self.storage.as_ref(), &self.dir, known)?;
        for candidate in candidates {
            if matches!(candidate.state, State::Usable)
                && known.is_none_or(|known| candidate.id > known)
            {
                self.segments.push(candidate.id);
            }
        }
        Ok(())
    }
}
