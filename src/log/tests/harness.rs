//! Opens logs on the simulated disk and publishes to them.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::history::{History, Outcome, Violation};
use crate::event::Seq;
use crate::log::storage::Storage;
use crate::log::storage::simulated::{Options, SimulatedDisk};
use crate::log::{
    self, CommitSink, Committer, LiveLog, LogError, LogOptions, OpenedLog, Placed, Refused,
};

/// Where the log lies.
pub(super) const LOG: &str = "/log";
/// Small, so that segments are sealed all the time.
pub(super) const SEGMENT_BYTES: u64 = 4096;
/// Nothing in a test takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// An empty disk with a durable directory for the log, on which nothing was counted yet.
pub(super) fn new_disk() -> SimulatedDisk {
    disk_with(Options::default())
}

/// The same with other settings.
pub(super) fn disk_with(options: Options) -> SimulatedDisk {
    let disk = SimulatedDisk::with_options(options);
    disk.create_dir(Path::new(LOG)).expect("a new disk");
    disk.sync_dir(Path::new("/")).expect("a new disk");
    disk.snapshot()
}

/// The path of a file of the log.
pub(super) fn in_log(name: &str) -> String {
    format!("{LOG}/{name}")
}

/// The names in the log's directory that contain this text.
pub(super) fn names(disk: &SimulatedDisk, text: &str) -> Vec<String> {
    let mut names = disk.list(Path::new(LOG)).expect("the disk lives");
    names.retain(|name| name.contains(text));
    names.sort();
    names
}

/// Small segments, everything checked at start.
pub(super) fn options() -> LogOptions {
    LogOptions {
        segment_bytes: SEGMENT_BYTES,
        min_free_bytes: 0,
        verify_bytes: u64::MAX,
        reserve_bytes: SEGMENT_BYTES,
        index_flushed: None,
        clock: || 1_700_000_000_000_000,
    }
}

/// Those options, with what an index proves.
pub(super) fn with_index(flushed: Option<u64>) -> LogOptions {
    LogOptions {
        index_flushed: flushed.map(Seq::new),
        ..options()
    }
}

/// Opens the log.
pub(super) fn open(disk: &SimulatedDisk, options: LogOptions) -> Result<OpenedLog, LogError> {
    log::open(Arc::new(disk.clone()), Path::new(LOG), options)
}

/// Opens the log and holds it against what was published.
pub(super) fn reopen(disk: &SimulatedDisk, history: &mut History) -> Result<OpenedLog, Violation> {
    let opened = open(disk, options()).map_err(Violation::Refused)?;
    history.judge(&opened.live, opened.next_seq)?;
    Ok(opened)
}

/// What the sink heard.
#[derive(Debug)]
pub(super) enum Heard {
    Durable { ticket: usize, first_seq: Seq },
    Refused { ticket: usize, why: Refused },
    Poisoned,
}

struct Ear {
    tell: Sender<Heard>,
    gate: Option<Receiver<()>>,
}

impl CommitSink for Ear {
    type Ticket = usize;

    fn durable(&mut self, placed: Placed, _: u32, ticket: usize) {
        let first_seq = placed.first_seq;
        // The test may have ended.
        let _ = self.tell.send(Heard::Durable { ticket, first_seq });
        if let Some(gate) = &self.gate {
            let _ = gate.recv();
        }
    }

    fn refused(&mut self, ticket: usize, why: Refused) {
        let _ = self.tell.send(Heard::Refused { ticket, why });
    }

    fn poisoned(&mut self, _: &str) {
        let _ = self.tell.send(Heard::Poisoned);
    }
}

/// A log that is being written, and one who waits for its answers.
pub(super) struct Publisher {
    pub(super) committer: Committer<usize>,
    pub(super) live: Arc<LiveLog>,
    heard: Receiver<Heard>,
    /// The log said that it takes no more.
    pub(super) poisoned: bool,
}

impl Publisher {
    /// Starts to write.
    pub(super) fn start(opened: OpenedLog) -> Publisher {
        Publisher::start_with(opened, None)
    }

    /// Starts to write; after each acknowledgement the committer waits for a word through
    /// the gate, or for its end. What is queued meanwhile is one group.
    pub(super) fn start_gated(opened: OpenedLog) -> (Publisher, Sender<()>) {
        let (gate, behind) = channel();
        (Publisher::start_with(opened, Some(behind)), gate)
    }

    fn start_with(opened: OpenedLog, gate: Option<Receiver<()>>) -> Publisher {
        let (tell, heard) = channel();
        let live = opened.live.clone();
        Publisher {
            committer: opened.start(Ear { tell, gate }),
            live,
            heard,
            poisoned: false,
        }
    }

    /// Publishes one batch and waits for what becomes of it.
    pub(super) fn publish(&mut self, history: &mut History, events: u32, bytes: usize) -> Outcome {
        let ticket = self.submit(history, events, bytes);
        self.wait_for(history, &[ticket]);
        history.outcome(ticket)
    }

    /// Publishes batches without waiting in between.
    pub(super) fn publish_together(&mut self, history: &mut History, batches: &[(u32, usize)]) {
        let tickets: Vec<usize> = batches
            .iter()
            .map(|(events, bytes)| self.submit(history, *events, *bytes))
            .collect();
        self.wait_for(history, &tickets);
    }

    /// Queues one batch; what becomes of it is unknown for now.
    pub(super) fn submit(&mut self, history: &mut History, events: u32, bytes: usize) -> usize {
        let (ticket, batch) = history.next_batch(events, bytes);
        if self.committer.submit(batch, ticket).is_err() {
            history.settle(ticket, Outcome::NotWritten);
        }
        ticket
    }

    /// Waits until each of these has its answer.
    #[track_caller]
    pub(super) fn wait_for(&mut self, history: &mut History, tickets: &[usize]) {
        while tickets.iter().any(|ticket| !history.is_answered(*ticket)) {
            match self.heard.recv_timeout(PATIENCE) {
                Ok(heard) => self.take(heard, history),
                Err(error) => panic!("a batch has no answer: {error}"),
            }
        }
        while let Ok(heard) = self.heard.try_recv() {
            self.take(heard, history);
        }
    }

    fn take(&mut self, heard: Heard, history: &mut History) {
        match heard {
            Heard::Durable { ticket, first_seq } => {
                history.settle(ticket, Outcome::Acknowledged(first_seq));
            }
            Heard::Refused { ticket, why } => {
                self.poisoned |= !matches!(why, Refused::NoRoom(_));
                history.settle(
                    ticket,
                    match why {
                        Refused::OutcomeUnknown => Outcome::Unknown,
                        Refused::NotWritten => Outcome::NotWritten,
                        Refused::NoRoom(_) => Outcome::NoRoom,
                    },
                );
            }
            Heard::Poisoned => self.poisoned = true,
        }
    }

    /// Gives the log the time to prove by a mark what it wrote last.
    pub(super) fn wait_for_mark(&self) {
        let start = Instant::now();
        let syncs = self.live.figures().syncs;
        while self.live.figures().syncs == syncs
            && self.committer.status().poisoned().is_none()
            // It may have been there already.
            && start.elapsed() < Duration::from_millis(60)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends the run cleanly, where the disk lets it.
    pub(super) fn stop(mut self) {
        self.committer.stop();
    }
}

/// Looks again and again until something is so.
#[track_caller]
pub(super) fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it does not become so");
        std::thread::sleep(Duration::from_millis(1));
    }
}
