//! The one thread that writes: it takes what is queued, writes and syncs it as one group,
//! and only then says so. Whatever is queued while a sync runs goes into the next group.
//!
//! A failed write or sync poisons the log: what was written but not synced is of unknown
//! outcome, what was queued is not written, and nothing is ever tried again, since after a
//! failed sync the next one may succeed without the data (seen on ext4 after EIO).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::LogError;
use super::no_room::NoRoom;
use super::room::RoomView;
use super::writer::{NotPlaced, Placed, PreparedBatch, Writer};

/// A group is closed at this size, so that its first batch need not wait for all of a flood.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// When nothing followed for so long, a mark proves the last group.
const IDLE: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 100 });

/// Why a batch was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Written, but its sync failed or came too late: the next start decides.
    OutcomeUnknown,
    /// Nothing of it was written; the log is poisoned or stopped.
    NotWritten,
    /// There was no room for it; nothing was written.
    NoRoom(NoRoom),
}

/// Hears what becomes of batches, on the committer's thread.
pub trait CommitSink: Send + 'static {
    /// What comes with each batch and is given back.
    type Ticket: Send + 'static;

    /// These batches are durable, in this order.
    fn durable(&mut self, placed: Placed, count: u32, ticket: Self::Ticket);

    /// A group was delivered.
    fn group_ended(&mut self) {}

    /// This batch was not acknowledged.
    fn refused(&mut self, ticket: Self::Ticket, why: Refused);

    /// The log takes no more writes.
    fn poisoned(&mut self, why: &str);
}

enum Message<T> {
    Batch(PreparedBatch, T),
    Stop,
}

/// Takes batches in any thread.
#[derive(Debug)]
pub struct Committer<T> {
    queue: Sender<Message<T>>,
    status: Arc<Status>,
    thread: Option<JoinHandle<()>>,
}

/// What everybody may ask.
#[derive(Debug)]
pub struct Status {
    room: RoomView,
    poisoned: OnceLock<String>,
    no_room: Mutex<Option<NoRoom>>,
    has_no_room: AtomicBool,
}

impl Status {
    /// Why the log is poisoned, if it is.
    pub fn poisoned(&self) -> Option<&str> {
        self.poisoned.get().map(String::as_str)
    }

    /// Why a batch would find no room now: too little is free, or the last batch found none
    /// and none could be made since.
    pub fn no_room(&self) -> Option<NoRoom> {
        self.room.low().or_else(|| {
            let found_none = self.has_no_room.load(Ordering::Acquire);
            (found_none && self.room.refused().is_some())
                .then(|| self.lock_no_room().clone())
                .flatten()
        })
    }

    fn set_no_room(&self, no_room: Option<NoRoom>) {
        self.has_no_room.store(no_room.is_some(), Ordering::Release);
        *self.lock_no_room() = no_room;
    }

    fn lock_no_room(&self) -> MutexGuard<'_, Option<NoRoom>> {
        self.no_room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Committer<T> {
    pub(super) fn start<S: CommitSink<Ticket = T>>(writer: Writer, sink: S) -> Committer<T> {
        let (queue, receiver) = channel();
        let status = Arc::new(Status {
            room: writer.room(),
            poisoned: OnceLock::new(),
            no_room: Mutex::default(),
            has_no_room: AtomicBool::new(false),
        });
        let worker = Worker {
            writer,
            sink,
            receiver,
            status: status.clone(),
            group: Vec::new(),
            stopping: false,
        };
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || worker.run())
            .expect("a thread can be started when the store opens");
        Committer {
            queue,
            status,
            thread: Some(thread),
        }
    }

    /// Queues a batch; its ticket comes back through the sink.
    ///
    /// # Errors
    /// The ticket, when the committer has stopped: nothing was written.
    pub fn submit(&self, batch: PreparedBatch, ticket: T) -> Result<(), T> {
        match self.queue.send(Message::Batch(batch, ticket)) {
            Ok(()) => Ok(()),
            Err(error) => match error.0 {
                Message::Batch(_, ticket) => Err(ticket),
                Message::Stop => unreachable!("a batch was sent"),
            },
        }
    }

