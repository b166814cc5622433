//! The flush thread: flushes what is due, merges in between, tries again what fails.
//!
//! A delta is due a while after its first event, but after a flush not before fifty times as
//! long as that took, so that flushes by the clock take a fiftieth of the time at most; and at
//! once when it is large, or when somebody waits for it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::delta::Delta;
use super::error::IndexError;
use super::merging::Merged;
use super::run_set::RunSet;
use super::shared::{Due, Shared};
use super::writer::Writer;

/// How many blocks are merged without a pause for each that a flush writes and each time that it
/// will be merged until it is in the largest runs: an eighth more than that needs, so that merging
/// never falls behind, and not much more. A large merge goes on for as long as there is until the
/// next one: over sooner, it would cost publishers more meanwhile.
const MERGED_EACH_TIME: (u64, u64) = (9, 8);

/// Merging that is not owed takes this part, less one, of the time while something is published.
const RESTS_BESIDE_PUBLISHERS: u32 = 15;

/// How many times as long as a flush took nothing is flushed after it, while there is room in
/// memory: so flushes that take long are fewer, and larger.
const TIMES_WITHOUT_FLUSH: u32 = 50;

/// But no longer than this.
const WITHOUT_FLUSH_MAX: Duration = Duration::from_secs(30);

/// A flush that is due goes first until so many flushes' worth of merging are owed.
const FLUSHES_OWED_MAX: u64 = 8;

/// There is time while no more than this part of the merging is owed that may be.
const MERGE_DEBT_PARTS: u64 = 4;

/// Stops and joins the flush thread when dropped.
#[derive(Debug)]
pub(super) struct WorkerHandle {
    shared: Arc<Shared>,
    /// Taken by who ends it.
    thread: Mutex<Option<JoinHandle<Option<Writer>>>>,
}

impl WorkerHandle {
    pub(super) fn start(shared: Arc<Shared>, writer: Writer) -> io::Result<WorkerHandle> {
        let for_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("index-flush".into())
            .spawn(move || {
                step_back();
                run(&for_thread, writer)
            })?;
        Ok(WorkerHandle {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Of an index that is not open.
    pub(super) fn none(shared: Arc<Shared>) -> WorkerHandle {
        WorkerHandle {
            shared,
            thread: Mutex::new(None),
        }
    }

    /// Stops the thread after what it is at. Gives the writer for an orderly close, to the
    /// first who asks; `None` after damage.
    pub(super) fn end(&self) -> Option<Writer> {
        self.shared.tell_worker(|signal| signal.stop = true);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic of the thread was caught there.
        thread.take()?.join().ok()?
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.end();
    }
}

/// How much less of a busy processor the flush thread asks for. With 4 and more it gets too little
/// of one that publishers keep busy: then they wait, 0.2 s at a time, until merges have caught up. (By
/// single runs: see RESULTS.md.)
#[cfg(target_os = "linux")]
const NICER_BY: i32 = 2;

/// Lets the process's other threads go first, since publishers wait for them. When there is no
/// room in memory they wait for this one, and leave the processor to it.
fn step_back() {
    // Elsewhere this would be of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICER_BY) {
        tracing::debug!("the flush thread stays as important as others: {error}");
    }
}

/// Runs the flush thread until it is stopped. Returns the writer for an orderly close;
/// `None` after damage.
fn run(shared: &Shared, writer: Writer) -> Option<Writer> {
    let mut worker = Worker {
        shared,
        writer,
        has_flushed: false,
        loaded: false,
        merge_debt: 0,
        merge_debt_max: 0,
        merge_after: None,
    };
    let ended = catch_unwind(AssertUnwindSafe(|| worker.work()));
    let whole = match &ended {
        Ok(Ok(())) => true,
        Ok(Err(damage)) => {
            shared.remember_damage(&damage_of(damage));
            false
        }
        Err(_) => {
            shared.remember_damage("the flush thread panicked");
            false
        }
    };
    shared.tell_waiting(|signal| signal.gone = true);
    whole.then_some(worker.writer)
}

fn damage_of(error: &IndexError) -> String {
    match error {
        IndexError::Damaged { what } => what.clone(),
        other => other.to_string(),
    }
}

/// For how long after a flush that took so long nothing is flushed by the clock alone.
fn pause_after(flush: Duration) -> Duration {
    flush
        .saturating_mul(TIMES_WITHOUT_FLUSH)
        .min(WITHOUT_FLUSH_MAX)
}

struct Worker<'s> {
    shared: &'s Shared,
    writer: Writer,
    /// Nothing is merged before the first flush: an index that is only looked at, or that a
    /// start refuses, stays as it is.
    has_flushed: bool,
    /// Filters were read once, as far as there is room.
    loaded: bool,
    /// How many blocks to merge without a pause.
    merge_debt: u64,
    /// Beyond this a flush that is due waits for merges.
    merge_debt_max: u64,
    /// No merging before this.
    merge_after: Option<Instant>,
}

impl Worker<'_> {
    /// # Errors
    /// Only what trying again does not heal.
    fn work(&mut self) -> Result<(), IndexError> {
        while !self.shared.signal().stop {
            match self.shared.check() {
                // The end has begun, and the stop is told next.
                Err(IndexError::Closed) => break,
                checked => checked?,
            }
            #[cfg(test)]
            self.limit_pages()?;
            let next = match self.shared.due() {
                Due::Now(delta) => {
                    if self.merge_debt <= self.merge_debt_max || !self.work_behind()? {
                        self.flush(delta)?;
                    }
                    continue;
                }
                Due::At(at) => Some(at),
                Due::Never => None,
            };
            if !self.work_behind()? {
                self.wait_until(next);
            }
        }
        Ok(())
    }

