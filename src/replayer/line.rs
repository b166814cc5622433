//! The line: one frame after the other, each as often as it takes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Shared;
use super::ahead::{Due, ReadAhead};
use super::inbox::{Handed, Inbox, Next, Waiter};
use super::payloads::LogPayloads;
use crate::event::Seq;
use crate::index::fold::{FoldInput, Judged};
use crate::index::{Foresight, Index, IndexError};

/// Attempts before the line is said to be stopped.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long a full delta is waited for before a stop is looked for.
const ROOM_PAUSE: Duration = Duration::from_millis(50);
/// From so many events on the index first gets its filters into memory, within this time: what is
/// not there would be read once for each key.
const MANY_EVENTS: u64 = 10_000;
const LOAD_WAIT: Duration = Duration::from_secs(5);
/// How often it is said how far a rebuild is.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// So long the thread sleeps when nothing happens; it only bounds a lost wake-up.
const IDLE: Duration = Duration::from_millis(500);

/// Why the line does not go on with a frame.
enum Halt {
    Stopping,
    /// The log gives no frame at that seq.
    NotThere,
    /// There is another index now, and another watermark.
    Rebuilt,
}

pub(super) struct Line<W: Waiter> {
    shared: Arc<Shared>,
    inbox: Arc<Inbox<W>>,
    reader: ReadAhead,
    payloads: LogPayloads,
    progress: Progress,
}

/// What a frame does, and what was looked up of it.
#[derive(Copy, Clone)]
struct Work<'f> {
    input: FoldInput<'f>,
    foresight: Option<&'f Foresight>,
}

/// Of a rebuild.
struct Progress {
    begun: Instant,
    told: Instant,
}

impl Progress {
    fn begin() -> Progress {
        let now = Instant::now();
        Progress {
            begun: now,
            told: now,
        }
    }
}

impl<W: Waiter> Line<W> {
    pub(super) fn new(shared: Arc<Shared>, inbox: Arc<Inbox<W>>) -> Line<W> {
        let log = shared.log().clone();
        Line {
            payloads: LogPayloads::until(log.clone(), shared.stopping.clone()),
            shared,
            inbox,
            reader: ReadAhead::new(log),
            progress: Progress::begin(),
        }
    }

