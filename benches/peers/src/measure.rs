//! Rounds of measurements: every server in turn, on a fresh directory.

use std::fmt::{self, Display, Formatter};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use oncelog::cli::bench::engine::{End, Load, Measured};
use oncelog::cli::bench::shape::{Ids, Shape};
use oncelog::cli::bench::{Age, Share};
use serde::Serialize;

use super::process::disk_bytes;
use super::servers::Server;

const TOPICS: u64 = 16;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// How it is measured.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) dir: PathBuf,
    pub(crate) results: Option<PathBuf>,
}

/// One measurement of each server, in their order.
pub(crate) type Round = Vec<Figures>;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    server: String,
    version: String,
    round: usize,
    batch: usize,
    connections: usize,
    rate: Option<u64>,
    event_bytes: usize,
    seconds: f64,
    events: u64,
    pub(crate) events_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    max_ms: f64,
    pub(crate) server_cpu_seconds_per_million: f64,
    pub(crate) bench_cpu_seconds_per_million: f64,
    pub(crate) bench_busy: f64,
    pub(crate) disk_bytes_per_event: f64,
}

/// What requests are sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requests {
    /// Events of each.
    pub(crate) batch: usize,
    /// Each has one in flight.
    pub(crate) connections: usize,
    /// Events a second, in an open loop: latencies count from when a request was due.
    pub(crate) rate: Option<u64>,
}

impl FromStr for Requests {
    type Err = Error;

    /// Reads `100:16`, or `100:16:300000` with a rate.
    fn from_str(text: &str) -> Result<Requests> {
        let (batch, rest) = text.split_once(':').context("such as 100:16")?;
        let (connections, rate) = match rest.split_once(':') {
            Some((connections, rate)) => (connections, Some(rate.parse()?)),
            None => (rest, None),
        };
        let (batch, connections) = (batch.parse()?, connections.parse()?);
        let some = batch > 0 && connections > 0 && rate != Some(0);
        ensure!(some, "none may be 0");
        Ok(Requests {
            batch,
            connections,
            rate,
        })
    }
}

impl Display for Requests {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.batch, self.connections)?;
        match self.rate {
            Some(rate) => write!(f, " at {rate}/s"),
            None => Ok(()),
        }
    }
}

impl Plan {
    /// A B C D, A B C D, …
    pub(crate) async fn measure(
        &self,
        servers: &[Server],
        requests: Requests,
    ) -> Result<Vec<Round>> {
        let mut rounds = Vec::new();
        for number in 1..=self.rounds {
            let mut round = Round::new();
            for server in servers {
                let figures = self.measure_one(server, number, requests).await;
                let figures = figures.with_context(|| server.name().to_owned())?;
                eprintln!(
                    "{requests}, round {number}: {} {:.0} events/s, p99 {:.2} ms",
                    server.name(),
                    figures.events_per_second,
                    figures.p99_ms
                );
                self.keep(&figures)?;
                round.push(figures);
            }
            rounds.push(round);
        }
        Ok(rounds)
    }

    async fn measure_one(
        &self,
        server: &Server,
        round: usize,
        requests: Requests,
    ) -> Result<Figures> {
        let dir = tempfile::tempdir_in(&self.dir)?;
        let data_dir = dir.path().join("data");
        let process = server.start(&data_dir).await?;
        let disk_before = disk_bytes(&data_dir, server.not_data())?;
        let load = self.load(requests)?;
        let event_bytes = load.shape.event_bytes();
        let cpu_before = process.cpu_seconds()?;
        let measured = server.drive(process.port, load).await?;
        let cpu_seconds = process.cpu_seconds()? - cpu_before;
        // In order, so that what was prepared and not used is given back.
        process.end().await?;
        let disk = disk_bytes(&data_dir, server.not_data())?.saturating_sub(disk_before);
        let Measured { tally, elapsed, .. } = measured;
        ensure!(
            tally.is_all_well() && tally.events > 0,
            "answers are missing or wrong: {:?} {:?}",
            tally.errors.first,
            tally.differences.first
        );
        let (seconds, events) = (elapsed.as_secs_f64(), tally.events as f64);
        Ok(Figures {
            server: server.name().to_owned(),
            version: server.version().to_owned(),
            round,
            batch: requests.batch,
            connections: requests.connections,
            rate: requests.rate,
            event_bytes,
            seconds,
            events: tally.events,
            events_per_second: events / seconds,
            p50_ms: tally.latency.ms(0.5),
            p99_ms: tally.latency.ms(0.99),
            p999_ms: tally.latency.ms(0.999),
            max_ms: tally.latency.max_ms(),
            server_cpu_seconds_per_million: cpu_seconds / events * 1e6,
            bench_cpu_seconds_per_million: measured.cpu_seconds / events * 1e6,
            bench_busy: measured.cpu_seconds / seconds,
            disk_bytes_per_event: disk as f64 / events,
        })
    }

    fn load(&self, requests: Requests) -> Result<Load> {
        let shape = Shape::new(1, Ids::Random, TOPICS, None).context("a shape")?;
        Ok(Load {
            shape,
            seed: 1,
            batch: requests.batch,
            connections: requests.connections,
            end: End::After(Duration::from_secs(self.seconds)),
            rate: requests.rate,
            repeats: Share::NONE,
            age: Age::Any,
            known: 0,
            answer_timeout: ANSWER_TIMEOUT,
            report_every: None,
        })
    }

    fn keep(&self, figures: &Figures) -> Result<()> {
        let Some(path) = &self.results else {
            return Ok(());
        };
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{}", serde_json::to_string(figures)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_shown_in_the_help() {
        let read = |text: &str| text.parse::<Requests>().map(|read| read.to_string());
        assert_eq!(read("100:16").expect("requests"), "100, 16");
        assert_eq!(read("1:64:20000").expect("requests"), "1, 64 at 20000/s");
        for wrong in ["", "100", "0:16", "100:0", "1:64:0", "1:64:x", "1:64:2:3"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