    fn wait_until(&self, next: Option<Instant>) {
        let next = next.into_iter().chain(self.merge_after).min();
        self.shared
            .wait_for_work(next.map(|at| at.saturating_duration_since(Instant::now())));
    }

    /// Flushes are timed, so that one may delay the next.
    fn flush(&mut self, delta: Arc<Delta>) -> Result<(), IndexError> {
        self.set_pace();
        let begun = Instant::now();
        self.try_flush(delta)?;
        let ended = Instant::now();
        let not_before = ended + pause_after(ended - begun);
        self.shared
            .tell_waiting(|signal| signal.not_before = Some(not_before));
        Ok(())
    }

    fn try_flush(&mut self, delta: Arc<Delta>) -> Result<(), IndexError> {
        let topics = delta
            .topics
            .iter()
            .map(|topic| topic.before.no)
            .fold(self.writer.head.topics, u64::max);
        let keys = delta.keys.len() as u64;
        match self.writer.flush(&delta, topics) {
            Ok(blocks) => {
                self.has_flushed = true;
                // It answers also without anything in memory, if that could not be read.
                let loaded = self.writer.load_slice();
                self.publish(Some(&delta));
                self.shared.reuse(delta);
                let owed = self.owed(blocks, keys);
                self.merge_debt += owed;
                self.merge_debt_max = self.merge_debt_max.max(owed * FLUSHES_OWED_MAX);
                self.postpone_on(loaded.map(drop))?;
                let checkpointed = self.writer.checkpoint_if_due();
                self.postpone_on(checkpointed)?;
            }
            Err(damage @ IndexError::Damaged { .. }) => return Err(damage),
            Err(error) => {
                self.writer.give_room(&error);
                let pause = self
                    .shared
                    .tell_waiting(|signal| signal.tries.failed(&error));
                self.shared.pause(pause);
            }
        }
        Ok(())
    }

