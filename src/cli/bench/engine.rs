//! Drives a target over some connections, all on this thread: of what was tried it costs the
//! least CPU, which the server beside it needs (`benches/RESULTS.md` has the figures).

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::intervals::{Every, Interval, Intervals};
use super::pace::{Pace, Rate, Timer};
use super::sequence::{Age, Ids, Sequence, Share};
use super::shape::{Sent, Shape};
use super::tally::{Latency, Tally};
use super::target::{Connection as _, Counts, Target};
use crate::http::process_cpu_seconds;

/// For a name and all its addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers close connections that are idle for long; such a one is not used again.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// After a failure, before a connection is tried again.
const RECONNECT: Duration = Duration::from_millis(50);
/// A server that only failed for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(5);
/// How long requests in flight may take once it was told to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What is sent, and how.
#[derive(Clone, Debug)]
pub struct Load {
    /// What the events look like.
    pub shape: Shape,
    /// Picks the ids that are repeated.
    pub seed: u64,
    /// Events of a request.
    pub batch: usize,
    /// How many there are, each with one request in flight.
    pub connections: usize,
    /// When it ends.
    pub end: End,
    /// Events a second, in an open loop.
    pub rate: Option<u64>,
    /// The share of events whose id was sent before.
    pub repeats: Share,
    /// Which those are.
    pub age: Age,
    /// So many ids, from number 0 on, are in the store already.
    pub known: u64,
    /// How long an answer may take.
    pub answer_timeout: Duration,
    /// How often an [`Interval`] is told.
    pub report_every: Option<Every>,
}

/// When it ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// After so long.
    After(Duration),
    /// After so many events.
    Events(u64),
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// What became of the requests.
    pub tally: Tally,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// The CPU of this process, in seconds.
    pub cpu_seconds: f64,
    /// The fresh ids up to its end have the numbers before this one.
    pub ids: u64,
    /// The server could not be reached any more.
    pub is_server_gone: bool,
}

struct Shared<T> {
    target: T,
    load: Load,
    pace: Pace,
    sequence: RefCell<Sequence>,
    tally: RefCell<Tally>,
    /// Latencies since the last interval.
    recent: RefCell<Latency>,
    /// Since when there was no answer, after a failure.
    failing_since: Cell<Option<Instant>>,
    is_gone: Cell<bool>,
    /// No more requests.
    stop: CancellationToken,
}

/// Sends the load, until its end or until it is told to stop.
///
/// # Errors
/// The first connections cannot be made, or the system gives no timers.
pub async fn drive<T: Target + 'static>(
    target: T,
    load: Load,
    stop: CancellationToken,
    mut tell: impl FnMut(&Interval),
) -> io::Result<Measured> {
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        let connection = timeout(CONNECT_TIMEOUT, target.connect()).await??;
        connections.push((connection, Timer::new()?));
    }
    let (begin, cpu_before) = (Instant::now(), process_cpu_seconds());
    let mut intervals = Intervals::new(load.report_every, begin);
    let shared = Rc::new(Shared::new(target, load, begin, stop.child_token()));
    let local = LocalSet::new();
    let mut workers = JoinSet::new();
    for (place, (connection, timer)) in connections.into_iter().enumerate() {
        let work = Rc::clone(&shared).work(place, connection, timer);
        workers.spawn_local_on(work, &local);
    }
    let watched = shared.watch(&mut workers, &mut intervals, &mut tell);
    local.run_until(watched).await?;
    let elapsed = begin.elapsed();
    shared.end(&mut intervals, &mut tell);
    Ok(Measured {
        tally: shared.tally.take(),
        elapsed,
        cpu_seconds: process_cpu_seconds() - cpu_before,
        ids: shared.sequence.borrow().ids(),
        is_server_gone: shared.is_gone.get(),
    })
}

impl<T: Target> Shared<T> {
    fn new(target: T, load: Load, begin: Instant, stop: CancellationToken) -> Shared<T> {
        let (duration, events) = match load.end {
            End::After(duration) => (Some(duration), None),
            End::Events(events) => (None, Some(events)),
        };
        let batch = load.batch as u64;
        let rate = load.rate.map(|events| Rate { events, batch });
        let requests = events.map(|events| events.div_ceil(batch));
        let ids = Ids {
            repeats: load.repeats,
            age: load.age,
            known: load.known,
            seed: load.seed,
        };
        Shared {
            pace: Pace::new(begin, rate, duration, requests),
            sequence: RefCell::new(Sequence::new(ids, events, load.connections)),
            tally: RefCell::default(),
            recent: RefCell::default(),
            failing_since: Cell::new(None),
            is_gone: Cell::new(false),
            target,
            load,
            stop,
        }
    }

