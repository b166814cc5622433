//! The wiring: log, index and replayer as one store, its state, and what HTTP and the
//! command line ask of it.

mod answers;
mod directories;
mod disk;
mod figures;
mod file_system_kind;
mod known_index;
mod open;
mod open_error;
mod options;
mod plan;
mod rights;
mod scan;
mod sink;
mod started;
mod state;
mod topic_gate;
mod watcher;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{oneshot, watch};

pub use answers::*;
pub use disk::Disk;
pub use figures::{Flows, Sizes, Stats};
pub use open_error::{OpenError, OpenFailure};
pub use options::StoreOptions;
pub use rights::Denied;
pub use scan::EventScan;
pub use started::{LastStop, StartReport};

use crate::event::{Batch, Seq};
use crate::index::fold::{Arrivals, Verdict};
use crate::index::{Index, IndexError};
use crate::log::codec::encode_events;
use crate::log::frame::PreparedPayload;
use crate::log::{Committer, DataLock, LiveLog, LogError, LogId, PreparedBatch, Reading, Status};
use crate::replayer::{Replayer, Shared};
use sink::{Reply, Ticket};
use topic_gate::{NewTopics, TopicGate};
use watcher::Watcher;

/// A running store. All its calls are thread-safe; those marked blocking read disks.
#[derive(Debug)]
pub struct Store {
    options: StoreOptions,
    started: Instant,
    start_report: StartReport,
    log: Arc<LiveLog>,
    replayer: Arc<Shared>,
    status: Arc<Status>,
    poisoned: watch::Receiver<Option<String>>,
    draining: AtomicBool,
    watcher: Arc<Watcher>,
    topics: Arc<TopicGate>,
    /// Taken at the stop, in this order.
    committer: Mutex<Option<Committer<Ticket>>>,
    line: Mutex<Option<Replayer<Reply>>>,
    /// Let go last.
    _lock: DataLock,
}

impl Store {
    /// Which log this is.
    pub fn log_id(&self) -> LogId {
        self.log.log_id()
    }

    /// How its start went.
    pub fn start_report(&self) -> StartReport {
        self.start_report
    }

    /// Encodes, hashes and queues a batch. Not async; takes CPU time in proportion to the batch.
    ///
    /// # Errors
    /// [`PublishRefusal`]: nothing was written.
    pub fn submit(&self, batch: &Batch<'_>, when: ReplyWhen) -> Result<Submitted, PublishRefusal> {
        self.check_admission()?;
        let arrivals = Arc::new(Arrivals::of(batch.key_rule(), batch.events()));
        let new_topics = self.admit_topics(&arrivals)?;
        let payload =
            encode_events(batch).map_err(|error| PublishRefusal::NotWritten(error.to_string()))?;
        let prepared = PreparedBatch {
            payload: PreparedPayload::new(payload),
            key_rule: batch.key_rule(),
            count: batch.events().len() as u32,
        };
        let (reply, outcome) = oneshot::channel();
        let durable_from = DurableFrom::default();
        let ticket = Ticket {
            arrivals: arrivals.clone(),
            durable_from: durable_from.clone(),
            when,
            new_topics,
            reply: Reply(reply),
        };
        let committer = self
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let queued = match committer.as_ref() {
            Some(committer) => committer.submit(prepared, ticket).is_ok(),
            None => false,
        };
        if queued {
            Ok(Submitted {
                arrivals,
                outcome,
                durable_from,
            })
        } else {
            Err(PublishRefusal::Draining)
        }
    }

    fn check_admission(&self) -> Result<(), PublishRefusal> {
        if self.status.poisoned().is_some() {
            return Err(PublishRefusal::NotWritten(
                "the log takes no more writes".into(),
            ));
        }
        if self.draining.load(Ordering::Acquire) {
            return Err(PublishRefusal::Draining);
        }
        match self.backlog_full() {
            Some(why) => {
                self.watcher.met(State::BacklogFull, &why);
                Err(PublishRefusal::BacklogFull(why))
            }
            None => Ok(()),
        }
    }