    /// Does a slice of what nobody waits for: reads filters into memory, merges. False when
    /// there is nothing to do now.
    fn work_behind(&mut self) -> Result<bool, IndexError> {
        if self.merge_after.is_some_and(|after| Instant::now() < after) || self.shared.signal().stop
        {
            return Ok(false);
        }
        self.merge_after = None;
        self.set_pace();
        let begun = Instant::now();
        let worked = self.slice();
        match worked {
            Ok(None) => {
                self.merge_debt = 0;
                Ok(false)
            }
            Ok(Some(Merged {
                blocks,
                runs_changed,
            })) => {
                if runs_changed {
                    self.publish(None);
                }
                if blocks > 0 && self.merge_debt == 0 {
                    self.merge_after = Some(Instant::now() + begun.elapsed() * self.rests());
                }
                self.merge_debt = self.merge_debt.saturating_sub(blocks);
                let checkpointed = self.writer.checkpoint_if_due();
                self.postpone_on(checkpointed)?;
                Ok(true)
            }
            Err(error) => {
                self.postpone_on(Err(error))?;
                Ok(false)
            }
        }
    }

    /// How many blocks are to be merged for a flush of so many, with so many keys.
    fn owed(&self, blocks: u64, keys: u64) -> u64 {
        let (merged, each_time) = MERGED_EACH_TIME;
        (blocks * self.writer.merges_until_largest(keys) * merged).div_ceil(each_time)
    }

    /// How many times as long as it took nothing is merged after a slice that is not owed.
    fn rests(&self) -> u32 {
        match self.shared.read().active.since {
            None => 1,
            Some(_) => RESTS_BESIDE_PUBLISHERS,
        }
    }

    /// In haste when merges are behind, or somebody waits. Who comes to wait later says so.
    fn set_pace(&self) {
        let is_behind = self.merge_debt > self.merge_debt_max / MERGE_DEBT_PARTS;
        self.shared.set_haste_if(is_behind);
    }

    fn slice(&mut self) -> Result<Option<Merged>, IndexError> {
        let has_loaded = match self.loaded {
            true => self.writer.load_slice(),
            false => self.writer.load_in_haste(),
        };
        if !self.loaded && !matches!(has_loaded, Ok(true)) {
            self.loaded = true;
            self.shared.tell_waiting(|signal| signal.loaded = true);
        }
        if has_loaded? {
            return Ok(Some(Merged {
                blocks: 0,
                runs_changed: true,
            }));
        }
        if !self.has_flushed {
            return Ok(None);
        }
        self.writer.merge_slice()
    }

    /// Shows the runs as they are now committed, and that a delta has been.
    fn publish(&self, flushed: Option<&Delta>) {
        let runs = Arc::new(RunSet::of(self.writer.runs.clone()));
        let mut live = self.shared.write();
        let old_runs = std::mem::replace(&mut live.runs, runs);
        let mut old_delta = None;
        if let Some(delta) = flushed {
            live.flushed = delta.applied();
            old_delta = live.frozen.take();
        }
        drop(live);
        // Freeing them takes a while, so not under the lock.
        drop((old_runs, old_delta));
        if flushed.is_some() {
            self.shared.tell_waiting(|signal| signal.tries.succeeded());
        }
    }

    /// What fails behind costs nobody anything yet (of a checkpoint, a longer WAL), and is
    /// tried again after a pause; but for damage.
    fn postpone_on(&mut self, result: Result<(), IndexError>) -> Result<(), IndexError> {
        match result {
            Err(damage @ IndexError::Damaged { .. }) => Err(damage),
            Err(error) => {
                let pause: Duration = self
                    .shared
                    .tell_waiting(|signal| signal.tries.merge_failed(&error));
                self.merge_after = Some(Instant::now() + pause);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    #[cfg(test)]
    fn limit_pages(&self) -> Result<(), IndexError> {
        let pages = self
            .shared
            .pages_max
            .load(std::sync::atomic::Ordering::Relaxed);
        let pages = if pages == 0 {
            i64::from(u32::MAX - 1)
        } else {
            pages
        };
        self.writer
            .connection
            .pragma_update(None, "max_page_count", pages)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_that_takes_long_delays_the_next_but_not_for_ever() {
        let millis = Duration::from_millis;
        assert_eq!(pause_after(millis(0)), millis(0));
        assert_eq!(pause_after(millis(8)), millis(400));
        assert_eq!(pause_after(millis(100)), millis(5_000));
        assert_eq!(pause_after(millis(700)), millis(30_000));
        assert_eq!(pause_after(Duration::MAX), millis(30_000));
    }
}
