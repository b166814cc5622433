//! How it is run, and what it reports.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;

use crate::support::process::{Ended, Starting, command, run_command};
use crate::support::publish::Store;

/// What `--json` prints, and nothing that is not known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is read whole")]
pub struct Report {
    pub version: String,
    pub url: String,
    pub batch: u64,
    pub connections: u64,
    pub rate: Option<u64>,
    pub duplicates: f64,
    pub ids: String,
    pub topics: u64,
    pub event_bytes: u64,
    pub payload_bytes: u64,
    pub seed: u64,
    pub sent_before: u64,
    pub sent_in_all: u64,
    pub seconds: f64,
    pub requests: u64,
    pub events: u64,
    pub bytes: u64,
    pub events_per_second: f64,
    pub requests_per_second: f64,
    pub megabytes_per_second: f64,
    pub latency_ms: LatencyMs,
    pub statuses: BTreeMap<u16, u64>,
    pub verdicts: Verdicts,
    pub pending: u64,
    pub refused: u64,
    pub unknown: u64,
    pub errors: BTreeMap<String, u64>,
    pub errors_total: u64,
    pub late: u64,
    pub late_most_ms: f64,
    pub not_sent: u64,
    pub bench_cpu_seconds_per_million: f64,
    pub bench_busy: f64,
    pub server_cpu_seconds_per_million: Option<f64>,
    pub intervals: Vec<Interval>,
    pub differences: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct LatencyMs {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Verdicts {
    pub unique: u64,
    pub duplicates: u64,
    pub conflicts: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Interval {
    pub events: u64,
}

pub fn bench_command(url: &str, arguments: &[&str]) -> Command {
    let mut command = command();
    command.args(["bench", "--json", "--url", url]);
    command.args(arguments);
    command
}

pub fn report(ended: &Ended) -> Report {
    let text = String::from_utf8_lossy(&ended.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{}", ended.stderr))
}

/// Measures, which must end with this code.
pub fn bench(url: &str, arguments: &[&str], code: i32) -> (Report, Ended) {
    let ended = run_command(bench_command(url, arguments));
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    (report(&ended), ended)
}

/// Starts to measure, and waits until the server has something of it.
pub fn start(store: &Store, arguments: &[&str]) -> Starting {
    let started = Starting::spawn(bench_command(&store.url, arguments));
    store.wait_for_received(20);
    started
}
