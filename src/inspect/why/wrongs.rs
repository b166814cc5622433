//! What was found to be wrong with the log on the way.

use crate::event::Seq;
use crate::inspect::StorePlace;
use crate::log::LogError;
use crate::log::format::FrameType;
use crate::log::sweep::{Found, Lost, SweepOptions};

/// How many are kept.
const KEPT_MAX: usize = 100;

/// What is wrong: never a frame, and the end of the log only where it comes too soon.
#[derive(Debug, Default)]
pub struct Wrongs {
    /// The first of it.
    pub listed: Vec<Found>,
    /// How many places.
    pub total: u64,
}

impl Wrongs {
    pub(super) fn note(&mut self, found: Found) {
        let is_wrong = match &found {
            Found::Frame(_) => false,
            Found::End(end) => end.behind_index.is_some_and(|flushed| flushed >= end.due),
            _ => true,
        };
        if is_wrong {
            self.total += 1;
            if self.listed.len() < KEPT_MAX {
                self.listed.push(found);
            }
        }
    }

    /// The place, among those listed, of what took a seq that stands in no good frame; it is
    /// looked for where it was not met yet. None where the log does not tell.
    ///
    /// # Errors
    /// Those of a sweep.
    pub(super) fn of_seq(
        &mut self,
        seq: Seq,
        place: &StorePlace,
    ) -> Result<Option<usize>, LogError> {
        if let Some(at) = self.listed.iter().position(|found| has_taken(found, seq)) {
            return Ok(Some(at));
        }
        let mut sweep = place.sweep(SweepOptions {
            from: seq,
            ..SweepOptions::default()
        })?;
        while let Some(found) = sweep.next()? {
            match found {
                Found::Frame(frame) if frame.header.first_seq > seq => break,
                Found::Frame(frame) if frame.header.next_seq() > seq => {
                    // Its CRCs are right: then it is its content that is not.
                    let error = match frame.frame_type {
                        Some(FrameType::Erased) => sweep.erased(&frame).err(),
                        _ => sweep.events(&frame).err(),
                    };
                    let Some(error) = error else { break };
                    let damage = sweep.undecodable(&frame, error)?;
                    return Ok(Some(self.keep(Found::Damage(damage))));
                }
                found if has_taken(&found, seq) => return Ok(Some(self.keep(found))),
                _ => {}
            }
        }
        Ok(None)
    }

    fn keep(&mut self, found: Found) -> usize {
        self.total += 1;
        // However many there are: one for each arrival that is told, at most.
        self.listed.push(found);
        self.listed.len() - 1
    }
}

fn has_taken(found: &Found, seq: Seq) -> bool {
    let has = |lost: &Lost| lost.first <= seq && (seq < lost.next || lost.and_more);
    match found {
        Found::Damage(damage) => has(&damage.lost),
        Found::Missing(missing) => has(&missing.lost),
        _ => false,
    }
}
