//! The server's counters before and after, held against what was sent.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde::Deserialize;
use tokio::time::sleep;

use super::tally::Published;
use crate::cli::client::{Client, NoAnswer};

const ANSWER_BYTES_MAX: usize = 1 << 20;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What `GET /stats` says, of what is compared.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Counters {
    received: u64,
    unique_processed: u64,
    duplicate_dropped: u64,
    conflicts: u64,
    pending: u64,
    uptime: f64,
    /// Servers of other versions may not tell it.
    cpu_seconds: Option<f64>,
    log: LogOf,
}

#[derive(Clone, Debug, Deserialize)]
struct LogOf {
    id: String,
}

/// Why they cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoCounters {
    #[error("{url}: {source}")]
    NoAnswer { url: String, source: NoAnswer },
    #[error("{url} asks for a token: --token-file FILE")]
    Token { url: String },
    #[error("{url} answers {status}")]
    Status { url: String, status: u16 },
    #[error("{url} is not what an oncelog answers: look at --url")]
    Foreign { url: String },
}

impl Counters {
    /// Asks for them, once all that is durable is judged, or after this time.
    pub(super) async fn read(
        client: &mut Client,
        patience: Duration,
    ) -> Result<Counters, NoCounters> {
        let until = Instant::now() + patience;
        loop {
            let counters = Counters::read_now(client).await?;
            if counters.pending == 0 || Instant::now() >= until {
                return Ok(counters);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn read_now(client: &mut Client) -> Result<Counters, NoCounters> {
        let url = format!("{}/stats", client.target().url());
        match client.get("/stats", ANSWER_BYTES_MAX).await {
            Err(source) => Err(NoCounters::NoAnswer { url, source }),
            Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                Err(NoCounters::Token { url })
            }
            Ok(answer) if answer.status != StatusCode::OK => Err(NoCounters::Status {
                url,
                status: answer.status.as_u16(),
            }),
            Ok(answer) => {
                serde_json::from_slice(&answer.body).map_err(|_| NoCounters::Foreign { url })
            }
        }
    }

    /// The CPU that the server took since, in seconds, if both tell it and it is one process.
    pub(super) fn cpu_seconds_since(&self, before: &Counters) -> Option<f64> {
        let is_same = self.uptime >= before.uptime;
        let spent = self.cpu_seconds? - before.cpu_seconds?;
        (is_same && spent >= 0.0).then_some(spent)
    }

    /// In what the counters differ from what was sent and answered since.
    pub(super) fn differences(&self, before: &Counters, sent: Published) -> Vec<String> {
        if self.log.id != before.log.id {
            return vec!["another log answers than at the begin".into()];
        }
        if self.pending > 0 || before.pending > 0 {
            let pending = self.pending.max(before.pending);
            return vec![format!(
                "{pending} events are not judged yet: nothing to compare"
            )];
        }
        let counts = [
            ("received", before.received, self.received, sent.events),
            (
                "unique_processed",
                before.unique_processed,
                self.unique_processed,
                sent.fresh,
            ),
            (
                "duplicate_dropped",
                before.duplicate_dropped,
                self.duplicate_dropped,
                sent.events - sent.fresh,
            ),
            ("conflicts", before.conflicts, self.conflicts, 0),
        ];
        let differ = counts.iter().filter_map(|&(name, before, after, own)| {
            let grown = i128::from(after) - i128::from(before);
            // What has no answer may be there or not.
            let most = match name {
                "conflicts" => own,
                _ => own + sent.unknown,
            };
            let fits = (i128::from(own)..=i128::from(most)).contains(&grown);
            let told = match most > own {
                true => format!("{own} to {most}"),
                false => own.to_string(),
            };
            (!fits).then(|| format!("{name} of /stats has grown by {grown}, sent were {told}"))
        });
        let mut differ: Vec<String> = differ.collect();
        if !differ.is_empty() {
            differ.push("do others publish at the same time?".into());
        }
        differ
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(received: u64, unique: u64, duplicates: u64, conflicts: u64) -> Counters {
        Counters {
            received,
            unique_processed: unique,
            duplicate_dropped: duplicates,
            conflicts,
            pending: 0,
            uptime: 1.0,
            cpu_seconds: Some(1.0),
            log: LogOf { id: "a".into() },
        }
    }

    #[test]
    fn only_what_was_sent_may_have_come() {
        let before = counters(100, 90, 10, 1);
        let sent = |unknown| Published {
            events: 10,
            fresh: 8,
            unknown,
        };
        let right = counters(110, 98, 12, 1);
        assert!(right.differences(&before, sent(0)).is_empty());
        for wrong in [
            counters(111, 99, 12, 1),
            counters(109, 97, 12, 1),
            counters(110, 97, 13, 1),
            counters(110, 98, 12, 2),
        ] {
            let differences = wrong.differences(&before, sent(0));
            assert!(differences.len() > 1, "{wrong:?}");
        }
        // What has no answer may be there, and no more than that.
        let more = counters(115, 103, 12, 1);
        assert!(more.differences(&before, sent(5)).is_empty());
        assert!(!more.differences(&before, sent(4)).is_empty());
    }

    #[test]
    fn another_log_or_process_is_not_compared() {
        let before = counters(0, 0, 0, 0);
        let mut after = counters(0, 0, 0, 0);
        after.log.id = "b".into();
        let differences = after.differences(&before, Published::default());
        assert_eq!(differences, ["another log answers than at the begin"]);
        after.uptime = 0.5;
        assert_eq!(after.cpu_seconds_since(&before), None);
    }
}
