//! How much passed through in the last minute: samples of counters that exist anyway, and the
//! differences between them.

use std::collections::VecDeque;
use std::time::Instant;

use serde::Serialize;

use super::traffic::AnswerCounts;
use crate::store::Flows;

/// So many samples back is a minute ago, at one every five seconds.
pub(super) const SAMPLES_A_MINUTE: usize = 12;

/// The counters at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) flows: Flows,
    pub(super) answers: AnswerCounts,
}

/// What happened between two samples, by the second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Rates {
    measured_seconds: f64,
    events_per_second: f64,
    batches_per_second: f64,
    bytes_per_second: f64,
    duplicates_per_second: Option<f64>,
    syncs_per_second: f64,
    /// How many answers there were, by status: not by the second, since a few refusals matter.
    answers: AnswerCounts,
}

/// The samples of the last minute.
#[derive(Debug)]
pub(super) struct LastMinute(VecDeque<Sample>);

impl LastMinute {
    /// Begins with this sample.
    pub(super) fn new(first: Sample) -> LastMinute {
        LastMinute(VecDeque::from([first]))
    }

    /// Takes the next sample, and forgets one that is too old.
    pub(super) fn note(&mut self, sample: Sample) {
        if self.0.len() == SAMPLES_A_MINUTE {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// The rates up to now.
    pub(super) fn rates(&self, now: &Sample) -> Rates {
        let then = self.0.front().unwrap_or(now);
        let seconds = now.at.duration_since(then.at).as_secs_f64();
        let each_second = |then: u64, now: u64| match now.saturating_sub(then) {
            0 => 0.0,
            many => round(many as f64 / seconds.max(f64::MIN_POSITIVE)),
        };
        let (old, new) = (&then.flows, &now.flows);
        // A replay judges old events once more, which says nothing about publishers.
        let replayed = self
            .0
            .iter()
            .any(|sample| sample.flows.duplicates.is_none());
        let duplicates = match (old.duplicates, new.duplicates) {
            (Some(old), Some(new)) if !replayed => Some(each_second(old, new)),
            _ => None,
        };
        Rates {
            measured_seconds: round(seconds),
            events_per_second: each_second(old.events, new.events),
            batches_per_second: each_second(old.batches, new.batches),
            bytes_per_second: each_second(old.bytes, new.bytes),
            duplicates_per_second: duplicates,
            syncs_per_second: each_second(old.syncs, new.syncs),
            answers: more(&then.answers, &now.answers),
        }
    }
}

fn more(then: &AnswerCounts, now: &AnswerCounts) -> AnswerCounts {
    now.iter()
        .map(|(&status, &count)| {
            (
                status,
                count - then.get(&status).copied().unwrap_or_default(),
            )
        })
        .filter(|(_, more)| *more > 0)
        .collect()
}

/// To thousandths, which is what a reader can use.
fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample(begun: Instant, second: u64, events: u64) -> Sample {
        Sample {
            at: begun + Duration::from_secs(second),
            flows: Flows {
                events,
                duplicates: Some(events / 10),
                ..Flows::default()
            },
            answers: AnswerCounts::from([(200, events / 100)]),
        }
    }

    #[test]
    fn a_burst_counts_for_a_minute_and_is_then_forgotten() {
        let begun = Instant::now();
        let mut minute = LastMinute::new(sample(begun, 0, 0));
        let rates = minute.rates(&sample(begun, 2, 1000));
        assert_eq!(
            (rates.measured_seconds, rates.events_per_second),
            (2.0, 500.0)
        );
        assert_eq!(rates.duplicates_per_second, Some(50.0));
        assert_eq!(rates.answers, AnswerCounts::from([(200, 10)]));
        for second in (5..=55).step_by(5) {
            minute.note(sample(begun, second, 1000));
        }
        let rates = minute.rates(&sample(begun, 59, 1000));
        assert_eq!(
            (rates.measured_seconds, rates.events_per_second),
            (59.0, 16.949)
        );
        minute.note(sample(begun, 60, 1000));
        let rates = minute.rates(&sample(begun, 64, 1000));
        assert_eq!(
            (rates.measured_seconds, rates.events_per_second),
            (59.0, 0.0)
        );
        assert!(rates.answers.is_empty());
    }

    #[test]
    fn events_judged_once_more_are_no_duplicates_of_the_last_minute() {
        let begun = Instant::now();
        let mut minute = LastMinute::new(sample(begun, 0, 1000));
        let mut replaying = sample(begun, 5, 1000);
        replaying.flows.duplicates = None;
        assert_eq!(minute.rates(&replaying).duplicates_per_second, None);
        minute.note(replaying);
        let rates = minute.rates(&sample(begun, 10, 1000));
        assert_eq!(rates.duplicates_per_second, None);
    }

    #[test]
    fn no_time_at_all_gives_no_infinity() {
        let begun = Instant::now();
        let minute = LastMinute::new(sample(begun, 0, 0));
        assert_eq!(minute.rates(&sample(begun, 0, 0)).events_per_second, 0.0);
        let rates = minute.rates(&sample(begun, 0, 5));
        assert!(serde_json::to_value(rates).is_ok());
    }
}
