//! What is told while it goes on: one interval of time or of events after the other.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::tally::Latency;
use crate::config::{UnitError, parse_count, parse_duration};

/// How long an interval is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Every {
    /// As time goes.
    Time(Duration),
    /// As events are acknowledged.
    Events(u64),
}

impl Every {
    /// Reads `10s` or `10M`.
    ///
    /// # Errors
    /// It is neither; `m` is minutes and `M` millions.
    pub fn parse(text: &str) -> Result<Every, UnitError> {
        match parse_duration(text) {
            Ok(time) if !time.is_zero() => Ok(Every::Time(time)),
            _ => parse_count(text).map(|events| Every::Events(events.max(1))),
        }
    }
}

/// One of them.
#[derive(Copy, Clone, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// At its end, since the begin.
    pub seconds: f64,
    /// Acknowledged since the begin.
    pub events: u64,
    /// In this interval.
    pub events_per_second: f64,
    /// Of requests answered in this interval, as the next ones.
    pub p50_ms: f64,
    #[allow(missing_docs)]
    pub p99_ms: f64,
    #[allow(missing_docs)]
    pub p999_ms: f64,
    #[allow(missing_docs)]
    pub max_ms: f64,
}

/// Where the current one began.
#[derive(Debug)]
pub(super) struct Intervals {
    every: Option<Every>,
    begin: Instant,
    from: Instant,
    events: u64,
}

impl Intervals {
    pub(super) fn new(every: Option<Every>, begin: Instant) -> Intervals {
        Intervals {
            every,
            begin,
            from: begin,
            events: 0,
        }
    }

    /// The current one is over.
    pub(super) fn are_due(&self, events: u64) -> bool {
        match self.every {
            None => false,
            Some(Every::Time(time)) => self.from.elapsed() >= time,
            // By multiples, so that what one is too long does not move the next.
            Some(Every::Events(count)) => events / count > self.events / count,
        }
    }

    /// Ends the current one.
    pub(super) fn next(&mut self, events: u64, latency: &Latency) -> Interval {
        let now = Instant::now();
        let seconds = (now - self.from).as_secs_f64().max(1e-6);
        let interval = Interval {
            seconds: (now - self.begin).as_millis() as f64 / 1000.0,
            events,
            events_per_second: ((events - self.events) as f64 / seconds).round(),
            p50_ms: latency.ms(0.5),
            p99_ms: latency.ms(0.99),
            p999_ms: latency.ms(0.999),
            max_ms: latency.max_ms(),
        };
        (self.from, self.events) = (now, events);
        interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_of_time_or_of_events() {
        let minutes = Every::Time(Duration::from_secs(600));
        assert_eq!(Every::parse("10m"), Ok(minutes));
        assert_eq!(Every::parse("10M"), Ok(Every::Events(10_000_000)));
        assert!(Every::parse("often").is_err());
    }

    #[test]
    fn an_interval_that_is_too_long_does_not_move_the_next() {
        let mut intervals = Intervals::new(Some(Every::Events(100)), Instant::now());
        assert!(!intervals.are_due(99));
        assert!(intervals.are_due(130));
        intervals.next(130, &Latency::default());
        assert!(!intervals.are_due(199));
        assert!(intervals.are_due(200));
    }
}
