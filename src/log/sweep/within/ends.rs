//! How a segment ends, and where it goes on behind a damaged place.

use std::ops::Range;
use std::sync::Arc;

use super::super::found::{Damage, End, Flaw, Found, Lost, Torn};
use super::{Bounds, SegmentSweep, State};
use crate::event::Seq;
use crate::log::error::{Evidence, Fault, LogError, SealFault};
use crate::log::format::{FRAME_ALIGN_BYTES, aligned};
use crate::log::frame::FrameHeader;
use crate::log::reader::nothing_there;
use crate::log::tail::Ending;

/// What stands behind a damaged place.
pub(super) struct Behind {
    /// Where the damage ends.
    pub(super) end: u64,
    /// The header at which the chain goes on.
    pub(super) header: Option<(u64, FrameHeader)>,
    /// The damaged frame's own header, if that is good.
    pub(super) own: Option<FrameHeader>,
}

impl SegmentSweep {
    /// Nothing behind a damaged place continues the chain.
    pub(super) fn ends_damaged(
        &mut self,
        fault: Fault,
        end: u64,
        own: Option<FrameHeader>,
        proof: Option<Evidence>,
    ) -> Result<(), LogError> {
        let (offset, due) = (self.walk.offset(), self.walk.due());
        let own_next = own.map_or(due, |own| own.next_seq()).max(due);
        let next = match (self.bounds, proof) {
            (Bounds::Further(next), _) => next.max(due),
            (_, Some(Evidence::Index { flushed })) => own_next.max(flushed.next()),
            _ => own_next,
        };
        if let (Bounds::Tail(_), Some(Evidence::Index { flushed })) = (self.bounds, proof)
            && end == offset
        {
            // No damaged bytes: they are gone.
            self.is_over(offset);
            self.finish(Ending::Open, None, Some(flushed));
            return Ok(());
        }
        let is_bare_end = matches!(self.bounds, Bounds::Further(_)) && nothing_there(&fault);
        let fault = match is_bare_end && self.is_zero_from(offset)? {
            true => Fault::Seal(SealFault::Missing),
            false => fault,
        };
        let lost = Lost {
            first: due,
            next,
            and_more: !matches!(self.bounds, Bounds::Further(_)),
        };
        self.tell(offset..end, lost, None, fault, proof);
        self.is_over(end);
        self.walk.go_to(next, offset);
        self.finish(Ending::Open, None, None);
        Ok(())
    }

    fn is_zero_from(&mut self, offset: u64) -> Result<bool, LogError> {
        let end = self.walk.end_of_bytes(offset);
        Ok(end.map_err(LogError::io("read", &self.segment.path))? == offset)
    }

    /// Where the chain may go on behind a damaged place.
    pub(super) fn look_behind(
        &mut self,
        fault: &Fault,
        offset: u64,
        due: Seq,
    ) -> std::io::Result<Behind> {
        let next_segment = match self.bounds {
            Bounds::Further(next) => next,
            _ => Seq::new(u64::MAX),
        };
        let continues =
            |header: &FrameHeader| header.first_seq >= due && header.first_seq <= next_segment;
        let own = self.walk.next_header(offset)?;
        let own = own.filter(|(at, _)| *at == offset).map(|(_, own)| own);
        let mut from = match (&own, fault) {
            (Some(own), Fault::Chain { .. }) if continues(own) => offset,
            // Damage in a payload is skipped by the length that its header tells.
            (Some(own), _) => offset + own.frame_bytes(),
            (None, _) => offset + FRAME_ALIGN_BYTES,
        };
        while let Some((at, header)) = self.walk.next_header(from)? {
            if continues(&header) {
                return Ok(Behind {
                    end: at,
                    header: Some((at, header)),
                    own,
                });
            }
            from = at + header.frame_bytes();
        }
        let len = self.file_len()?.max(offset);
        let own_end = own.map_or(offset, |own| offset + own.frame_bytes());
        let end = match self.bounds {
            Bounds::Further(_) => len,
            _ => aligned(self.walk.end_of_bytes(offset)?)
                .max(own_end)
                .min(len),
        };
        Ok(Behind {
            end,
            header: None,
            own,
        })
    }

    fn file_len(&self) -> std::io::Result<u64> {
        self.segment.file.len()
    }

    /// The tail rule says: what follows is torn, or nothing.
    pub(super) fn ends_torn(&mut self, fault: Fault) -> Result<(), LogError> {
        let offset = self.walk.offset();
        let io = LogError::io("read", &self.segment.path);
        let bytes_end = self.walk.end_of_bytes(offset).map_err(io)?;
        let torn = (bytes_end > offset).then(|| Torn {
            end: bytes_end,
            fault: Arc::new(fault),
        });
        let ending = match torn {
            Some(_) => Ending::Open,
            None => self.tail.ending,
        };
        self.is_over(offset);
        self.finish(ending, torn, None);
        Ok(())
    }

    /// Nothing may stand behind a seal; behind the last one, only zeros.
    pub(super) fn behind_seal(&mut self, seal_at: u64) -> Result<(), LogError> {
        let io = || LogError::io("read", &self.segment.path);
        let offset = self.walk.offset();
        let end = match self.bounds {
            Bounds::Further(_) => self.file_len().map_err(io())?,
            Bounds::Tail(_) => self.walk.end_of_bytes(offset).map_err(io())?,
            Bounds::Known(..) => offset,
        };
        if end > offset {
            let fault = Fault::Seal(SealFault::Trailing);
            let lost = Lost::none(self.walk.due());
            self.tell(
                offset..end,
                lost,
                None,
                fault,
                Some(Evidence::CleanEnd { offset: seal_at }),
            );
        }
        self.is_over(end);
        let behind = match self.bounds {
            Bounds::Tail(flushed) => flushed.filter(|flushed| *flushed >= self.walk.due()),
            _ => None,
        };
        self.finish(Ending::Sealed, None, behind);
        Ok(())
    }

    /// It is over; what could not be read and was in no damaged frame is told now.
    pub(super) fn is_over(&mut self, at: u64) {
        self.state = State::Over;
        let limit = match self.bounds {
            Bounds::Known(end, _) => end,
            _ => u64::MAX,
        };
        let due = self.walk.due();
        for unreadable in self.file.unreadable(self.start..limit) {
            let bytes = unreadable.bytes;
            let meets = |told: &Range<u64>| told.start < bytes.end && bytes.start < told.end;
            if self.told.iter().any(meets) {
                continue;
            }
            let is_tail = bytes.start >= at && matches!(self.bounds, Bounds::Tail(_));
            self.queue.push_back(Found::Damage(Damage {
                segment: self.segment.id,
                offset: bytes.start,
                end: bytes.end,
                lost: Lost {
                    and_more: is_tail,
                    ..Lost::none(due)
                },
                goes_on_at: None,
                flaw: Flaw::Unreadable {
                    offset: bytes.start,
                    end: bytes.end,
                    error: unreadable.error,
                },
                evidence: (!is_tail).then_some(self.evidence()),
            }));
        }
    }

    pub(super) fn finish(&mut self, ending: Ending, torn: Option<Torn>, behind_index: Option<Seq>) {
        let due = self.walk.due();
        let proven = match ending {
            Ending::Sealed | Ending::CleanStop => due.previous(),
            Ending::Open => self.tail.proven.min(due.previous()),
        };
        self.end = Some(End {
            segment: Some(self.segment.id),
            ending,
            offset: self.walk.offset(),
            due,
            proven,
            unproven_from: self.tail.unproven_from,
            torn,
            behind_index,
        });
    }
}
