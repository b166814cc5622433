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
    /// What it takes in the log.
    pub frame_bytes: u64,
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
    /// Up to here nothing comes any more that is not among the entries.
    passed: Seq,
    woken: bool,
}

/// Where the next batch is found.
#[derive(Debug)]
pub enum Next<W> {
    /// Here it is.
    Handed(Handed<W>),
    /// In the log, if it is durable: it will not come here any more.
    InLog {
        /// The same goes for all up to here.
        upto: Seq,
    },
    /// It comes, or it does not exist yet.
    Later,
}

impl<W: Waiter> Inbox<W> {
    /// An empty inbox; what is durable up to `durable` does not come through it.
    pub fn new(durable: Seq) -> Inbox<W> {
        Inbox {
            queue: Mutex::new(Queue {
                entries: VecDeque::new(),
                events: 0,
                passed: durable,
                woken: false,
            }),
            arrived: Condvar::new(),
        }
    }

    /// Takes durable batches, in order. `soon` says whether they will be judged soon: if not,
    /// whoever waits is answered at once, and they are read from the log later.
    pub fn hand(&self, batches: &mut Vec<Handed<W>>, soon: bool) {
        let mut queue = self.lock();
        for mut handed in batches.drain(..) {
            queue.passed = handed.first_seq.plus(u64::from(handed.count)).previous();
            if !soon || queue.entries.len() >= ENTRIES_MAX {
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

    /// Where the batch is that begins with this seq. Earlier ones are let go: they were
    /// applied from the log.
    pub fn take(&self, next: Seq) -> Next<W> {
        let mut queue = self.lock();
        while let Some(handed) = queue.entries.pop_front() {
            if handed.first_seq > next {
                let upto = handed.first_seq.previous();
                queue.entries.push_front(handed);
                return Next::InLog { upto };
            }
            if handed.arrivals.is_some() {
                queue.events -= u64::from(handed.count);
            }
            if handed.first_seq == next {
                return Next::Handed(handed);
            }
            if let Some(waiter) = handed.waiter {
                waiter.later(handed.first_seq, handed.count);
            }
        }
        // What was just synced may not have been handed over yet; read from the log it would
        // come twice, the second time with somebody who waits.
        if next <= queue.passed {
            Next::InLog { upto: queue.passed }
        } else {
            Next::Later
        }
    }

    /// All that is durable now is to be read from the log, but for what is here: the index
    /// begins anew.
    pub fn start_over(&self, durable: Seq) {
        let mut queue = self.lock();
        queue.passed = queue.passed.max(durable);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    #[derive(Debug)]
    struct Told(Sender<Seq>);

    impl Waiter for Told {
        fn judged(self, _: Seq, _: Vec<Judged>) {
            unreachable!("nothing is judged here");
        }

        fn later(self, first_seq: Seq, _: u32) {
            // Tests that do not listen drop the receiver.
            let _ = self.0.send(first_seq);
        }
    }

    fn handed(first_seq: u64, count: u32, told: &Sender<Seq>) -> Handed<Told> {
        Handed {
            first_seq: Seq::new(first_seq),
            count,
            frame_bytes: 0,
            arrivals: Some(Arc::default()),
            waiter: Some(Told(told.clone())),
        }
    }

    fn taken(inbox: &Inbox<Told>, next: u64) -> &'static str {
        match inbox.take(Seq::new(next)) {
            Next::Handed(_) => "handed",
            Next::InLog { .. } => "in log",
            Next::Later => "later",
        }
    }

    #[test]
    fn what_is_synced_but_not_handed_over_yet_is_not_read_from_the_log() {
        let (told, _hears) = channel();
        let inbox = Inbox::new(Seq::new(4));
        assert_eq!(taken(&inbox, 3), "in log", "from before the start");
        assert_eq!(taken(&inbox, 5), "later");
        inbox.hand(&mut vec![handed(5, 2, &told)], true);
        assert_eq!(taken(&inbox, 5), "handed");
        assert_eq!(taken(&inbox, 7), "later");
    }

    #[test]
    fn while_the_line_is_stopped_nobody_waits_and_all_is_found_in_the_log() {
        let (told, hears) = channel();
        let inbox = Inbox::new(Seq::ZERO);
        inbox.hand(&mut vec![handed(1, 2, &told), handed(3, 1, &told)], false);
        assert_eq!(
            hears.try_iter().collect::<Vec<_>>(),
            [Seq::new(1), Seq::new(3)]
        );
        assert_eq!(taken(&inbox, 1), "in log");
        assert_eq!(taken(&inbox, 3), "in log");
        assert_eq!(taken(&inbox, 4), "later");
    }

    #[test]
    fn whoever_waits_is_released_when_the_line_stops() {
        let (told, hears) = channel();
        let inbox = Inbox::new(Seq::ZERO);
        inbox.hand(&mut vec![handed(1, 1, &told), handed(2, 1, &told)], true);
        inbox.release_all();
        assert_eq!(hears.try_iter().count(), 2);
        assert_eq!(taken(&inbox, 1), "in log");
    }

    #[test]
    fn an_index_that_begins_anew_reads_the_log_up_to_what_is_here() {
        let (told, hears) = channel();
        let inbox = Inbox::new(Seq::ZERO);
        inbox.hand(&mut vec![handed(6, 1, &told)], true);
        inbox.start_over(Seq::new(6));
        assert_eq!(taken(&inbox, 1), "in log");
        assert_eq!(taken(&inbox, 6), "handed");
        assert_eq!(hears.try_iter().count(), 0);
    }

    #[test]
    fn digests_beyond_the_bound_are_left_to_the_log_and_their_waiter_stays() {
        let (told, hears) = channel();
        let inbox = Inbox::new(Seq::ZERO);
        let many = EVENTS_MAX as u32;
        inbox.hand(
            &mut vec![
                handed(1, many, &told),
                handed(u64::from(many) + 1, 1, &told),
            ],
            true,
        );
        assert_eq!(taken(&inbox, 1), "handed");
        match inbox.take(Seq::new(EVENTS_MAX + 1)) {
            Next::Handed(handed) => assert!(handed.arrivals.is_none() && handed.waiter.is_some()),
            other => panic!("{other:?}"),
        }
        assert_eq!(hears.try_iter().count(), 0, "nobody was sent away");
    }
}
