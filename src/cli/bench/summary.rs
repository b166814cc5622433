//! What is told at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde::Serialize;

use super::counters::Counters;
use super::engine::{Load, Measured};
use super::intervals::Interval;
use super::options::BenchOptions;
use super::shape::Ids;
use super::tally::{Latency, Published};
use super::target::Counts;
use crate::cli::stops::Stop;

/// A generator that is so busy may be what is measured.
const BUSY: f64 = 0.9;

/// What was asked for, what was seen, and what of it cannot be.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    version: &'static str,
    url: String,
    batch: usize,
    connections: usize,
    rate: Option<u64>,
    duplicates: f64,
    ids: Ids,
    topics: u64,
    event_bytes: usize,
    payload_bytes: usize,
    seed: u64,
    sent_before: u64,
    /// For the next run with the same seed.
    sent_in_all: u64,
    seconds: f64,
    requests: u64,
    events: u64,
    bytes: u64,
    events_per_second: f64,
    requests_per_second: f64,
    megabytes_per_second: f64,
    latency_ms: LatencyFigures,
    statuses: BTreeMap<u16, u64>,
    verdicts: Counts,
    pending: u64,
    refused: u64,
    unknown: u64,
    errors: BTreeMap<String, u64>,
    errors_total: u64,
    late: u64,
    late_most_ms: f64,
    not_sent: u64,
    bench_cpu_seconds_per_million: f64,
    /// The share of the time that this process was at work.
    bench_busy: f64,
    server_cpu_seconds_per_million: Option<f64>,
    pub(super) intervals: Vec<Interval>,
    pub(super) differences: Vec<String>,
    #[serde(skip)]
    pub(super) stop: Option<Stop>,
    #[serde(skip)]
    published: Published,
}

#[derive(Copy, Clone, Debug, Serialize)]
struct LatencyFigures {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl LatencyFigures {
    fn of(latency: &Latency) -> LatencyFigures {
        LatencyFigures {
            p50: latency.ms(0.5),
            p90: latency.ms(0.9),
            p99: latency.ms(0.99),
            p999: latency.ms(0.999),
            max: latency.max_ms(),
        }
    }
}

impl Report {
    pub(super) fn new(
        options: &BenchOptions,
        load: &Load,
        primed: Published,
        measured: Measured,
    ) -> Report {
        let seconds = measured.elapsed.as_secs_f64();
        let tally = measured.tally;
        let per_second = |count: f64| rounded(count / seconds.max(1e-6), 1);
        let mut differences = Vec::new();
        for (words, count) in &tally.differences.first {
            differences.push(format!("in {count} answers: {words}"));
        }
        if measured.is_server_gone {
            differences.push("the server is gone".into());
        }
        Report {
            version: env!("CARGO_PKG_VERSION"),
            url: options.server.url.clone(),
            batch: load.batch,
            connections: load.connections,
            rate: load.rate,
            duplicates: load.repeats.get(),
            ids: options.ids,
            topics: options.topics,
            event_bytes: load.shape.event_bytes(),
            payload_bytes: load.shape.payload_bytes(),
            seed: load.seed,
            sent_before: load.known,
            sent_in_all: measured.ids,
            seconds: rounded(seconds, 3),
            requests: tally.requests,
            events: tally.events,
            bytes: tally.bytes,
            events_per_second: per_second(tally.events as f64),
            requests_per_second: per_second(tally.requests as f64),
            megabytes_per_second: per_second(tally.bytes as f64 / 1e6),
            latency_ms: LatencyFigures::of(&tally.latency),
            verdicts: tally.verdicts,
            pending: tally.pending,
            refused: tally.refused,
            unknown: tally.unknown,
            errors_total: tally.errors.total,
            late: tally.late,
            late_most_ms: rounded(tally.late_most.as_secs_f64() * 1000.0, 3),
            not_sent: tally.not_sent,
            bench_cpu_seconds_per_million: per_million(measured.cpu_seconds, tally.events),
            bench_busy: rounded(measured.cpu_seconds / seconds.max(1e-6), 3),
            server_cpu_seconds_per_million: None,
            intervals: Vec::new(),
            differences,
            stop: None,
            published: tally.published().and(primed),
            statuses: tally.statuses,
            errors: tally.errors.first,
        }
    }