    /// What one connection does.
    async fn work(
        self: Rc<Self>,
        place: usize,
        connection: T::Connection,
        timer: Timer,
    ) -> io::Result<()> {
        let mut used = Some((connection, Instant::now()));
        let mut events = Vec::new();
        while let Some(due) = self.pace.next() {
            tokio::select! {
                slept = timer.sleep(due.saturating_duration_since(Instant::now())) => slept?,
                () = self.stop.cancelled() => break,
            }
            let open = used
                .take()
                .filter(|(connection, since)| connection.is_open() && since.elapsed() < IDLE_MAX);
            let connection = match open {
                Some((connection, _)) => connection,
                None => match self.connect().await {
                    Some(connection) => connection,
                    None => break,
                },
            };
            // What is taken is sent.
            if self.stop.is_cancelled() {
                break;
            }
            let batch = self.load.batch;
            self.sequence.borrow_mut().take(place, batch, &mut events);
            if events.is_empty() {
                break;
            }
            let connection = self.send(place, connection, &events, due).await;
            used = connection.map(|connection| (connection, Instant::now()));
        }
        Ok(())
    }

    /// A new connection; none if it was told to stop, or is at its end.
    async fn connect(&self) -> Option<T::Connection> {
        while !self.stop.is_cancelled() && !self.pace.is_over() {
            let connected = timeout(CONNECT_TIMEOUT, self.target.connect()).await;
            match connected.unwrap_or_else(|late| Err(late.into())) {
                Ok(connection) => return Some(connection),
                Err(error) => self.failed(&error),
            }
            sleep(RECONNECT).await;
        }
        None
    }

    /// Sends a batch; gives the connection back if it can be used again.
    async fn send(
        &self,
        place: usize,
        mut connection: T::Connection,
        events: &[Sent],
        due: Instant,
    ) -> Option<T::Connection> {
        let sent_at = Instant::now();
        let begin = match self.load.rate {
            Some(_) => due,
            None => sent_at,
        };
        let sending = connection.send(&self.load.shape, events);
        let answered = timeout(self.load.answer_timeout, sending).await;
        self.recent.borrow_mut().record(begin.elapsed());
        let mut tally = self.tally.borrow_mut();
        tally.was_late_by(sent_at - begin);
        let due = Counts::due(events);
        match answered.unwrap_or_else(|late| Err(late.into())) {
            Ok(outcome) => {
                self.failing_since.set(None);
                let is_in_log = outcome.is_acknowledged();
                tally.answered(outcome, due);
                self.sequence.borrow_mut().settle(place, is_in_log);
                Some(connection)
            }
            Err(error) => {
                tally.unknown += due.events();
                self.sequence.borrow_mut().settle(place, false);
                drop(tally);
                self.failed(&error);
                None
            }
        }
    }

    fn failed(&self, error: &io::Error) {
        self.tally.borrow_mut().errors.add(&error.to_string());
        let since = self.failing_since.get().unwrap_or_else(Instant::now);
        self.failing_since.set(Some(since));
        if since.elapsed() > GONE_AFTER {
            self.is_gone.set(true);
            self.stop.cancel();
        }
    }

    /// Waits for the connections' work to end, and tells how it goes on.
    async fn watch(
        &self,
        workers: &mut JoinSet<io::Result<()>>,
        intervals: &mut Intervals,
        tell: &mut impl FnMut(&Interval),
    ) -> io::Result<()> {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        let mut stopped_at = None;
        loop {
            tokio::select! {
                ended = workers.join_next() => match ended {
                    None => return Ok(()),
                    Some(Ok(worked)) => worked?,
                    Some(Err(error)) if error.is_panic() => {
                        std::panic::resume_unwind(error.into_panic())
                    }
                    Some(Err(_aborted)) => {}
                },
                _ = ticks.tick() => {
                    if intervals.are_due(self.tally.borrow().events) {
                        self.tell(intervals, tell);
                    }
                    if self.stop.is_cancelled() {
                        let since = *stopped_at.get_or_insert_with(Instant::now);
                        if since.elapsed() > LAST_ANSWERS {
                            workers.abort_all();
                        }
                    }
                }
            }
        }
    }

    fn tell(&self, intervals: &mut Intervals, tell: &mut impl FnMut(&Interval)) {
        let mut tally = self.tally.borrow_mut();
        let mut recent = self.recent.borrow_mut();
        let interval = intervals.next(tally.events, &recent);
        tally.latency.add(&recent);
        recent.clear();
        tell(&interval);
    }

    /// Counts what has no answer, and tells the last interval.
    fn end(&self, intervals: &mut Intervals, tell: &mut impl FnMut(&Interval)) {
        self.tally.borrow_mut().unknown += self.sequence.borrow().in_flight();
        for due in self.pace.not_sent() {
            // It waited so long at least.
            self.recent.borrow_mut().record(due.elapsed());
            self.tally.borrow_mut().not_sent += 1;
        }
        self.tell(intervals, tell);
    }
}
