//! The flush thread: flushes what is due, merges in between, tries again what fails.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::delta::Delta;
use super::error::IndexError;
use super::shared::{Due, Shared};
use super::writer::Writer;

/// How many blocks are merged, at least, for each that a flush writes while merges wait:
/// more than the geometric merging needs, so that it never falls behind.
const MERGED_PER_FLUSHED: usize = 3;

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
            .spawn(move || run(&for_thread, writer))?;
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

/// Runs the flush thread until it is stopped. Returns the writer for an orderly close;
/// `None` after damage.
fn run(shared: &Shared, writer: Writer) -> Option<Writer> {
    let mut worker = Worker {
        shared,
        writer,
        merge_debt: 0,
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

struct Worker<'s> {
    shared: &'s Shared,
    writer: Writer,
    /// How many blocks to merge before the next flush.
    merge_debt: usize,
    /// No merging before this, after one that failed.
    merge_after: Option<Instant>,
}

impl Worker<'_> {
    /// # Errors
    /// Only what trying again does not heal.
    fn work(&mut self) -> Result<(), IndexError> {
        while !self.shared.signal().stop {
            self.shared.check()?;
            #[cfg(test)]
            self.limit_pages()?;
            let next = match self.shared.due() {
                Due::Now(delta) => {
                    self.flush(delta)?;
                    while self.merge_debt > 0 && self.merge()? {}
                    self.merge_debt = 0;
                    continue;
                }
                Due::At(at) => Some(at),
                Due::Never => None,
            };
            if !self.merge()? {
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

    fn flush(&mut self, delta: Arc<Delta>) -> Result<(), IndexError> {
        let topics = delta
            .topics
            .iter()
            .map(|topic| topic.before.no)
            .fold(self.writer.head.topics, u64::max);
        match self.writer.flush(&delta, topics) {
            Ok(()) => {
                self.publish(Some(&delta));
                let blocks = delta.keys.len() * 40 / self.writer.shape.block_bytes + 1;
                self.merge_debt = blocks * MERGED_PER_FLUSHED;
                self.checkpoint()?;
            }
            Err(damage @ IndexError::Damaged { .. }) => return Err(damage),
            Err(error) => {
                let pause = self
                    .shared
                    .tell_waiting(|signal| signal.tries.failed(&error));
                self.shared.pause(pause);
            }
        }
        Ok(())
    }

    /// Does a slice of a merge; false when there is nothing to do.
    fn merge(&mut self) -> Result<bool, IndexError> {
        if self.merge_after.is_some_and(|after| Instant::now() < after) || self.shared.signal().stop
        {
            return Ok(false);
        }
        self.merge_after = None;
        match self.writer.merge_slice() {
            Ok(None) => Ok(false),
            Ok(Some((blocks, runs_changed))) => {
                self.merge_debt = self.merge_debt.saturating_sub(blocks.max(1));
                if runs_changed {
                    self.publish(None);
                }
                self.checkpoint()?;
                Ok(true)
            }
            Err(damage @ IndexError::Damaged { .. }) => Err(damage),
            Err(error) => {
                self.postpone_merges(&error);
                Ok(false)
            }
        }
    }

    /// Shows the runs as they are now committed, and that a delta has been.
    fn publish(&self, flushed: Option<&Delta>) {
        let runs = Arc::new(self.writer.runs.clone());
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

    /// A checkpoint that fails costs no more than a longer WAL; it is tried again before
    /// the next write.
    fn checkpoint(&mut self) -> Result<(), IndexError> {
        match self.writer.checkpoint_if_due() {
            Err(damage @ IndexError::Damaged { .. }) => Err(damage),
            Err(error) => {
                self.postpone_merges(&error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn postpone_merges(&mut self, error: &IndexError) {
        let pause: Duration = self
            .shared
            .tell_waiting(|signal| signal.tries.merge_failed(error));
        self.merge_after = Some(Instant::now() + pause);
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
