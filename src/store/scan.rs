//! Events in order: the index says which, the log says what.

use std::sync::Arc;

use super::answers::{EventFilter, LoggedEvent, Order, ReadError, VerdictFilter};
use super::plan::{Plan, Stretch};
use crate::event::Seq;
use crate::index::Index;
use crate::index::fold::{Judged, Verdict};
use crate::log::{EventCursor, LiveLog, Reading};

/// How many seqs are asked of the index at a time, at most, and at first: many pages are short.
const PLAN_SEQS: u64 = 8192;
const FIRST_SEQS: u64 = 128;
/// How often it is asked for one page: whoever left meanwhile is noticed between pages.
const STRETCHES_MAX: u32 = 8;

/// A scan in progress. Between pages it holds no lock and no transaction.
#[derive(Debug)]
pub struct EventScan {
    index: Arc<Index>,
    filter: EventFilter,
    /// What is left to plan: seqs in `(after, upto]`.
    after: Seq,
    upto: Seq,
    /// What comes next, in the order of the scan.
    plan: Plan,
    events: EventCursor,
    /// How many seqs to ask of the index next.
    stretch: u64,
}

impl EventScan {
    pub(super) fn new(log: Arc<LiveLog>, index: Arc<Index>, filter: EventFilter) -> EventScan {
        let applied = index.applied();
        let (after, upto) = match filter.order {
            Order::Ascending => (filter.after, applied),
            Order::Descending if filter.after == Seq::ZERO => (Seq::ZERO, applied),
            Order::Descending => (Seq::ZERO, applied.min(filter.after.previous())),
        };
        let reading = match (&filter.topic, filter.verdict) {
            (None, VerdictFilter::Stored | VerdictFilter::All) => Reading::InOrder,
            _ => Reading::Picking,
        };
        EventScan {
            events: log.events(reading),
            index,
            filter,
            after,
            upto,
            plan: Plan::default(),
            stretch: FIRST_SEQS,
        }
    }

    /// Gives the next events to `visit` until it says false, and says whether there may be
    /// more. The event at which it says so counts as given. A page may also be short, or
    /// empty, after much was looked at in vain. Blocking.
    ///
    /// # Errors
    /// [`ReadError`]; events already given are good.
    pub fn next_page(
        &mut self,
        visit: &mut dyn FnMut(&LoggedEvent<'_>) -> bool,
    ) -> Result<bool, ReadError> {
        let mut stretches = 0;
        loop {
            let Some(judged) = self.plan.next() else {
                if stretches == STRETCHES_MAX {
                    self.events.let_go();
                    return Ok(true);
                }
                stretches += 1;
                if !self.plan_more()? {
                    return Ok(false);
                }
                continue;
            };
            let Some((received_at, event)) = self.events.event(judged.seq)? else {
                // Its bytes are gone, in a hole or by retention.
                continue;
            };
            let EventFilter { topic, source, .. } = &self.filter;
            if topic.as_ref().is_some_and(|topic| *topic != event.topic)
                || source
                    .as_ref()
                    .is_some_and(|source| *source != event.source)
            {
                continue;
            }
            let logged = LoggedEvent {
                judged,
                received_at,
                event: &event,
            };
            if !visit(&logged) {
                // Between pages, which may be long, a scan keeps no large frame in memory.
                self.events.let_go();
                return Ok(true);
            }
        }
    }

    /// Asks the index for the next stretch. False when nothing is left.
    fn plan_more(&mut self) -> Result<bool, ReadError> {
        if self.after >= self.upto {
            return Ok(false);
        }
        let verdict = self.filter.verdict;
        let (index, order) = (&self.index, self.filter.order);
        let limit = self.stretch as usize;
        self.stretch = (self.stretch * 4).min(PLAN_SEQS);
        let listed = match (&self.filter.topic, verdict) {
            (Some(topic), VerdictFilter::Stored) => {
                let seqs = index.topic_seqs(topic, self.after, self.upto, order, limit)?;
                let stored = |seq| Judged {
                    seq,
                    verdict: Verdict::Stored,
                    original_seq: seq,
                };
                let seqs = seqs.unwrap_or_default();
                Listed::new(seqs.into_iter().map(stored).collect(), limit)
            }
            (_, VerdictFilter::Duplicate | VerdictFilter::Conflict) => {
                let only = match verdict {
                    VerdictFilter::Conflict => Verdict::Conflict,
                    _ => Verdict::Duplicate,
                };
                let found = index.not_stored(self.after, self.upto, order, limit, Some(only))?;
                Listed::new(found.iter().map(|found| found.judged).collect(), limit)
            }
            _ => return self.plan_stretch(limit as u64).map(|()| true),
        };
        match (listed.full, listed.judged.last()) {
            (true, Some(last)) if order == Order::Ascending => self.after = last.seq,
            (true, Some(last)) => self.upto = last.seq.previous(),
            _ => self.after = self.upto,
        }
        self.plan = Plan::Listed(listed.judged.into_iter());
        Ok(true)
    }

    /// Plans all of the next so many seqs that have the right verdict.
    fn plan_stretch(&mut self, seqs: u64) -> Result<(), ReadError> {
        let (from, to) = match self.filter.order {
            Order::Ascending => {
                let to = self.upto.min(self.after.plus(seqs));
                let from = self.after.next();
                self.after = to;
                (from, to)
            }
            Order::Descending => {
                let lower = Seq::new(self.upto.get().saturating_sub(seqs));
                let (from, to) = (self.after.max(lower).next(), self.upto);
                self.upto = from.previous();
                (from, to)
            }
        };
        let order = self.filter.order;
        let not_stored = (self.index).not_stored(from.previous(), to, order, usize::MAX, None)?;
        self.plan = Plan::Stretch(Stretch::new(
            from,
            to,
            order,
            not_stored.iter().map(|one| one.judged).collect(),
            self.filter.verdict == VerdictFilter::All,
        ));
        Ok(())
    }
}

/// What the index listed, and whether there may be more of it.
struct Listed {
    judged: Vec<Judged>,
    full: bool,
}

impl Listed {
    fn new(judged: Vec<Judged>, limit: usize) -> Listed {
        Listed {
            full: judged.len() >= limit,
            judged,
        }
    }
}
