//! Events in order: the index says which, the log says what.

use std::collections::VecDeque;
use std::sync::Arc;

use super::answers::{EventFilter, LoggedEvent, Order, ReadError, VerdictFilter};
use crate::event::Seq;
use crate::index::Index;
use crate::index::fold::{Judged, Verdict};
use crate::log::format::FrameType;
use crate::log::reader::Frame;
use crate::log::{FrameCursor, LiveLog};

/// How many seqs are asked of the index at a time.
const PLAN_SEQS: u64 = 8192;
/// How often it is asked for one page: whoever left meanwhile is noticed between pages.
const STRETCHES_MAX: u32 = 8;
/// A larger frame is not kept between pages.
const KEPT_FRAME_BYTES: u64 = 1024 * 1024;
/// A seq that lies further ahead is looked up rather than walked to.
const WALK_SEQS: u64 = 1024;

/// A scan in progress. Between pages it holds no lock and no transaction.
#[derive(Debug)]
pub struct EventScan {
    log: Arc<LiveLog>,
    index: Arc<Index>,
    filter: EventFilter,
    /// What is left to plan: seqs in `(after, upto]`.
    after: Seq,
    upto: Seq,
    /// What comes next, in the order of the scan.
    plan: VecDeque<Judged>,
    cursor: Option<FrameCursor>,
    frame: Option<Frame>,
    /// The frame of the last page was too large to be kept.
    let_go: bool,
}

impl EventScan {
    pub(super) fn new(log: Arc<LiveLog>, index: Arc<Index>, filter: EventFilter) -> EventScan {
        let applied = index.applied();
        let (after, upto) = match filter.order {
            Order::Ascending => (filter.after, applied),
            Order::Descending if filter.after == Seq::ZERO => (Seq::ZERO, applied),
            Order::Descending => (Seq::ZERO, applied.min(filter.after.previous())),
        };
        EventScan {
            log,
            index,
            filter,
            after,
            upto,
            plan: VecDeque::new(),
            cursor: None,
            frame: None,
            let_go: false,
        }
    }

    /// Whether the last page was of a frame that is read and decoded anew for each page: fewer
    /// and longer pages are then cheaper.
    pub fn reads_large_frames(&self) -> bool {
        self.let_go
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
            if self.plan.is_empty() {
                if stretches == STRETCHES_MAX {
                    return Ok(true);
                }
                stretches += 1;
            }
            if self.plan.is_empty() && !self.plan_more()? {
                return Ok(false);
            }
            let Some(next) = self.plan.front().copied() else {
                continue;
            };
            if !self.go_to(next.seq)? {
                // Its bytes are gone, in a hole or by retention.
                self.plan.pop_front();
                continue;
            }
            if !self.visit_frame(visit)? {
                self.let_go();
                return Ok(true);
            }
        }
    }

    /// Between pages, which may be long, a scan keeps no large frame in memory.
    fn let_go(&mut self) {
        self.let_go = self
            .frame
            .is_some_and(|frame| frame.header.frame_bytes() > KEPT_FRAME_BYTES);
        if self.let_go {
            self.frame = None;
            self.cursor = None;
        }
    }

    /// Asks the index for the next stretch. False when nothing is left.
    fn plan_more(&mut self) -> Result<bool, ReadError> {
        if self.after >= self.upto {
            return Ok(false);
        }
        let verdict = self.filter.verdict;
        let (index, order) = (&self.index, self.filter.order);
        let listed = match (&self.filter.topic, verdict) {
            (Some(topic), VerdictFilter::Stored) => {
                let limit = PLAN_SEQS as usize;
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
                let limit = PLAN_SEQS as usize;
                let found = index.not_stored(self.after, self.upto, order, limit, Some(only))?;
                Listed::new(found.iter().map(|found| found.judged).collect(), limit)
            }
            _ => return self.plan_stretch().map(|()| true),
        };
        match (listed.full, listed.judged.last()) {
            (true, Some(last)) if order == Order::Ascending => self.after = last.seq,
            (true, Some(last)) => self.upto = last.seq.previous(),
            _ => self.after = self.upto,
        }
        self.plan.extend(listed.judged);
        Ok(true)
    }

    /// Plans all seqs of the next stretch that have the right verdict.
    fn plan_stretch(&mut self) -> Result<(), ReadError> {
        let (from, to) = match self.filter.order {
            Order::Ascending => {
                let to = self.upto.min(self.after.plus(PLAN_SEQS));
                let from = self.after.next();
                self.after = to;
                (from, to)
            }
            Order::Descending => {
                let lower = Seq::new(self.upto.get().saturating_sub(PLAN_SEQS));
                let (from, to) = (self.after.max(lower).next(), self.upto);
                self.upto = from.previous();
                (from, to)
            }
        };
        let all = self.filter.verdict == VerdictFilter::All;
        let wanted = |judged: &Judged| match judged.verdict {
            Verdict::Stored => true,
            Verdict::Lost => false,
            Verdict::Duplicate | Verdict::Conflict => all,
        };
        let judged = self.index.verdicts(from, to)?;
        let judged = judged.into_iter().filter(wanted);
        match self.filter.order {
            Order::Ascending => self.plan.extend(judged),
            Order::Descending => self.plan.extend(judged.rev()),
        }
        Ok(())
    }

    /// Has the frame with this seq at hand. False if there is none of events.
    fn go_to(&mut self, seq: Seq) -> Result<bool, ReadError> {
        let holds = |frame: &Frame| frame.header.first_seq <= seq && seq < frame.header.next_seq();
        if !self.frame.as_ref().is_some_and(holds) {
            self.frame = None;
            let end = Seq::new(u64::MAX);
            let mut cursor = match self.cursor.take() {
                Some(cursor)
                    if cursor.next_seq() <= seq && seq.since(cursor.next_seq()) < WALK_SEQS =>
                {
                    cursor
                }
                _ => self.log.frames(seq, end),
            };
            while let Some(frame) = cursor.next_frame()? {
                if holds(&frame) {
                    self.frame = Some(frame);
                    break;
                }
            }
            self.cursor = Some(cursor);
        }
        Ok(self
            .frame
            .is_some_and(|frame| frame.frame_type == Some(FrameType::Events)))
    }

    /// Gives what is planned of the frame at hand. False when `visit` said so.
    fn visit_frame(
        &mut self,
        visit: &mut dyn FnMut(&LoggedEvent<'_>) -> bool,
    ) -> Result<bool, ReadError> {
        let (Some(frame), Some(cursor)) = (self.frame, &self.cursor) else {
            return Ok(true);
        };
        let events = cursor.events(&frame)?;
        while let Some(judged) = self.plan.front().copied() {
            if judged.seq < frame.header.first_seq || judged.seq >= frame.header.next_seq() {
                return Ok(true);
            }
            self.plan.pop_front();
            let Some(event) = events.get(judged.seq.since(frame.header.first_seq) as usize) else {
                continue;
            };
            let topic_fits = self.filter.topic.as_ref().is_none_or(|t| *t == event.topic);
            let source_fits = self
                .filter
                .source
                .as_ref()
                .is_none_or(|s| *s == event.source);
            if !topic_fits || !source_fits {
                continue;
            }
            let logged = LoggedEvent {
                judged,
                received_at: frame.header.received_at,
                event: event.clone(),
            };
            if !visit(&logged) {
                return Ok(false);
            }
        }
        Ok(true)
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
