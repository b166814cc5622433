//! What the store is doing, and its figures.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Store;
use super::answers::{State, StateReport, Stats};
use crate::replayer::HealthReport;

/// How many topic names /stats lists.
const TOPICS_LISTED: usize = 1000;

impl Store {
    /// Its state. Cheap.
    pub fn state(&self) -> StateReport {
        let health = self.replayer.health();
        let mut reasons = Vec::new();
        let mut state = State::Ready;
        let mut note = |is: State, why: String| {
            reasons.push(why);
            state = is;
        };
        // The gravest last.
        if health.degraded_since.is_some() {
            let why = health.why.clone().unwrap_or_default();
            note(State::Degraded, format!("the index fails: {why}"));
        }
        if let Some(progress) = self.rebuild_progress() {
            note(State::Rebuilding, progress);
        }
        if let Some(pending) = self.backlog_full() {
            let why = format!("{pending} events are durable and not yet applied");
            note(State::BacklogFull, why);
        }
        if let Some(no_room) = self.status.no_room() {
            note(State::DiskFull, no_room.why);
        }
        if self.draining.load(Ordering::Acquire) {
            note(State::Draining, "the store is stopping".into());
        }
        if let Some(why) = self.status.poisoned() {
            note(State::Poisoned, why.to_owned());
        }
        StateReport {
            state,
            ready: matches!(state, State::Ready | State::Rebuilding | State::Degraded),
            reasons,
            durable: self.log.durable(),
            applied: self.index().applied(),
        }
    }

    /// Figures. Blocking.
    pub fn stats(&self) -> Stats {
        let index = self.index();
        let fold = index.state();
        let health = self.replayer.health();
        let log = self.log.figures();
        // Read after the fold's counters, so that it is never behind them.
        let received = self.log.durable();
        let state = self.state();
        let topics = index.topics(0, TOPICS_LISTED);
        Stats {
            state,
            counters: fold.counters,
            fold_hash: fold.hash,
            received: received.get(),
            pending: received.since(fold.applied()),
            topics: topics.iter().map(|topic| topic.name.to_string()).collect(),
            topics_total: index.topics_total(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            flushed: index.flushed(),
            log_segments: log.segments,
            log_bytes: log.file_bytes,
            log_frame_bytes: log.used_bytes,
            // A file that is gone has no bytes; the replayer deals with that.
            index_bytes: index.bytes_on_disk().unwrap_or_default(),
            disk_free_bytes: self.log.free_bytes().unwrap_or_default(),
            apply_retries: health.retries,
            apply_failures: health.failures,
            degraded_since: degraded_since(&health),
            written_bytes: log.written_bytes,
            syncs: log.syncs,
            batches: log.batches,
        }
    }

    /// How many events wait for the index, if they are too many.
    pub(super) fn backlog_full(&self) -> Option<u64> {
        let durable = self.log.durable();
        // What a replay still has to do was there before it and is no backlog.
        let replayed = self.replayer.replaying_to().unwrap_or_default();
        let pending = durable.since(self.index().applied().max(replayed));
        if pending == 0 {
            return None;
        }
        // Events are taken to be of average size: exact would mean to remember each frame.
        let bytes_per_event = self.log.used_bytes() / durable.get().max(1);
        let pending_bytes = pending.saturating_mul(bytes_per_event);
        (pending > self.options.backlog_events || pending_bytes > self.options.backlog_bytes)
            .then_some(pending)
    }

    /// How far a rebuild is, if there is one.
    pub(super) fn rebuild_progress(&self) -> Option<String> {
        self.replayer.replaying_to().map(|goal| {
            format!(
                "the index is rebuilding: seq {} of {goal}",
                self.index().applied()
            )
        })
    }
}

fn degraded_since(health: &HealthReport) -> Option<i64> {
    health.degraded_since.map(micros)
}

fn micros(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}
