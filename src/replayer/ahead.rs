//! Frames that the line will ask for next, read and hashed on a thread of their own: so that
//! it overlaps with the waiting for filters and with applying. When as many are read as may be,
//! the thread looks their keys up in the index's runs, if the line has begun to take them.
//!
//! The thread only goes ahead. What it gives is what [`FrameReader`] gives, errors included,
//! in the same order; where it has ended, or could not be started, the line reads by itself.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::ahead_queue::{Queue, Task};
use super::frames::{FrameReader, LoggedFrame};
use crate::event::Seq;
use crate::index::{Foresight, Index};
use crate::log::{LiveLog, LogError};

/// For fewer events no thread is started.
pub(super) const EVENTS_MIN: u64 = if cfg!(test) { 20 } else { 10_000 };

/// The frame that is due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) frame: Arc<LoggedFrame>,
    /// What was looked up of it.
    pub(super) foresight: Option<Foresight>,
}

impl From<LoggedFrame> for Due {
    fn from(frame: LoggedFrame) -> Due {
        Due {
            frame: Arc::new(frame),
            foresight: None,
        }
    }
}

/// Reads frames one after the other, ahead of who asks where many are to come.
#[derive(Debug)]
pub(super) struct ReadAhead {
    log: Arc<LiveLog>,
    /// For what is not read ahead.
    reader: FrameReader,
    running: Option<Running>,
}

impl ReadAhead {
    /// Of this log.
    pub(super) fn new(log: Arc<LiveLog>) -> ReadAhead {
        ReadAhead {
            reader: FrameReader::new(log.clone()),
            log,
            running: None,
        }
    }

    /// Begins with the frame that holds `next`, which is asked for next, and goes on up to
    /// `upto`, if that is far. What was read ahead from elsewhere is thrown away.
    pub(super) fn expect(&mut self, next: Seq, upto: Seq) {
        if self.running.as_ref().is_some_and(|old| old.next != next) {
            self.running = None;
        }
        if self.running.is_none() && upto.next().since(next) >= EVENTS_MIN {
            self.running = Running::start(&self.log, next, upto);
        }
    }

    /// The frame that holds `next`; none if it is not durable. It is for this index. The
    /// frames from there up to `upto` will be asked for, too.
    ///
    /// # Errors
    /// I/O errors and damage, at each attempt anew.
    pub(super) fn read(
        &mut self,
        index: &Arc<Index>,
        next: Seq,
        upto: Seq,
    ) -> Result<Option<Due>, LogError> {
        self.expect(next, upto);
        let running = self.running.as_mut();
        match running.and_then(|running| running.take(index)) {
            Some(read) => read.map(Some),
            None => Ok(self.reader.read(next)?.map(Due::from)),
        }
    }
}

/// A thread that reads ahead. Dropping it ends it.
#[derive(Debug)]
struct Running {
    queue: Arc<Queue>,
    /// The seq whose frame comes next.
    next: Seq,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// None if the system has no thread to give.
    fn start(log: &Arc<LiveLog>, next: Seq, upto: Seq) -> Option<Running> {
        let queue = Arc::new(Queue::default());
        let reading = Reading {
            reader: FrameReader::new(log.clone()),
            queue: queue.clone(),
        };
        let thread = thread::Builder::new()
            .name("read-ahead".into())
            .spawn(move || reading.run(next, upto))
            .ok()?;
        Some(Running {
            queue,
            next,
            thread: Some(thread),
        })
    }

    /// Waits for the next frame; none if there is no more.
    fn take(&mut self, index: &Arc<Index>) -> Option<Result<Due, LogError>> {
        let read = self.queue.take(index)?;
        if let Ok(due) = &read {
            self.next = due.frame.next_seq();
        }
        Some(read)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.queue.abandon();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Reading {
    reader: FrameReader,
    queue: Arc<Queue>,
}

impl Reading {
    fn run(mut self, mut next: Seq, upto: Seq) {
        while let Some(task) = self.queue.task() {
            match task {
                Task::Read if next > upto => self.queue.end(),
                Task::Read => match self.reader.read(next) {
                    Ok(Some(frame)) => {
                        next = frame.next_seq();
                        self.queue.put(Ok(frame.into()));
                    }
                    Ok(None) => self.queue.end(),
                    Err(error) => {
                        self.queue.put(Err(error));
                        self.queue.end();
                    }
                },
                Task::Foresee {
                    number,
                    frame,
                    index,
                } => {
                    if let Some(foresight) = frame.foresee(&index) {
                        self.queue.foreseen(number, foresight);
                    }
                }
            }
        }
    }
}

impl Drop for Reading {
    /// Also after a panic: nobody waits in vain.
    fn drop(&mut self) {
        self.queue.end();
    }
}

#[cfg(test)]
#[path = "ahead_tests.rs"]
pub(super) mod tests;
