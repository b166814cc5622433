//! Drives durable frames through the fold: from the flushed watermark on at start, and ever
//! after. Recovery is not a second code path.
//!
//! What the committer just wrote comes in memory, through the [`Inbox`]; whatever does not
//! (at start, after a stall, for a new index) is read from the log. The fold cannot tell.
//!
//! The cursor never passes a frame that was not applied. When the index fails, a frame is
//! tried three times, then the line stops and is said to be degraded, and it is tried on and
//! on until it heals; a damaged index is discarded and folded anew from the whole log.

mod frames;
mod health;
mod inbox;
mod payloads;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use frames::{FrameReader, LoggedFrame};
pub use health::{Health, HealthReport};
pub use inbox::{Handed, Inbox, Next, Waiter};
pub use payloads::LogPayloads;

use crate::event::Seq;
use crate::index::fold::{FoldInput, Judged};
use crate::index::{Index, IndexError, IndexOptions};
use crate::log::LiveLog;

/// Attempts before the line is said to be stopped.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long a full delta is waited for before a stop is looked for.
const ROOM_PAUSE: Duration = Duration::from_millis(50);
/// How often a stop looks whether all is applied.
const STOP_PAUSE: Duration = Duration::from_millis(2);
/// So long the thread sleeps when nothing happens; it only bounds a lost wake-up.
const IDLE: Duration = Duration::from_millis(500);

/// Where the index is and how it is opened: what a rebuild needs.
#[derive(Clone, Debug)]
pub struct IndexPlace {
    /// Its directory.
    pub dir: PathBuf,
    /// The log that it belongs to.
    pub log_id: [u8; 16],
    /// How it is opened.
    pub options: IndexOptions,
}

/// What the replayer shares with those who ask.
#[derive(Debug)]
pub struct Shared {
    log: Arc<LiveLog>,
    place: IndexPlace,
    index: RwLock<Arc<Index>>,
    health: Health,
    /// The seq that a replay goes up to, which the log had when it began; zero when there is
    /// none. What is published meanwhile does not make it longer.
    replaying_to: AtomicU64,
    stopping: AtomicBool,
}

impl Shared {
    /// Whether nothing can be applied at present.
    pub fn is_stalled(&self) -> bool {
        self.health.is_stalled()
    }

    /// The index as it is now. After damage it is another one.
    pub fn index(&self) -> Arc<Index> {
        self.index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The log.
    pub fn log(&self) -> &Arc<LiveLog> {
        &self.log
    }

    /// How the line is doing.
    pub fn health(&self) -> HealthReport {
        // Under the lock: what an index counted is taken over when it is replaced.
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        self.health.report(&index.flush_health())
    }

    /// Puts another index in the place of an abandoned one.
    fn replace_index(&self, new: Index) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        self.health.take_over(&index.flush_health());
        *index = Arc::new(new);
    }

    /// The seq that the index must reach to have what the log had at the start, or when it was
    /// given up; none when it has.
    pub fn replaying_to(&self) -> Option<Seq> {
        match self.replaying_to.load(Ordering::Acquire) {
            0 => None,
            seq => Some(Seq::new(seq)),
        }
    }

    /// How many events a replay has still to apply.
    pub fn left_to_replay(&self) -> u64 {
        match self.replaying_to() {
            None => 0,
            Some(goal) => goal.since(self.index().applied()),
        }
    }

    fn replay_to(&self, seq: Seq) {
        self.replaying_to.store(seq.get(), Ordering::Release);
    }
}

/// The replayer's thread.
#[derive(Debug)]
pub struct Replayer<W: Waiter> {
    shared: Arc<Shared>,
    inbox: Arc<Inbox<W>>,
    thread: Option<JoinHandle<()>>,
}

