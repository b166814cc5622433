//! Which events are wanted.

use crate::event::{Event, Seq};
use crate::index::fold::{Judged, Verdict};

/// Which events are wanted: those for which all of this is so.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// From this seq on.
    pub from: Seq,
    /// Up to this one.
    pub to: Seq,
    /// Of this topic.
    pub topic: Option<String>,
    /// From this source.
    pub source: Option<String>,
    /// With this id.
    pub event_id: Option<String>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
    /// Received then or later: µs UTC.
    pub since: Option<i64>,
    /// Received then or before: µs UTC.
    pub until: Option<i64>,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted {
            from: Seq::FIRST,
            to: Seq::new(u64::MAX),
            topic: None,
            source: None,
            event_id: None,
            verdict: None,
            since: None,
            until: None,
        }
    }
}

impl Wanted {
    /// Whether some of these seqs are wanted.
    pub fn takes_seqs(&self, first: Seq, next: Seq) -> bool {
        first <= self.to && next > self.from
    }

    /// Whether such a time is wanted.
    pub fn takes_time(&self, received_at: i64) -> bool {
        self.since.is_none_or(|since| received_at >= since)
            && self.until.is_none_or(|until| received_at <= until)
    }

    /// Whether an event is wanted, its verdict apart.
    pub fn takes_event(&self, event: &Event<'_>) -> bool {
        is(&self.topic, &event.topic)
            && is(&self.source, &event.source)
            && is(&self.event_id, &event.event_id)
    }

    /// Whether a verdict is wanted.
    pub fn takes_judged(&self, judged: Judged) -> bool {
        (self.from..=self.to).contains(&judged.seq) && self.takes_verdict(judged.verdict)
    }

    /// The same for what stands in no event.
    pub fn takes_verdict(&self, verdict: Verdict) -> bool {
        self.verdict.is_none_or(|wanted| wanted == verdict)
    }

    /// Whether events are asked for by what only they say, so that nothing else answers.
    pub fn asks_for_content(&self) -> bool {
        self.topic.is_some() || self.source.is_some() || self.event_id.is_some()
    }
}

fn is(wanted: &Option<String>, found: &str) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted == found)
}