    pub(super) fn run(mut self, unopened: Option<String>) {
        if let Some(why) = unopened {
            // Whatever stops it is dealt with in there.
            let _ = self.open_late(&why);
        }
        self.wait_until_loaded();
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
                // Whatever stops it is dealt with in there.
                Next::InLog { upto } => match self.apply_logged(&index, next, upto) {
                    Err(Halt::NotThere) => self.inbox.wait(IDLE),
                    Ok(_) | Err(Halt::Stopping | Halt::Rebuilt) => {}
                },
                Next::Later => self.inbox.wait(IDLE),
            }
        }
    }

    /// Where much is to be applied, first lets the index get its filters into memory; what is
    /// to be applied is read meanwhile.
    fn wait_until_loaded(&mut self) {
        let index = self.shared.index();
        let (next, durable) = (index.applied().next(), self.shared.log.durable());
        let events = durable.next().since(next);
        if events > MANY_EVENTS {
            self.reader.expect(next, durable);
            index.make_room(events);
            index.wait_until_loaded(LOAD_WAIT);
        }
    }

    fn apply_handed(&mut self, index: &Arc<Index>, handed: Handed<W>) {
        let Handed {
            first_seq,
            count,
            frame_bytes,
            arrivals,
            mut waiter,
        } = handed;
        let applied = match arrivals {
            Some(arrivals) => {
                let work = Work {
                    input: FoldInput::Arrivals(&arrivals),
                    foresight: None,
                };
                self.apply(index, first_seq, frame_bytes, work, &mut || {
                    if let Some(waiter) = waiter.take() {
                        waiter.later(first_seq, count);
                    }
                })
            }
            // The next one may be in memory again.
            None => self.apply_logged(index, first_seq, first_seq),
        };
        match (applied, waiter) {
            (Ok(judged), Some(waiter)) => waiter.judged(first_seq, judged),
            (Err(_), Some(waiter)) => waiter.later(first_seq, count),
            (_, None) => {}
        }
    }

    /// Reads the frame that is due from the log and applies it. What follows it is read from
    /// there, too, up to `upto`.
    fn apply_logged(
        &mut self,
        index: &Arc<Index>,
        next: Seq,
        upto: Seq,
    ) -> Result<Vec<Judged>, Halt> {
        let mut attempt = Attempt::default();
        let Due { frame, foresight } = loop {
            match self.reader.read(index, next, upto) {
                Ok(Some(due)) => break due,
                // Only what is durable is asked for.
                Ok(None) => return Err(Halt::NotThere),
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
        let (first_seq, frame_bytes) = (frame.first_seq, frame.frame_bytes);
        let work = Work {
            input: frame.input(),
            foresight: foresight.as_ref(),
        };
        self.apply(index, first_seq, frame_bytes, work, &mut || {})
    }

    /// Applies a frame, however often it takes. `on_stall` is called when the line stops.
    fn apply(
        &mut self,
        index: &Arc<Index>,
        first_seq: Seq,
        frame_bytes: u64,
        work: Work<'_>,
        on_stall: &mut dyn FnMut(),
    ) -> Result<Vec<Judged>, Halt> {
        let Work { input, foresight } = work;
        let mut attempt = Attempt::default();
        loop {
            match index.apply_foreseen(first_seq, input, foresight, &self.payloads) {
                Ok(judged) => {
                    self.shared.applied_bytes.add(first_seq, frame_bytes);
                    self.recovered();
                    return Ok(judged);
                }
                Err(IndexError::Interrupted) => return Err(Halt::Stopping),
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
    fn rebuild(&mut self, index: &Index, why: &str) -> Halt {
        self.progress = Progress::begin();
        tracing::error!("rebuilding: the index is given up and folded anew from the log: {why}");
        self.shared.health.failed();
        // First: who finds the new index must know that it is not complete.
        self.shared.replay_to(self.shared.log.durable());
        // A connection left open could touch the files that are made under the same names.
        index.abandon();
        self.open(Attempt::default(), true)
    }

    /// Opens an index that could not be opened at the start.
    fn open_late(&mut self, why: &str) -> Halt {
        self.shared.health.failed();
        self.shared.health.stall(why);
        let attempt = Attempt {
            tries: TRIES,
            stalled: true,
        };
        match self.pause(PAUSE_MAX) {
            Ok(()) => self.open(attempt, false),
            Err(halt) => halt,
        }
    }

    /// Opens an index in the place of the one that there is, however often it takes; `anew`
    /// says that what is there is given up. What is damaged is so in any case.
    fn open(&mut self, mut attempt: Attempt, mut anew: bool) -> Halt {
        loop {
            let place = &self.shared.place;
            // The directory may be what was taken away.
            let opened = std::fs::create_dir_all(&place.dir)
                .and_then(|()| {
                    if anew {
                        Index::discard(&place.dir)
                    } else {
                        Ok(())
                    }
                })
                .map_err(IndexError::from)
                .and_then(|()| Index::open(&place.dir, place.log_id, place.options.clone()));
            match opened {
                Ok(index) => {
                    self.shared.replace_index(index);
                    let durable_bytes = self.shared.log.batch_bytes();
                    self.shared.applied_bytes.start_over(durable_bytes);
                    self.inbox.start_over(self.shared.log.durable());
                    self.recovered();
                    return Halt::Rebuilt;
                }
                Err(
                    error @ (IndexError::Damaged { .. }
                    | IndexError::OtherLog { .. }
                    | IndexError::OtherVersion { .. }),
                ) if !anew => {
                    self.progress = Progress::begin();
                    tracing::error!(
                        "rebuilding: the index is given up and folded anew from the log: {error}"
                    );
                    anew = true;
                }
                Err(error) => {
                    if let Err(halt) = self.failed(&mut attempt, &error.to_string(), &mut || {}) {
                        return halt;
                    }
                }
            }
        }
    }

    /// Says by and by how far a rebuild is, and when it is done.
    fn tell_progress(&mut self, next: Seq) {
        let Some(goal) = self.shared.replaying_to() else {
            return;
        };
        let applied = next.previous();
        if applied >= goal {
            let seconds = self.progress.begun.elapsed().as_secs_f64();
            tracing::info!(
                "rebuilding is over after {seconds:.1} s: the index is complete up to seq {applied}"
            );
            self.shared.replay_to(Seq::ZERO);
        } else if self.progress.told.elapsed() >= TELL_EVERY {
            self.progress.told = Instant::now();
            tracing::info!("rebuilding: seq {applied} of {goal}");
        }
    }
}

#[derive(Default)]
struct Attempt {
    tries: u32,
    stalled: bool,
}