impl<W: Waiter> Replayer<W> {
    /// Starts folding.
    pub fn start(
        log: Arc<LiveLog>,
        index: Index,
        place: IndexPlace,
        inbox: Arc<Inbox<W>>,
    ) -> Replayer<W> {
        let durable = log.durable();
        let replaying_to = if index.applied() < durable {
            durable
        } else {
            Seq::ZERO
        };
        let shared = Arc::new(Shared {
            log: log.clone(),
            place,
            index: RwLock::new(Arc::new(index)),
            health: Health::default(),
            replaying_to: AtomicU64::new(replaying_to.get()),
            stopping: AtomicBool::new(false),
        });
        let line = Line {
            shared: shared.clone(),
            inbox: inbox.clone(),
            payloads: LogPayloads::new(log.clone()),
            reader: FrameReader::new(log),
            progress: Progress::default(),
        };
        let thread = std::thread::Builder::new()
            .name("replayer".into())
            .spawn(move || line.run())
            .expect("a thread can be started when the store opens");
        Replayer {
            shared,
            inbox,
            thread: Some(thread),
        }
    }

    /// What it shares.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Applies what is durable, as far as it can be done by `until`, flushes and closes the
    /// index. What is left is applied after the next start.
    pub fn stop(&mut self, until: Instant) {
        while Instant::now() < until
            && !self.shared.health.is_stalled()
            && self.shared.index().applied() < self.shared.log.durable()
        {
            std::thread::sleep(STOP_PAUSE);
        }
        self.end_thread();
        let index = self.shared.index();
        if self.shared.health.is_stalled() || index.flush_health().failing_since.is_some() {
            // It would only wait for what does not come.
            return;
        }
        if let Err(error) = index.close() {
            tracing::warn!("the index was not closed cleanly: {error}");
        }
    }

