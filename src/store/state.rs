//! What the store is doing, and why.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Store;
use super::answers::{State, StateReport};
use super::watcher::Holding;

impl Store {
    /// Its state. Cheap.
    pub fn state(&self) -> StateReport {
        let holding = self.holding();
        let since = self.watcher.see(&holding);
        let state = holding.last().map_or(State::Ready, |(state, _)| *state);
        StateReport {
            state,
            ready: matches!(state, State::Ready | State::Rebuilding | State::Degraded),
            reasons: holding.into_iter().map(|(_, why)| why).collect(),
            since: micros(since),
            durable: self.log.durable(),
            applied: self.index().applied(),
        }
    }

    /// Says in the log what has begun and what is over; to be called about once a second.
    pub fn watch(&self) {
        let failures = self.replayer.health().failures;
        self.watcher.look(&self.holding(), failures);
    }

    /// All that is not as it should be, the gravest last.
    fn holding(&self) -> Vec<Holding> {
        let health = self.replayer.health();
        let mut holding = Vec::new();
        if health.degraded_since.is_some() {
            let why = health.why.unwrap_or_default();
            holding.push((State::Degraded, format!("the index fails: {why}")));
        }
        if let Some(progress) = self.rebuild_progress() {
            holding.push((State::Rebuilding, progress));
        }
        if let Some(why) = self.backlog_full() {
            holding.push((State::BacklogFull, why));
        }
        if let Some(no_room) = self.status.no_room()
            && let Some(state) = State::without_room(no_room.lack)
        {
            holding.push((state, no_room.why));
        }
        if self.draining.load(Ordering::Acquire) {
            holding.push((State::Draining, "the store is stopping".into()));
        }
        if let Some(why) = self.status.poisoned() {
            let why = format!("a write or a sync of the log failed, and the process ends: {why}");
            holding.push((State::Poisoned, why));
        }
        holding
    }

    /// One sentence, if too much waits for the index.
    pub(super) fn backlog_full(&self) -> Option<String> {
        let behind = self.replayer.behind();
        let options = &self.options;
        let many = behind.events > options.backlog_events;
        if !many && behind.bytes <= options.backlog_bytes {
            return None;
        }
        let most = if many {
            format!("{} events", options.backlog_events)
        } else {
            format!("{} bytes", options.backlog_bytes)
        };
        Some(format!(
            "{} events ({} bytes) are durable and not yet applied, and at most {most} may be",
            behind.events, behind.bytes
        ))
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

pub(super) fn micros(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;

    #[test]
    fn a_store_that_stops_says_so_and_since_when() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(StoreOptions {
            data_dir: directory.path().join("data"),
            segment_bytes: 1 << 20,
            ..StoreOptions::default()
        });
        let store = store.expect("a new store");
        let ready = store.state();
        assert!(ready.ready && ready.reasons.is_empty());
        assert_eq!(ready.state, State::Ready);
        store.drain();
        let draining = store.state();
        assert!(!draining.ready);
        assert_eq!(
            (draining.state, draining.reasons.len()),
            (State::Draining, 1)
        );
        assert_eq!(draining.reasons[0], "the store is stopping");
        assert_ne!(draining.since, ready.since);
        assert_eq!(store.state().since, draining.since);
    }
}
