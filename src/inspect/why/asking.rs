//! Who has the lock of a store, asked while other things are done.

use std::cell::{Cell, OnceCell};
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crate::index::Beside;
use crate::log::Holder;

/// A question that is being answered.
pub(super) struct Asking {
    data_dir: PathBuf,
    thread: Cell<Option<JoinHandle<io::Result<Holder>>>>,
    answer: OnceCell<io::Result<Holder>>,
}

impl Asking {
    /// Asks about this data directory.
    pub(super) fn begin(data_dir: &Path) -> Asking {
        let data_dir = data_dir.to_owned();
        let dir = data_dir.clone();
        let thread = thread::Builder::new().name("holder".into());
        Asking {
            data_dir,
            // Without a thread it is asked when it is needed.
            thread: Cell::new(thread.spawn(move || Holder::of(&dir)).ok()),
            answer: OnceCell::new(),
        }
    }

    /// Whether a process writes the index.
    pub(super) fn beside(&self) -> Beside {
        // An error is told by the one who wants the holder.
        let holder = self.answer.get_or_init(|| self.wait()).as_ref();
        holder.map_or(Beside::Nobody, Beside::from)
    }

    /// Who has it.
    ///
    /// # Errors
    /// As [`Holder::of`].
    pub(super) fn holder(mut self) -> io::Result<Holder> {
        let answer = self.answer.take();
        answer.unwrap_or_else(|| self.wait())
    }

    fn wait(&self) -> io::Result<Holder> {
        match self.thread.take() {
            Some(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            None => Holder::of(&self.data_dir),
        }
    }
}
