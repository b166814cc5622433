//! A walk over the events of a log with their verdicts, and over what is wrong with it.

use std::collections::VecDeque;
use std::sync::mpsc::sync_channel;

use super::error::InspectError;
use super::judging::{Blocks, Content, JudgedFrame, Judging, Met};
use super::place::StorePlace;
use super::verdicts::{Listener, Verdicts};
use super::wanted::Wanted;
use crate::event::Seq;
use crate::index::fold::{Judged, Verdict};
use crate::log::reader::Frame;
use crate::log::sweep::{End, Found, Lost, Sweep, SweepOptions};
use crate::render::LoggedEvent;

/// The first stretch that is looked through for the last events.
const LAST_SEQS_MIN: u64 = 4096;

/// How many blocks of frames wait to be shown, at most.
const BLOCKS_AHEAD: usize = 1;

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
    /// Shows what is wanted, in order. What comes next is decoded and judged meanwhile.
    ///
    /// # Errors
    /// Those of the log and of the fold, and what `show` returns.
    pub fn run<E: From<InspectError>>(
        &mut self,
        verdicts: &mut Verdicts,
        listener: &mut (dyn Listener + Send),
        mut show: impl FnMut(Shown<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (to, blocks) = sync_channel(BLOCKS_AHEAD);
        let judging = Judging {
            sweep: &mut self.sweep,
            wanted: self.wanted,
            verdicts,
            listener,
            blocks: Blocks::to(to),
        };
        let wanted = self.wanted;
        std::thread::scope(|threads| {
            let judging = threads.spawn(|| judging.run());
            let shown = blocks.iter().flatten().try_for_each(|met| match met {
                Met::Frame(frame) => show_frame(wanted, *frame, &mut show),
                Met::Wrong(found) => show(Shown::Wrong(&found)),
                Met::End(end) => show(Shown::End(&end)),
            });
            // Whoever works ahead ends with it.
            drop(blocks);
            let judged = judging.join();
            shown?;
            match judged {
                Ok(judged) => Ok(judged?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

fn show_frame<E>(
    wanted: &Wanted,
    judged: JudgedFrame,
    show: &mut impl FnMut(Shown<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let JudgedFrame {
        frame,
        is_proven,
        judged,
        content,
    } = judged;
    match content.borrow_dependent() {
        Content::Events(events) => {
            for (judged, event) in judged.into_iter().zip(events) {
                if wanted.takes_event(event) && wanted.takes_judged(judged) {
                    let received_at = frame.header.received_at;
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
        Content::Erased(topics) => {
            for (judged, topic) in judged.into_iter().zip(topics.iter().copied()) {
                let is_topic = wanted.topic.as_deref().is_none_or(|wanted| wanted == topic);
                let asks_for_more = wanted.source.is_some() || wanted.event_id.is_some();
                if is_topic && !asks_for_more && wanted.takes_judged(judged) {
                    show(Shown::Erased(judged, topic))?;
                }
            }
            Ok(())
        }
        Content::Hole => show_hole(wanted, &frame, show),
    }
}

fn show_hole<E>(
    wanted: &Wanted,
    frame: &Frame,
    show: &mut impl FnMut(Shown<'_>) -> Result<(), E>,
) -> Result<(), E> {
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
    listener: &mut (dyn Listener + Send),
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