    /// Holds the server's counters against it, from before all and from before what was
    /// measured.
    pub(super) fn compare(
        &mut self,
        before: &Counters,
        measured_from: &Counters,
        after: &Counters,
    ) {
        self.differences
            .extend(after.differences(before, self.published));
        let cpu_seconds = after.cpu_seconds_since(measured_from);
        self.server_cpu_seconds_per_million =
            cpu_seconds.map(|seconds| per_million(seconds, self.events));
    }

    pub(super) fn is_all_well(&self) -> bool {
        self.refused + self.unknown + self.errors_total == 0 && self.differences.is_empty()
    }

    /// Prints it on stdout.
    pub(super) fn print(&self, as_json: bool) {
        let text = match as_json {
            // Plain data: it cannot fail.
            true => serde_json::to_string(self).unwrap_or_default(),
            false => self.text(),
        };
        let mut out = io::stdout();
        // Whether anybody reads it changes nothing.
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Into memory: it cannot fail.
        let _ = self.write(&mut text);
        text.truncate(text.trim_end().len());
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        write!(
            out,
            "sent      batches of {} over {} connections, {} bytes an event, --seed {}",
            self.batch, self.connections, self.event_bytes, self.seed
        )?;
        if let Some(rate) = self.rate {
            write!(out, ", {rate} events/s due")?;
        }
        writeln!(
            out,
            "\nrate      {:.0} events/s, {:.0} requests/s, {:.1} MB/s; {} events in {:.2} s",
            self.events_per_second,
            self.requests_per_second,
            self.megabytes_per_second,
            self.events,
            self.seconds
        )?;
        let latency = &self.latency_ms;
        writeln!(
            out,
            "latency   p50 {:.2}, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2} ms",
            latency.p50, latency.p90, latency.p99, latency.p999, latency.max
        )?;
        let statuses = self.statuses.iter();
        let statuses: Vec<String> = statuses
            .map(|(status, count)| format!("{status}: {count}"))
            .collect();
        writeln!(out, "answers   {}", statuses.join(", "))?;
        write!(out, "verdicts  {}", self.verdicts)?;
        for (count, what) in [
            (self.pending, "acknowledged without a verdict"),
            (self.refused, "refused"),
            (self.unknown, "without an answer"),
        ] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        write!(
            out,
            "\nCPU       a million events: this process {:.3} s",
            self.bench_cpu_seconds_per_million
        )?;
        if let Some(seconds) = self.server_cpu_seconds_per_million {
            write!(out, ", the server {seconds:.3} s")?;
        }
        writeln!(out)?;
        if self.bench_busy > BUSY {
            let percent = self.bench_busy * 100.0;
            writeln!(
                out,
                "          this process was busy for {percent:.0} % of the time: a faster server would not be seen"
            )?;
        }
        if self.late + self.not_sent > 0 {
            writeln!(
                out,
                "late      {} requests were sent over 1 ms after they were due, at most {:.1} ms; {} were not sent before the end",
                self.late, self.late_most_ms, self.not_sent
            )?;
        }
        for (words, count) in &self.errors {
            writeln!(out, "error     {count} times: {words}")?;
        }
        Ok(())
    }
}

/// An interval as a line.
pub(super) fn line(interval: &Interval) -> String {
    format!(
        "{:.1} s: {} events, {:.0} events/s, p50 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2} ms",
        interval.seconds,
        interval.events,
        interval.events_per_second,
        interval.p50_ms,
        interval.p99_ms,
        interval.p999_ms,
        interval.max_ms
    )
}

fn per_million(seconds: f64, events: u64) -> f64 {
    rounded(seconds / (events.max(1) as f64) * 1e6, 4)
}

fn rounded(number: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (number * factor).round() / factor
}
