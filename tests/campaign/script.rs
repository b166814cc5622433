//! A fixed script: the same batches in the same order, each sent until it is acknowledged, so that
//! a server comes by the same calls every time.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::history::{Attempt, Mark, Outcome, Sent, Span};
use crate::process::Oncelog;
use crate::publisher::{make_batch, send};
use crate::random::Random;

/// So small that the script rolls segments, and that runs are merged.
pub(crate) const OPTIONS: [&str; 6] = [
    "--segment-size",
    "64KiB",
    "--delta-events",
    "100",
    "--index-filter-memory",
    "4KiB",
];

const BATCHES: u32 = 30;
/// They take turns, and repeat each other's events.
const PUBLISHERS: u32 = 4;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);
/// Longer than it takes until an idle store writes a mark.
const IDLE: Duration = Duration::from_millis(150);

/// What is to be sent, and how far it was.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    batches: Vec<Arc<[Sent]>>,
    at: u32,
    attempt: u32,
    random: Random,
}

impl Script {
    pub(crate) fn new(seed: u64) -> Script {
        let mut random = Random::new(seed);
        let mut ids = [0; PUBLISHERS as usize];
        let batches = (0..BATCHES).map(|at| {
            let publisher = at % PUBLISHERS;
            make_batch(&mut random, publisher, &mut ids[publisher as usize]).into()
        });
        Script {
            batches: batches.collect(),
            at: 0,
            attempt: 0,
            random,
        }
    }

    /// How many batches it has.
    pub(crate) fn batches(&self) -> u32 {
        self.batches.len() as u32
    }

    /// Sends half of what is left up to this batch, is quiet, and sends the rest. As long as the
    /// server lives, and each batch for no longer than `patience`; false when that was too short.
    pub(crate) fn play(
        &mut self,
        end: u32,
        server: &mut Oncelog,
        patience: Duration,
        history: &Mutex<Vec<Attempt>>,
    ) -> bool {
        let half = self.at + end.saturating_sub(self.at) / 2;
        if !self.send_until(half, server, patience, history) {
            return false;
        }
        std::thread::sleep(IDLE);
        self.send_until(end, server, patience, history)
    }

    /// Sends up to this batch; false when that was not possible.
    pub(crate) fn send_until(
        &mut self,
        end: u32,
        server: &mut Oncelog,
        patience: Duration,
        history: &Mutex<Vec<Attempt>>,
    ) -> bool {
        let client = Client::new(server.address);
        while self.at < end {
            let begun = Instant::now();
            while !self.send_once(&client, history) {
                if server.has_ended() || begun.elapsed() > patience {
                    return false;
                }
                std::thread::sleep(BETWEEN_ATTEMPTS);
            }
        }
        true
    }

    /// Sends the next batch; whether it was acknowledged.
    pub(crate) fn send_once(&mut self, client: &Client, history: &Mutex<Vec<Attempt>>) -> bool {
        let mark = Mark {
            publisher: self.at % PUBLISHERS,
            batch: self.at / PUBLISHERS,
            attempt: self.attempt,
        };
        let events = self.batches[self.at as usize].clone();
        let outcome = send(client, &mut self.random, mark, &events);
        let is_taken = outcome.is_acknowledged();
        let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
        history.push(Attempt {
            mark,
            events,
            outcome,
            span: Span::default(),
        });
        if is_taken {
            self.at += 1;
            self.attempt = 0;
        } else {
            self.attempt += 1;
        }
        is_taken
    }
}

/// Whether a batch was begun whose end nobody knows.
pub(crate) fn ends_unknown(history: &[Attempt]) -> bool {
    history
        .last()
        .is_some_and(|attempt| matches!(attempt.outcome, Outcome::Unknown))
}

/// Cuts the end off what a log's last frame has, as a disk does that lost its power while it was
/// written. It must be one that nobody was told of.
pub(crate) fn tear_last_frame(data_dir: &Path) {
    let entries = std::fs::read_dir(data_dir.join("log")).expect("the log");
    let segments = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    let last = segments.max().expect("a segment");
    let mut bytes = std::fs::read(&last).expect("a segment");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("a frame");
    bytes[end - 40..=end].fill(0);
    std::fs::write(last, bytes).expect("it can be written");
}