    fn admit_topics(&self, arrivals: &Arrivals) -> Result<Option<NewTopics>, PublishRefusal> {
        let index = self.replayer.index();
        let topics = &arrivals.topics;
        let admitted = self.topics.admit(topics, || index.topic_census(topics));
        admitted.map_err(|too_many| match self.rebuild_progress() {
            // What is not replayed yet may have these very topics.
            Some(progress) => PublishRefusal::NotWritten(progress),
            None if too_many.may_pass => PublishRefusal::NotWritten(
                "other batches on their way have new topics, of which too many may come".into(),
            ),
            None => PublishRefusal::TooManyTopics {
                topics: too_many.counted,
                max: self.options.max_topics,
            },
        })
    }

    /// The verdicts of the seqs from `from` to `to`, both included. Blocking.
    ///
    /// # Errors
    /// [`ReadError::IndexUnavailable`].
    pub fn verdicts(&self, from: Seq, to: Seq) -> Result<Verdicts, ReadError> {
        let durable = self.log.durable();
        if to > durable || from == Seq::ZERO {
            return Ok(Verdicts::Unknown { durable });
        }
        let index = self.replayer.index();
        let applied = index.applied();
        if to > applied {
            return Ok(Verdicts::Pending { applied });
        }
        Ok(Verdicts::Judged(index.verdicts(from, to)?))
    }

    /// Gives one event to `visit`. Blocking.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn event<T>(
        &self,
        seq: Seq,
        visit: impl FnOnce(&LoggedEvent<'_>) -> T,
    ) -> Result<Lookup<T>, ReadError> {
        let judged = match self.verdicts(seq, seq)? {
            Verdicts::Unknown { .. } => return Ok(Lookup::Unknown),
            Verdicts::Pending { .. } => return Ok(Lookup::Pending),
            Verdicts::Judged(judged) => judged,
        };
        let judged = match judged.first() {
            Some(judged) if judged.verdict != Verdict::Lost => *judged,
            _ => return Ok(Lookup::Lost),
        };
        Ok(match self.log.events(Reading::Picking).event(seq)? {
            Some((received_at, event)) => Lookup::Found(visit(&LoggedEvent {
                judged,
                received_at,
                event: &event,
            })),
            None => Lookup::Lost,
        })
    }

    /// Events up to what is applied now.
    ///
    /// # Errors
    /// [`ReadError::IndexUnavailable`] while the index is rebuilding: the answer would be short.
    pub fn scan(&self, filter: EventFilter) -> Result<EventScan, ReadError> {
        let index = self.complete_index()?;
        Ok(EventScan::new(self.log.clone(), index, filter))
    }

    /// Topics after this number, in order of first arrival. Blocking.
    ///
    /// # Errors
    /// [`ReadError::IndexUnavailable`] while the index is rebuilding.
    pub fn topics(&self, after_no: u64, limit: usize) -> Result<Vec<TopicCount>, ReadError> {
        Ok(self.complete_index()?.topics(after_no, limit))
    }

    /// The index, unless it is rebuilding.
    fn complete_index(&self) -> Result<Arc<Index>, ReadError> {
        // Before the question: that a new index is not complete is said before it is there.
        let index = self.replayer.index();
        match self.rebuild_progress() {
            Some(progress) => Err(ReadError::IndexUnavailable(progress)),
            None => Ok(index),
        }
    }

    /// Resolves when a write or a sync failed, with the reason; the process must then end.
    pub async fn poisoned(&self) -> String {
        let mut poisoned = self.poisoned.clone();
        loop {
            if let Some(why) = poisoned.borrow_and_update().clone() {
                return why;
            }
            if poisoned.changed().await.is_err() {
                // The committer has stopped cleanly and will not be poisoned any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether a write or a sync failed.
    pub fn is_poisoned(&self) -> bool {
        self.status.poisoned().is_some()
    }

    /// From now on publishes are refused; what is queued goes on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Stops: what is queued becomes durable, what is durable is applied as far as it can be
    /// done by `until`, the log and the index are left clean. Blocking.
    pub fn stop(&self, until: Instant) {
        self.drain();
        let committer = take(&self.committer);
        if let Some(mut committer) = committer {
            committer.stop();
        }
        if let Some(mut line) = take(&self.line) {
            line.stop(until);
        }
    }

    fn index(&self) -> Arc<Index> {
        self.replayer.index()
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl From<IndexError> for ReadError {
    fn from(error: IndexError) -> ReadError {
        ReadError::IndexUnavailable(error.to_string())
    }
}

impl From<LogError> for ReadError {
    fn from(error: LogError) -> ReadError {
        ReadError::Log(error.to_string())
    }
}