    /// Its status.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Writes what is queued, leaves the log clean and ends the thread.
    pub fn stop(&mut self) {
        // A thread that is gone has stopped already.
        let _ = self.queue.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<T> Drop for Committer<T> {
    fn drop(&mut self) {
        let _ = self.queue.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker<S: CommitSink> {
    writer: Writer,
    sink: S,
    receiver: Receiver<Message<S::Ticket>>,
    status: Arc<Status>,
    /// Placed in the open group, and not yet durable.
    group: Vec<(Placed, u32, S::Ticket)>,
    /// The last message was taken: nothing more may be waited for.
    stopping: bool,
}

/// The log is poisoned; the thread goes on only to say so.
struct Poisoned;

impl<S: CommitSink> Worker<S> {
    fn run(mut self) {
        if self.serve().is_err() {
            while !self.stopping
                && let Ok(Message::Batch(_, ticket)) = self.receiver.recv()
            {
                self.sink.refused(ticket, Refused::NotWritten);
            }
        }
    }

    fn serve(&mut self) -> Result<(), Poisoned> {
        loop {
            let first = if self.writer.has_unproven() {
                match self.receiver.recv_timeout(IDLE) {
                    Ok(message) => Ok(message),
                    Err(RecvTimeoutError::Timeout) => {
                        let marked = self.writer.mark();
                        self.or_poison(marked)?;
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => Err(()),
                }
            } else {
                self.receiver.recv().map_err(|_| ())
            };
            match first {
                Ok(Message::Batch(batch, ticket)) => self.place(batch, ticket)?,
                Ok(Message::Stop) | Err(()) => self.stopping = true,
            }
            while self.writer.group_bytes() < GROUP_BYTES_MAX && !self.stopping {
                match self.receiver.try_recv() {
                    Ok(Message::Batch(batch, ticket)) => self.place(batch, ticket)?,
                    Ok(Message::Stop) => self.stopping = true,
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            self.commit()?;
            if self.stopping {
                let shut = self.writer.shut_down();
                return self.or_poison(shut);
            }
        }
    }

    fn place(&mut self, batch: PreparedBatch, ticket: S::Ticket) -> Result<(), Poisoned> {
        let mut placed = self.writer.place(&batch);
        if matches!(placed, Err(NotPlaced::GroupFirst)) {
            if let Err(poisoned) = self.commit() {
                self.sink.refused(ticket, Refused::NotWritten);
                return Err(poisoned);
            }
            placed = self.writer.place(&batch);
        }
        match placed {
            Ok(placed) => {
                if self.status.has_no_room.load(Ordering::Relaxed) {
                    self.status.set_no_room(None);
                }
                self.group.push((placed, batch.count, ticket));
                Ok(())
            }
            Err(NotPlaced::NoRoom(no_room)) => {
                self.status.set_no_room(Some(no_room.clone()));
                self.sink.refused(ticket, Refused::NoRoom(no_room));
                Ok(())
            }
            Err(NotPlaced::Failed(error)) => {
                let poisoned = self.or_poison(Err(error));
                self.sink.refused(ticket, Refused::NotWritten);
                poisoned
            }
            Err(NotPlaced::GroupFirst) => unreachable!("the group was committed"),
        }
    }

    fn commit(&mut self) -> Result<(), Poisoned> {
        let committed = self.writer.commit();
        self.or_poison(committed)?;
        let any = !self.group.is_empty();
        for (placed, count, ticket) in self.group.drain(..) {
            self.sink.durable(placed, count, ticket);
        }
        if any {
            self.sink.group_ended();
        }
        Ok(())
    }

    fn or_poison(&mut self, result: Result<(), LogError>) -> Result<(), Poisoned> {
        let Err(error) = result else {
            return Ok(());
        };
        let why = error.to_string();
        // First, so that whoever is told of a refusal finds the reason.
        let _ = self.status.poisoned.set(why.clone());
        for (_, _, ticket) in self.group.drain(..) {
            self.sink.refused(ticket, Refused::OutcomeUnknown);
        }
        self.sink.poisoned(&why);
        Err(Poisoned)
    }
}
