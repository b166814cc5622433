//! How applying is doing: counters that only grow, and since when it fails.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::index::FlushHealth;

/// The replayer's own part.
#[derive(Debug, Default)]
pub struct Health {
    retries: AtomicU64,
    failures: AtomicU64,
    stalled: AtomicBool,
    stall: Mutex<Option<(SystemTime, String)>>,
}

/// How applying and flushing are doing.
#[derive(Clone, Debug, Default)]
pub struct HealthReport {
    /// Attempts that failed and were repeated.
    pub retries: u64,
    /// Times that three attempts in a row failed.
    pub failures: u64,
    /// Whether nothing can be applied at present.
    pub stalled: bool,
    /// Since when something fails.
    pub degraded_since: Option<SystemTime>,
    /// What it said last.
    pub why: Option<String>,
}

impl Health {
    /// Whether nothing can be applied at present.
    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire)
    }

    /// Goes on counting where an index that is given up has ended.
    pub(super) fn take_over(&self, flush: &FlushHealth) {
        self.retries.fetch_add(flush.retries, Ordering::Relaxed);
        self.failures.fetch_add(flush.failures, Ordering::Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stall(&self, why: &str) {
        let mut stall = self.stall.lock().unwrap_or_else(PoisonError::into_inner);
        let since = stall
            .as_ref()
            .map_or_else(SystemTime::now, |(since, _)| *since);
        *stall = Some((since, why.to_owned()));
        self.stalled.store(true, Ordering::Release);
    }

    pub(super) fn heal(&self) {
        *self.stall.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.stalled.store(false, Ordering::Release);
    }

    pub(super) fn report(&self, flush: &FlushHealth) -> HealthReport {
        let stall = self
            .stall
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let since = stall.as_ref().map(|(since, _)| *since);
        HealthReport {
            retries: self.retries.load(Ordering::Relaxed) + flush.retries,
            failures: self.failures.load(Ordering::Relaxed) + flush.failures,
            stalled: self.is_stalled(),
            degraded_since: match (since, flush.failing_since) {
                (Some(stalled), Some(failing)) => Some(stalled.min(failing)),
                (stalled, failing) => stalled.or(failing),
            },
            why: stall
                .map(|(_, why)| why)
                .or_else(|| flush.failing_since.and_then(|_| flush.last_error.clone())),
        }
    }
}
