//! A walk over the log, or over its end, for the arrivals of what is looked for.

use super::asked::Wanted;
use super::lives::{Arrived, Lives};
use super::wrongs::Wrongs;
use crate::event::Seq;
use crate::index::canonical::canonical_digest;
use crate::index::digest::{CanonicalDigest, PayloadDigest};
use crate::index::fold::Payloads;
use crate::inspect::verdicts::TELL_EACH_SEQS;
use crate::log::LogError;
use crate::log::codec::CodecError;
use crate::log::format::FrameType;
use crate::log::reader::Frame;
use crate::log::sweep::{Found, Sweep};

/// Looks through what a sweep gives from a seq on.
pub(super) struct LogWalk<'w> {
    pub(super) wanted: &'w Wanted,
    /// What lies before it is known.
    pub(super) from: Seq,
    pub(super) payloads: &'w dyn Payloads,
    /// Is told the seq that it came to.
    pub(super) passed: &'w mut dyn FnMut(Seq),
}

impl LogWalk<'_> {
    /// Goes to the end of the log. Gives how many events the holes that it met stand for.
    ///
    /// # Errors
    /// Those of a sweep. Damage is none: it is noted.
    pub(super) fn run(
        &mut self,
        sweep: &mut Sweep,
        lives: &mut Lives,
        wrongs: &mut Wrongs,
    ) -> Result<u64, LogError> {
        let mut tell_at = self.from;
        let mut lost = 0;
        while let Some(found) = sweep.next()? {
            let Found::Frame(frame) = found else {
                if self.is_of_interest(&found) {
                    wrongs.note(found);
                }
                continue;
            };
            let header = &frame.header;
            if header.count == 0 || header.next_seq() <= self.from {
                continue;
            }
            if frame.frame_type == Some(FrameType::Hole) {
                lost += header.next_seq().since(header.first_seq.max(self.from));
            }
            if let Err(error) = self.frame(&frame, sweep, lives) {
                wrongs.note(Found::Damage(sweep.undecodable(&frame, error)?));
            }
            if header.first_seq >= tell_at {
                (self.passed)(header.last_seq());
                tell_at = header.first_seq.plus(TELL_EACH_SEQS);
            }
        }
        Ok(lost)
    }

    /// Not what lies before the place from which it is looked, in a stretch that was read only to
    /// get there.
    fn is_of_interest(&self, found: &Found) -> bool {
        let lost = match found {
            Found::Damage(damage) => damage.lost,
            Found::Missing(missing) => missing.lost,
            _ => return true,
        };
        self.from == Seq::FIRST || lost.and_more || lost.next >= self.from
    }

    fn frame(&self, frame: &Frame, sweep: &Sweep, lives: &mut Lives) -> Result<(), CodecError> {
        let (Some(rule), first) = (frame.header.rule(), frame.header.first_seq) else {
            return Ok(());
        };
        match frame.frame_type {
            Some(FrameType::Events) => {
                let events = sweep.events(frame)?;
                for (place, key) in self.wanted.among(rule, &events) {
                    let event = &events[place];
                    let arrived = Arrived {
                        seq: first.plus(place as u64),
                        key,
                        payload: PayloadDigest::of(event.kind, event.payload),
                        canonical: &|| canonical_digest(event.kind, event.payload),
                    };
                    lives.judge(&arrived, self.payloads);
                }
            }
            Some(FrameType::Erased) => {
                let erased = sweep.erased(frame)?;
                for (place, key) in self.wanted.among_erased(rule, &erased) {
                    let event = &erased.events[place];
                    let arrived = Arrived {
                        seq: first.plus(place as u64),
                        key,
                        payload: PayloadDigest(event.payload),
                        canonical: &|| CanonicalDigest(event.canonical),
                    };
                    lives.judge(&arrived, self.payloads);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
