//! What the committer hands on in memory, so that the replayer need not read it back.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::event::Seq;
use crate::index::fold::{Arrivals, Judged};

/// Digests kept in memory at most, in events; the rest is read from the log.
const EVENTS_MAX: u64 = 500_000;
/// Entries kept at most; whoever waits in one that is not kept is answered at once.
const ENTRIES_MAX: usize = 100_000;

/// Somebody waits for the verdicts on a batch.
pub trait Waiter: Send + std::fmt::Debug + 'static {
    /// Here they are.
    fn judged(self, first_seq: Seq, judged: Vec<Judged>);

    /// They come later; the batch is durable.
    fn later(self, first_seq: Seq, count: u32);
}

/// A durable batch on its way to the fold.
#[derive(Debug)]
pub struct Handed<W> {
    /// Its first seq.
    pub first_seq: Seq,
    /// How many events it has.
    pub count: u32,
    /// The digests of its events; none when they must be taken from the log.
    pub arrivals: Option<Arc<Arrivals>>,
    /// Who waits.
    pub waiter: Option<W>,
}

/// The queue between committer and replayer.
#[derive(Debug)]
pub struct Inbox<W> {
    queue: Mutex<Queue<W>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct Queue<W> {
    entries: VecDeque<Handed<W>>,
    events: u64,
    woken: bool,
}

impl<W: Waiter> Default for Inbox<W> {
    fn default() -> Inbox<W> {
        Inbox {
            queue: Mutex::new(Queue {
                entries: VecDeque::new(),
                events: 0,
                woken: false,
            }),
            arrived: Condvar::new(),
        }
    }
}

impl<W: Waiter> Inbox<W> {
    /// Takes durable batches, in order. `open` says whether the line moves: if not, whoever
    /// waits is answered at once.
    pub fn hand(&self, batches: &mut Vec<Handed<W>>, open: bool) {
        let mut queue = self.lock();
        for mut handed in batches.drain(..) {
            if !open || queue.entries.len() >= ENTRIES_MAX {
                if let Some(waiter) = handed.waiter.take() {
                    waiter.later(handed.first_seq, handed.count);
                }
                continue;
            }
            if queue.events + u64::from(handed.count) > EVENTS_MAX && queue.events > 0 {
                handed.arrivals = None;
            }
            if handed.arrivals.is_some() {
                queue.events += u64::from(handed.count);
            }
            queue.entries.push_back(handed);
        }
        queue.woken = true;
        drop(queue);
        self.arrived.notify_one();
    }

    /// The batch that begins with this seq, if it is here. Earlier ones are let go: they were
    /// applied from the log.
    pub fn take(&self, next: Seq) -> Option<Handed<W>> {
        let mut queue = self.lock();
        while queue
            .entries
            .front()
            .is_some_and(|handed| handed.first_seq <= next)
        {
            let handed = queue.entries.pop_front()?;
            if handed.arrivals.is_some() {
                queue.events -= u64::from(handed.count);
            }
            if handed.first_seq == next {
                return Some(handed);
            }
            if let Some(waiter) = handed.waiter {
                waiter.later(handed.first_seq, handed.count);
            }
        }
        None
    }

    /// Waits until something was handed over, or somebody woke it, or the time is over.
    pub fn wait(&self, timeout: Duration) {
        let queue = self.lock();
        let (mut queue, _) = self
            .arrived
            .wait_timeout_while(queue, timeout, |queue| !queue.woken)
            .unwrap_or_else(PoisonError::into_inner);
        queue.woken = false;
    }

    /// Wakes whoever waits.
    pub fn wake(&self) {
        self.lock().woken = true;
        self.arrived.notify_one();
    }

    /// Answers everybody who waits: the line has stopped.
    pub fn release_all(&self) {
        let entries = {
            let mut queue = self.lock();
            queue.events = 0;
            std::mem::take(&mut queue.entries)
        };
        for handed in entries {
            if let Some(waiter) = handed.waiter {
                waiter.later(handed.first_seq, handed.count);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<W>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
