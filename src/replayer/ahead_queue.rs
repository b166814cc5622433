//! Between the line and the thread that reads ahead of it: frames that were read, and what is to
//! be done next.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::ahead::Due;
use super::frames::LoggedFrame;
use crate::index::{Foresight, Index};
use crate::log::LogError;

/// What is read ahead takes no more memory than this and one frame: 1.6 million events, about
/// all that can be applied again after a kill. The thread's window into the log, and the frame
/// in the making, come on top, as where the line reads by itself.
pub(super) const BYTES_MAX: usize = if cfg!(test) { 20_000 } else { 64 << 20 };

/// What the thread does next.
pub(super) enum Task {
    /// Reads a frame.
    Read,
    /// Looks up the keys of one.
    Foresee {
        number: u64,
        frame: Arc<LoggedFrame>,
        index: Arc<Index>,
    },
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    has_read: Condvar,
    has_work: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) read: VecDeque<Result<Due, LogError>>,
    pub(super) bytes: usize,
    /// How many were taken: the number of the first of those that are here.
    taken: u64,
    /// The keys of those up to here were looked up.
    foreseen: u64,
    /// The index of who takes them; none before the first was asked for.
    index: Option<Arc<Index>>,
    /// Nothing more is read.
    pub(super) ended: bool,
    /// Nobody takes any more.
    abandoned: bool,
    /// Whether anybody would hear a notification, which costs a call of the system.
    taker_waits: bool,
    pub(super) reader_waits: bool,
}

impl Queue {
    /// Waits for something to do; none when the thread is of no more use.
    pub(super) fn task(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.abandoned {
                return None;
            }
            if !state.ended && state.bytes < BYTES_MAX {
                return Some(Task::Read);
            }
            if let Some(task) = state.next_to_foresee() {
                return Some(task);
            }
            if state.ended && (state.index.is_some() || state.read.is_empty()) {
                return None;
            }
            state.reader_waits = true;
            state = wait(&self.has_work, state);
        }
    }

    /// Takes what was read.
    pub(super) fn put(&self, read: Result<Due, LogError>) {
        let mut state = self.lock();
        state.bytes += bytes_of(&read);
        state.read.push_back(read);
        if std::mem::take(&mut state.taker_waits) {
            self.has_read.notify_one();
        }
    }

    /// Takes what was looked up of the frame with this number, if it is still here.
    pub(super) fn foreseen(&self, number: u64, foresight: Foresight) {
        let mut state = self.lock();
        let bytes = foresight.memory_bytes();
        let place = number.checked_sub(state.taken).map(|place| place as usize);
        if let Some(Ok(due)) = place.and_then(|place| state.read.get_mut(place)) {
            due.foresight = Some(foresight);
            state.bytes += bytes;
        }
    }

    /// Waits for the next frame, which is for this index; none if there is no more.
    pub(super) fn take(&self, index: &Arc<Index>) -> Option<Result<Due, LogError>> {
        let mut state = self.lock();
        if state
            .index
            .as_ref()
            .is_none_or(|old| !Arc::ptr_eq(old, index))
        {
            state.index = Some(index.clone());
            self.has_work.notify_one();
        }
        while state.read.is_empty() && !state.ended {
            state.taker_waits = true;
            state = wait(&self.has_read, state);
        }
        let read = state.read.pop_front()?;
        state.taken += 1;
        state.bytes -= bytes_of(&read);
        // Not for each small frame.
        if state.bytes <= BYTES_MAX / 2 && std::mem::take(&mut state.reader_waits) {
            self.has_work.notify_one();
        }
        Some(read)
    }

    /// Nothing more is read.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.has_read.notify_one();
    }

    /// Nobody takes any more.
    pub(super) fn abandon(&self) {
        self.lock().abandoned = true;
        self.has_work.notify_one();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next frame whose keys were not looked up. Not the first of all: whoever takes it
    /// next is faster without.
    fn next_to_foresee(&mut self) -> Option<Task> {
        let index = self.index.as_ref()?;
        let number = self.foreseen.max(self.taken + 1);
        let frame = match self.read.get((number - self.taken) as usize)? {
            Ok(due) => due.frame.clone(),
            Err(_) => return None,
        };
        self.foreseen = number + 1;
        Some(Task::Foresee {
            number,
            frame,
            index: index.clone(),
        })
    }
}

fn wait<'s>(condition: &Condvar, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
    condition
        .wait(state)
        .unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn bytes_of(read: &Result<Due, LogError>) -> usize {
    read.as_ref().map_or(0, |due| {
        let foresight = due.foresight.as_ref().map_or(0, Foresight::memory_bytes);
        due.frame.memory_bytes() + foresight
    })
}
