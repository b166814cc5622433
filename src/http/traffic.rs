//! What passes through the HTTP side: connections, requests, and answers by their status.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Statuses are 100 to 599.
const STATUS_MIN: u16 = 100;
const STATUSES: usize = 500;

/// How many answers there were with each status.
pub(super) type AnswerCounts = BTreeMap<u16, u64>;

/// Counts, for all connections together.
#[derive(Debug)]
pub(super) struct Traffic {
    connections: AtomicU64,
    connections_max_seen: AtomicU64,
    requests: AtomicU64,
    answers: [AtomicU64; STATUSES],
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic {
            connections: AtomicU64::new(0),
            connections_max_seen: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            answers: [const { AtomicU64::new(0) }; STATUSES],
        }
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Connected(Arc<Traffic>);

/// A request that is being read, worked on or answered.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Traffic>);

impl Traffic {
    /// A connection begins; it ends when what is returned is dropped.
    pub(super) fn connected(self: &Arc<Self>) -> Connected {
        let now = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        self.connections_max_seen.fetch_max(now, Ordering::Relaxed);
        Connected(Arc::clone(self))
    }

    /// A request begins; it ends when what is returned is dropped.
    pub(super) fn in_flight(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// An answer with this status was begun.
    pub(super) fn answered(&self, status: u16) {
        let place = usize::from(status.saturating_sub(STATUS_MIN));
        if let Some(count) = self.answers.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Connections that are open.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// The most that were open at once.
    pub(super) fn connections_max_seen(&self) -> u64 {
        self.connections_max_seen.load(Ordering::Relaxed)
    }

    /// Requests that are being read, worked on or answered.
    pub(super) fn requests_in_flight(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The answers so far; statuses that were never given are left out.
    pub(super) fn answers(&self) -> AnswerCounts {
        (STATUS_MIN..)
            .zip(&self.answers)
            .map(|(status, count)| (status, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_no_longer_counted_and_the_most_is_remembered() {
        let traffic = Arc::new(Traffic::default());
        let connections = [traffic.connected(), traffic.connected()];
        let request = traffic.in_flight();
        assert_eq!(
            (traffic.connections(), traffic.requests_in_flight()),
            (2, 1)
        );
        drop((connections, request));
        let _one = traffic.connected();
        assert_eq!(
            (traffic.connections(), traffic.requests_in_flight()),
            (1, 0)
        );
        assert_eq!(traffic.connections_max_seen(), 2);
    }

    #[test]
    fn every_status_is_counted_apart_and_nonsense_is_harmless() {
        let traffic = Traffic::default();
        for status in [200, 507, 200, 100, 599, 0, 600, u16::MAX] {
            traffic.answered(status);
        }
        let expected = [(100, 2), (200, 2), (507, 1), (599, 1)];
        assert_eq!(traffic.answers(), AnswerCounts::from(expected));
    }
}
