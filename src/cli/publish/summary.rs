//! What became of all that was read.

use std::io::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use super::answer::Acknowledgement;

/// Counts of events, and what else the summary tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Taken from the inputs.
    pub(super) read: u64,
    pub(super) stored: u64,
    /// Conflicts among them.
    pub(super) duplicates: u64,
    pub(super) conflicts: u64,
    pub(super) refused: u64,
    /// Sent, and neither acknowledged nor refused yet.
    pub(super) unacknowledged: u64,
    /// Durable, and not judged yet; they are among the unacknowledged.
    pub(super) pending: u64,
    /// This and the next are of the log that answered last.
    pub(super) first_seq: Option<u64>,
    pub(super) last_seq: Option<u64>,
    /// Attempts to send a batch that was sent before.
    pub(super) retries: u64,
    /// The log that answered last.
    pub(super) log_id: Option<String>,
    /// More than one log has answered.
    pub(super) log_changed: bool,
}

impl Tally {
    /// Events were acknowledged.
    pub(super) fn acknowledged(&mut self, answer: &Acknowledgement) {
        self.stored += answer.unique;
        self.duplicates += answer.duplicates;
        self.conflicts += answer.conflicts;
        self.unacknowledged -= answer.received.min(self.unacknowledged);
        self.pending = 0;
        self.first_seq.get_or_insert(answer.first_seq);
        self.last_seq = Some(answer.last_seq);
    }

    /// This log answers from now on.
    pub(super) fn answered_by(&mut self, log_id: &str) {
        let before = self.log_id.replace(log_id.to_owned());
        if before.is_some_and(|before| before != log_id) {
            self.log_changed = true;
            // The seqs of one log say nothing about those of another.
            (self.first_seq, self.last_seq) = (None, None);
        }
    }

    /// An event was refused for good.
    pub(super) fn refused(&mut self) {
        self.refused += 1;
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }

    fn settled(&self) -> u64 {
        self.stored + self.duplicates + self.refused
    }

    /// One line, while it goes on.
    pub(super) fn progress(&self, elapsed: Duration, waits_for: Option<&str>) -> String {
        let per_second = per_second(self.settled(), elapsed);
        let mut text = format!(
            "{} read, {} acknowledged, {per_second:.0}/s",
            self.read,
            self.stored + self.duplicates
        );
        if self.refused > 0 {
            text.push_str(&format!(", {} refused", self.refused));
        }
        if let Some(reason) = waits_for {
            text.push_str(&format!(", waiting: {reason}"));
        }
        text
    }

    /// Prints the summary on stdout.
    pub(super) fn print(&self, elapsed: Duration, as_json: bool) {
        let text = match as_json {
            true => self.json(elapsed),
            false => self.text(elapsed),
        };
        let mut out = io::stdout();
        // Whether anybody reads it changes nothing.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    fn text(&self, elapsed: Duration) -> String {
        let mut text = format!(
            "read {}: stored {}, duplicates {}",
            self.read, self.stored, self.duplicates
        );
        if self.conflicts > 0 {
            text.push_str(&format!(" (conflicts among them {})", self.conflicts));
        }
        text.push_str(&format!(", refused {}", self.refused));
        if self.unacknowledged > self.pending {
            let count = self.unacknowledged - self.pending;
            text.push_str(&format!(", unacknowledged {count}"));
        }
        if self.pending > 0 {
            text.push_str(&format!(", durable without a verdict {}", self.pending));
        }
        if let (Some(first), Some(last)) = (self.first_seq, self.last_seq) {
            text.push_str(&format!("; seq {first} to {last}"));
            if self.log_changed {
                text.push_str(" of the last log");
            }
        }
        let seconds = elapsed.as_secs_f64();
        let per_second = per_second(self.settled(), elapsed);
        text.push_str(&format!(
            "; {seconds:.1} s, {per_second:.0}/s, retries {}",
            self.retries
        ));
        text
    }

    fn json(&self, elapsed: Duration) -> String {
        #[derive(Serialize)]
        struct Summary<'a> {
            read: u64,
            stored: u64,
            duplicates: u64,
            conflicts: u64,
            refused: u64,
            pending: u64,
            unacknowledged: u64,
            first_seq: Option<u64>,
            last_seq: Option<u64>,
            seconds: f64,
            events_per_second: f64,
            retries: u64,
            log_id: Option<&'a str>,
            log_changed: bool,
        }
        let summary = Summary {
            read: self.read,
            stored: self.stored,
            duplicates: self.duplicates,
            conflicts: self.conflicts,
            refused: self.refused,
            pending: self.pending,
            unacknowledged: self.unacknowledged - self.pending.min(self.unacknowledged),
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            seconds: (elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            events_per_second: per_second(self.settled(), elapsed).round(),
            retries: self.retries,
            log_id: self.log_id.as_deref(),
            log_changed: self.log_changed,
        };
        // Plain data: it cannot fail.
        serde_json::to_string(&summary).unwrap_or_default()
    }
}

fn per_second(events: u64, elapsed: Duration) -> f64 {
    events as f64 / elapsed.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_read_is_in_one_of_the_counts() {
        let tally = Tally {
            read: 12,
            stored: 4,
            duplicates: 3,
            conflicts: 1,
            refused: 1,
            unacknowledged: 4,
            pending: 3,
            first_seq: Some(7),
            last_seq: Some(13),
            retries: 1,
            ..Tally::default()
        };
        let text = tally.text(Duration::from_secs(2));
        assert_eq!(
            text,
            "read 12: stored 4, duplicates 3 (conflicts among them 1), refused 1, \
             unacknowledged 1, durable without a verdict 3; seq 7 to 13; 2.0 s, 4/s, retries 1"
        );
        let json = tally.json(Duration::from_secs(2));
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let count = |name: &str| json[name].as_u64().expect("a count");
        let parts = [
            "stored",
            "duplicates",
            "refused",
            "pending",
            "unacknowledged",
        ];
        assert_eq!(parts.map(count).iter().sum::<u64>(), count("read"));
    }

    #[test]
    fn the_seqs_of_two_logs_are_not_mixed() {
        let acknowledged = |first_seq, last_seq| Acknowledgement {
            received: last_seq - first_seq + 1,
            unique: last_seq - first_seq + 1,
            duplicates: 0,
            conflicts: 0,
            first_seq,
            last_seq,
            receipts: Vec::new(),
            refused: Vec::new(),
            refused_indexes: Vec::new(),
        };
        let mut tally = Tally::default();
        let told = |tally: &Tally| {
            let json = tally.json(Duration::from_secs(1));
            let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            ["log_id", "log_changed", "first_seq", "last_seq"].map(|name| json[name].to_string())
        };
        for (log_id, first_seq, last_seq) in [("a", 901, 910), ("a", 911, 920)] {
            tally.answered_by(log_id);
            tally.acknowledged(&acknowledged(first_seq, last_seq));
        }
        assert_eq!(told(&tally), ["\"a\"", "false", "901", "920"]);
        tally.answered_by("b");
        assert_eq!(told(&tally), ["\"b\"", "true", "null", "null"]);
        tally.acknowledged(&acknowledged(1, 10));
        assert_eq!(told(&tally), ["\"b\"", "true", "1", "10"]);
        let text = tally.text(Duration::from_secs(1));
        assert!(text.contains("; seq 1 to 10 of the last log;"), "{text}");
    }
}
