//! A walk over the events of a log with their verdicts, and over what is wrong with it.

use std::collections::VecDeque;

use super::error::InspectError;
use super::place::StorePlace;
use super::verdicts::{Listener, TELL_EACH_SEQS, Verdicts};
use super::wanted::Wanted;
use crate::event::Seq;
use crate::index::fold::{Judged, Verdict};
use crate::log::format::FrameType;
use crate::log::reader::Frame;
use crate::log::sweep::{End, Found, Lost, Sweep, SweepOptions};
use crate::render::LoggedEvent;

/// The first stretch that is looked through for the last events.
const LAST_SEQS_MIN: u64 = 4096;

/// What there is to show.
#[derive(Debug)]
pub enum Shown<'a> {
    /// An event; and whether anything proves that it is durable.
    Event(&'a LoggedEvent<'a>, bool),
    /// An event whose payload was dropped, with its topic.
    Erased(Judged, &'a str),
    /// A hole that `repair` left, as far as it is wanted.
    Hole(Lost),
    /// What is wrong with the log here: never a frame, and never its end.
    Wrong(&'a Found),
    /// How the log ends; always the last.
    End(&'a End),
}

/// A walk over events.
#[derive(Debug)]
pub struct Walk<'w> {
    /// Over what.
    pub sweep: Sweep,
    /// Which are shown.
    pub wanted: &'w Wanted,
}

impl Walk<'_> {
    /// Shows what is wanted, in order.
    ///
    /// # Errors
    /// Those of the log and of the fold, and what `show` returns.
    pub fn run<E: From<InspectError>>(
        &mut self,
        verdicts: &mut Verdicts,
        listener: &mut dyn Listener,
        mut show: impl FnMut(Shown<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error| E::from(InspectError::Log(error));
        let last = self.sweep.end().due.previous().min(self.wanted.to);
        let mut tell_at = self.wanted.from;
        while let Some(found) = self.sweep.next().map_err(failed)? {
            let lost = match &found {
                Found::Frame(frame) if frame.header.first_seq > self.wanted.to => {
                    return self.end(show);
                }
                Found::Frame(frame) if frame.header.count > 0 => {
                    self.frame(frame, verdicts, listener, &mut show)?;
                    if frame.header.first_seq >= tell_at {
                        tell_at = frame.header.first_seq.plus(TELL_EACH_SEQS);
                        listener.passed(frame.header.last_seq(), last);
                    }
                    continue;
                }
                Found::Frame(_) => continue,
                Found::End(end) => {
                    show(Shown::End(end))?;
                    continue;
                }
                Found::Damage(damage) => damage.lost,
                Found::Missing(missing) => missing.lost,
                Found::Overlap(_) | Found::Stray(_) => Lost::none(self.wanted.from),
            };
            if lost.first > self.wanted.to {
                return self.end(show);
            }
            verdicts.lost(lost, listener)?;
            if lost.next >= self.wanted.from {
                show(Shown::Wrong(&found))?;
            }
        }
        Ok(())
    }

    fn end<E>(&self, mut show: impl FnMut(Shown<'_>) -> Result<(), E>) -> Result<(), E> {
        show(Shown::End(self.sweep.end()))
    }

    fn frame<E: From<InspectError>>(
        &self,
        frame: &Frame,
        verdicts: &mut Verdicts,
        listener: &mut dyn Listener,
        show: &mut impl FnMut(Shown<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let header = &frame.header;
        if header.next_seq() <= self.wanted.from {
            return Ok(());
        }
        // A hole has the time of its repair: nothing tells when that was received which is lost.
        let is_hole = frame.frame_type == Some(FrameType::Hole);
        let is_wanted = self.wanted.takes_seqs(header.first_seq, header.next_seq())
            && (is_hole || self.wanted.takes_time(header.received_at));
        let (events, topics, undecodable) = match frame.frame_type {
            Some(FrameType::Events) => match self.sweep.events(frame) {
                Ok(events) => (events, Vec::new(), None),
                Err(error) => (Vec::new(), Vec::new(), Some(error)),
            },
            Some(FrameType::Erased) => match self.sweep.erased(frame) {
                Ok(erased) => {
                    let name = |topic: u32| erased.topics.get(topic as usize).copied();
                    let topics = erased.events.iter();
                    let topics = topics.map(|event| name(event.topic).unwrap_or_default());
                    (Vec::new(), topics.collect(), None)
                }
                Err(error) => (Vec::new(), Vec::new(), Some(error)),
            },
            _ => (Vec::new(), Vec::new(), None),
        };
        let judged = match undecodable {
            None => verdicts.of_frame(frame, &events, self.sweep.payload(), listener)?,
            Some(error) => Err(error),
        };
        let judged = match judged {
            Ok(judged) => judged,
            Err(error) => {
                let damage = self.sweep.undecodable(frame, error);
                let damage = damage.map_err(InspectError::Log)?;
                verdicts.lost(damage.lost, listener)?;
                return show(Shown::Wrong(&Found::Damage(damage)));
            }
        };
        if !is_wanted {
            return Ok(());
        }
        if events.is_empty() && topics.is_empty() {
            return self.hole(frame, show);
        }
        let wanted = self.wanted;
        for (judged, topic) in judged.iter().zip(topics) {
            let is_topic = wanted.topic.as_deref().is_none_or(|wanted| wanted == topic);
            let asks_for_more = wanted.source.is_some() || wanted.event_id.is_some();
            if is_topic && !asks_for_more && wanted.takes_judged(*judged) {
                show(Shown::Erased(*judged, topic))?;
            }
        }
        let is_proven = self.sweep.is_proven(frame);
        for (judged, event) in judged.into_iter().zip(events) {
            if wanted.takes_event(&event) && wanted.takes_judged(judged) {
                let received_at = header.received_at;
                let logged = LoggedEvent {
                    judged,
                    received_at,
                    event,
                };
                show(Shown::Event(&logged, is_proven))?;
            }
        }
        Ok(())
    }

    fn hole<E>(
        &self,
        frame: &Frame,
        show: &mut impl FnMut(Shown<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let wanted = self.wanted;
        if wanted.asks_for_content() || !wanted.takes_verdict(Verdict::Lost) {
            return Ok(());
        }
        let first = frame.header.first_seq.max(wanted.from);
        let last = frame.header.last_seq().min(wanted.to);
        show(Shown::Hole(Lost {
            first,
            next: last.next(),
            and_more: false,
        }))
    }
}

/// From which seq on the last `count` wanted events stand, and up to which it was looked: whoever
/// writes meanwhile adds to them. What lies before is not read, unless too few are wanted of what
/// was.
///
/// # Errors
/// Those of a [`Walk`].
pub fn start_of_last(
    place: &StorePlace,
    options: &SweepOptions,
    wanted: &Wanted,
    count: u64,
    verdicts: &mut Verdicts,
    listener: &mut dyn Listener,
) -> Result<(Seq, Seq), InspectError> {
    if count == 0 {
        return Ok((Seq::new(u64::MAX), Seq::ZERO));
    }
    let mut seqs = LAST_SEQS_MIN.max(count);
    loop {
        let options = SweepOptions {
            from: wanted.from,
            ..options.clone()
        };
        let mut sweep = place.sweep(options.clone())?;
        let end = sweep.end().due.previous().min(wanted.to);
        let from = Seq::new(end.get().saturating_sub(seqs - 1)).max(wanted.from);
        if from > wanted.from {
            sweep = place.sweep(SweepOptions { from, ..options })?;
        }
        let narrowed = Wanted {
            from,
            ..wanted.clone()
        };
        let mut walk = Walk {
            sweep,
            wanted: &narrowed,
        };
        let mut last = VecDeque::new();
        walk.run(verdicts, listener, |shown| {
            let seq = match shown {
                Shown::Event(logged, _) => logged.judged.seq,
                Shown::Erased(judged, _) => judged.seq,
                _ => return Ok::<(), InspectError>(()),
            };
            if last.len() as u64 == count {
                last.pop_front();
            }
            last.push_back(seq);
            Ok(())
        })?;
        let is_all = from <= wanted.from.max(Seq::FIRST);
        if last.len() as u64 == count || is_all {
            let upto = last.back().copied().unwrap_or(end).max(end);
            return Ok((last.front().copied().unwrap_or(wanted.from), upto));
        }
        seqs = seqs.saturating_mul(8);
    }
}