    fn end_thread(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.inbox.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl<W: Waiter> Drop for Replayer<W> {
    fn drop(&mut self) {
        self.end_thread();
    }
}

/// Why the line does not go on with a frame.
enum Halt {
    Stopping,
    /// There is another index now, and another watermark.
    Rebuilt,
}

struct Line<W: Waiter> {
    shared: Arc<Shared>,
    inbox: Arc<Inbox<W>>,
    reader: FrameReader,
    payloads: LogPayloads,
    progress: Progress,
}

#[derive(Default)]
struct Progress {
    told: Option<Instant>,
}

impl<W: Waiter> Line<W> {
    fn run(mut self) {
        while !self.shared.stopping.load(Ordering::Acquire) {
            let index = self.shared.index();
            if let Some(what) = index.damage() {
                // Also when nothing is to be applied: reads need it.
                let _ = self.rebuild(&index, &what);
                continue;
            }
            let next = index.applied().next();
            self.tell_progress(next);
            match self.inbox.take(next) {
                Next::Handed(handed) => self.apply_handed(&index, handed),
                Next::InLog => {
                    // Whatever stops it is dealt with in there.
                    let _ = self.apply_logged(&index, next);
                }
                Next::Later => self.inbox.wait(IDLE),
            }
        }
    }

    fn apply_handed(&mut self, index: &Arc<Index>, handed: Handed<W>) {
        let Handed {
            first_seq,
            count,
            arrivals,
            mut waiter,
            ..
        } = handed;
        let applied = match arrivals {
            Some(arrivals) => {
                let input = FoldInput::Arrivals(&arrivals);
                self.apply(index, first_seq, input, &mut || {
                    if let Some(waiter) = waiter.take() {
                        waiter.later(first_seq, count);
                    }
                })
            }
            None => self.apply_logged(index, first_seq),
        };
        match (applied, waiter) {
            (Ok(judged), Some(waiter)) => waiter.judged(first_seq, judged),
            (Err(_), Some(waiter)) => waiter.later(first_seq, count),
            (_, None) => {}
        }
    }

    /// Reads the frame that is due from the log and applies it.
    fn apply_logged(&mut self, index: &Arc<Index>, next: Seq) -> Result<Vec<Judged>, Halt> {
        let mut attempt = Attempt::default();
        let frame = loop {
            match self.reader.read(next) {
                Ok(Some(frame)) => break frame,
                Ok(None) => return Ok(Vec::new()),
                Err(error) => self.failed(&mut attempt, &error.to_string(), &mut || {})?,
            }
        };
        self.recovered();
        if frame.first_seq != next {
            let what = format!(
                "it was applied up to seq {}, which is within the frame of seq {}",
                next.previous(),
                frame.first_seq
            );
            return Err(self.rebuild(index, &what));
        }
        self.apply(index, frame.first_seq, frame.input(), &mut || {})
    }

    /// Applies a frame, however often it takes. `on_stall` is called when the line stops.
    fn apply(
        &mut self,
        index: &Arc<Index>,
        first_seq: Seq,
        input: FoldInput<'_>,
        on_stall: &mut dyn FnMut(),
    ) -> Result<Vec<Judged>, Halt> {
        let mut attempt = Attempt::default();
        loop {
            match index.apply(first_seq, input, &self.payloads) {
                Ok(judged) => {
                    self.recovered();
                    return Ok(judged);
                }
                Err(IndexError::DeltaFull) => {
                    if index.flush_health().failing_since.is_some() {
                        self.shared
                            .health
                            .stall("the delta is full and cannot be flushed");
                        self.inbox.release_all();
                        on_stall();
                    }
                    index.wait_for_room(input.count(), ROOM_PAUSE);
                    self.pause(Duration::ZERO)?;
                }
                Err(
                    error @ (IndexError::Damaged { .. }
                    | IndexError::OtherLog { .. }
                    | IndexError::OtherVersion { .. }
                    | IndexError::NotNext { .. }
                    | IndexError::Closed),
                ) => return Err(self.rebuild(index, &error.to_string())),
                Err(error) => self.failed(&mut attempt, &error.to_string(), on_stall)?,
            }
        }
    }

    /// Counts a failed attempt and waits for the next one.
    fn failed(
        &self,
        attempt: &mut Attempt,
        why: &str,
        on_stall: &mut dyn FnMut(),
    ) -> Result<(), Halt> {
        attempt.tries += 1;
        self.shared.health.retried();
        if attempt.tries >= TRIES {
            if !attempt.stalled {
                tracing::error!(
                    "applying stops after {TRIES} attempts, to go on when it can: {why}"
                );
                self.shared.health.failed();
            }
            attempt.stalled = true;
            self.shared.health.stall(why);
            self.inbox.release_all();
            on_stall();
        }
        let doubled = FIRST_PAUSE * 4u32.saturating_pow(attempt.tries - 1);
        self.pause(doubled.min(PAUSE_MAX))
    }

    fn recovered(&self) {
        if self.shared.health.is_stalled() {
            tracing::info!("applying goes on");
            self.shared.health.heal();
        }
    }

    /// Sleeps, but not through a stop.
    fn pause(&self, pause: Duration) -> Result<(), Halt> {
        let until = Instant::now() + pause;
        loop {
            if self.shared.stopping.load(Ordering::Acquire) {
                return Err(Halt::Stopping);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
    }

    /// Puts a new, empty index in the place of a damaged one.
    fn rebuild(&self, index: &Index, why: &str) -> Halt {
        tracing::error!("the index is given up and folded anew from the log: {why}");
        self.shared.health.failed();
        // First: who finds the new index must know that it is not complete.
        self.shared.replay_to(self.shared.log.durable());
        // A connection left open could touch the files that are made under the same names.
        index.abandon();
        let mut attempt = Attempt::default();
        loop {
            let place = &self.shared.place;
            // The directory may be what was taken away.
            let opened = std::fs::create_dir_all(&place.dir)
                .and_then(|()| Index::discard(&place.dir))
                .map_err(IndexError::from)
                .and_then(|()| Index::open(&place.dir, place.log_id, place.options.clone()));
            match opened {
                Ok(index) => {
                    self.shared.replace_index(index);
                    self.inbox.start_over(self.shared.log.durable());
                    self.recovered();
                    return Halt::Rebuilt;
                }
                Err(error) => {
                    if let Err(halt) = self.failed(&mut attempt, &error.to_string(), &mut || {}) {
                        return halt;
                    }
                }
            }
        }
    }

    /// Says about every second how far a rebuild is, and when it is done.
    fn tell_progress(&mut self, next: Seq) {
        let Some(goal) = self.shared.replaying_to() else {
            return;
        };
        let applied = next.previous();
        if applied >= goal {
            tracing::info!("the index is complete up to seq {applied}");
            self.shared.replay_to(Seq::ZERO);
            self.progress.told = None;
        } else if self
            .progress
            .told
            .is_none_or(|told| told.elapsed() >= Duration::from_secs(1))
        {
            if self.progress.told.is_some() {
                tracing::info!("replaying: seq {applied} of {goal}");
            }
            self.progress.told = Some(Instant::now());
        }
    }
}

#[derive(Default)]
struct Attempt {
    tries: u32,
    stalled: bool,
}
