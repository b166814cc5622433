//! The fold on a thread of its own: it applies while the walk reads, checks and hashes what comes
//! next.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::receipts::ReceiptCheck;
use crate::event::Seq;
use crate::index::fold::{FoldInput, FoldState};
use crate::index::{Durability, Index, IndexError, IndexOptions};
use crate::inspect::StorePlace;
use crate::inspect::payloads::SweptPayloads;
use crate::log::LogId;
use crate::replayer::{LoggedFrame, apply_offline};

/// Small frames are handed over together: to wake a thread costs as much as to fold one.
const CHUNK_BYTES: usize = 1 << 20;
/// With one in the making and one that is folded, so much may wait in memory, each with the
/// largest frame on top.
const CHUNKS_WAITING: usize = 4;

/// What is folded next.
#[derive(Debug)]
enum Part {
    /// A good frame that takes seqs.
    Frame(LoggedFrame),
    /// What is damaged or missing.
    Lost {
        /// From here on.
        first: Seq,
        /// So many.
        count: u64,
    },
}

/// What was folded.
#[derive(Debug)]
pub(super) struct Folded {
    /// Counters and hash at its end.
    pub(super) state: FoldState,
    /// The same where the store's own index ends; none if no frame ends there.
    pub(super) at_flushed: Option<FoldState>,
    /// The receipts, as far as the log goes.
    pub(super) receipts: Option<ReceiptCheck>,
}

/// Why it could not be folded to the end.
#[derive(Debug)]
pub(super) enum FoldFailed {
    /// The index cannot take it.
    Index(IndexError),
    /// The receipts cannot be read back.
    Receipts(io::Error),
}

impl From<IndexError> for FoldFailed {
    fn from(error: IndexError) -> FoldFailed {
        FoldFailed::Index(error)
    }
}

/// What is folded, and how.
#[derive(Copy, Clone, Debug)]
pub(super) struct FoldOptions<'f> {
    /// An empty directory for the index.
    pub(super) dir: &'f Path,
    /// The most memory for its filters.
    pub(super) filter_memory_bytes: u64,
    /// Counters and hash are noted where this is the last seq.
    pub(super) flushed: Seq,
    /// So many events are to come.
    pub(super) events: u64,
}

/// A fold under way. Dropping it ends it.
#[derive(Debug)]
pub(super) struct FoldLine {
    sender: Option<SyncSender<Vec<Part>>>,
    chunk: Vec<Part>,
    chunk_bytes: usize,
    /// The seq that comes next.
    due: Seq,
    thread: Option<JoinHandle<Result<Folded, FoldFailed>>>,
}

impl FoldLine {
    /// Folds the log of this place, and holds receipts against it.
    ///
    /// # Errors
    /// The index cannot be made.
    pub(super) fn start(
        place: &StorePlace,
        log_id: LogId,
        options: FoldOptions<'_>,
        receipts: Option<ReceiptCheck>,
    ) -> Result<FoldLine, IndexError> {
        let index_options = IndexOptions {
            durability: Durability::Throwaway,
            filter_memory_bytes: options.filter_memory_bytes,
            ..IndexOptions::default()
        };
        let index = Index::open(options.dir, log_id.0, index_options)?;
        index.make_room(options.events);
        let folding = Folding {
            index,
            payloads: SweptPayloads::new(place),
            flushed: options.flushed,
            folded: Folded {
                state: FoldState::default(),
                at_flushed: (options.flushed == Seq::ZERO).then(FoldState::default),
                receipts,
            },
        };
        let (sender, parts) = sync_channel(CHUNKS_WAITING);
        let thread = thread::Builder::new()
            .name("fold".into())
            .spawn(move || folding.run(&parts))?;
        Ok(FoldLine {
            sender: Some(sender),
            chunk: Vec::new(),
            chunk_bytes: 0,
            due: Seq::FIRST,
            thread: Some(thread),
        })
    }

    /// Takes the next good frame that takes seqs. False when the fold has failed:
    /// [`FoldLine::finish`] says why.
    pub(super) fn take(&mut self, frame: LoggedFrame) -> bool {
        let (first, next) = (frame.first_seq, frame.next_seq());
        let goes_on = self.skip_to(first);
        if first < self.due {
            return goes_on;
        }
        self.due = next;
        goes_on && self.push(frame.memory_bytes(), Part::Frame(frame))
    }

    /// What is due before this seq is damaged or missing: the verdicts are those of what remains.
    /// Gives the same as [`FoldLine::take`].
    pub(super) fn skip_to(&mut self, seq: Seq) -> bool {
        if seq <= self.due {
            return true;
        }
        let (first, count) = (self.due, seq.since(self.due));
        self.due = seq;
        self.push(size_of::<Part>(), Part::Lost { first, count })
    }

    fn push(&mut self, bytes: usize, part: Part) -> bool {
        self.chunk_bytes += bytes;
        self.chunk.push(part);
        self.chunk_bytes < CHUNK_BYTES || self.hand_over()
    }

    fn hand_over(&mut self) -> bool {
        self.chunk_bytes = 0;
        let chunk = std::mem::take(&mut self.chunk);
        self.sender
            .as_ref()
            .is_some_and(|sender| sender.send(chunk).is_ok())
    }

    /// Waits until all is folded, and the index is closed.
    ///
    /// # Errors
    /// What could not be folded.
    pub(super) fn finish(mut self) -> Result<Folded, FoldFailed> {
        self.hand_over();
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(folded)) => folded,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(IndexError::Closed.into()),
        }
    }
}

impl Drop for FoldLine {
    /// Before its directory goes away.
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Folding {
    index: Index,
    payloads: SweptPayloads,
    flushed: Seq,
    folded: Folded,
}

impl Folding {
    fn run(mut self, parts: &Receiver<Vec<Part>>) -> Result<Folded, FoldFailed> {
        while let Ok(chunk) = parts.recv() {
            for part in chunk {
                self.fold(&part)?;
            }
        }
        self.index.close()?;
        Ok(self.folded)
    }

    fn fold(&mut self, part: &Part) -> Result<(), FoldFailed> {
        let (first, rule, input) = match part {
            Part::Frame(frame) => (frame.first_seq, frame.key_rule, frame.input()),
            Part::Lost { first, count } => (*first, None, FoldInput::Hole(*count)),
        };
        let judged = apply_offline(&self.index, first, input, None, &self.payloads)?;
        let folded = &mut self.folded;
        folded.state = self.index.state();
        if folded.state.applied() == self.flushed {
            folded.at_flushed = Some(folded.state);
        }
        match &mut folded.receipts {
            Some(receipts) => receipts
                .part(first, rule, input, &judged)
                .map_err(FoldFailed::Receipts),
            None => Ok(()),
        }
    }
}
