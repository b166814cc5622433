//! Rounds of measurements: every server in turn, on a fresh directory.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
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
    event_bytes: usize,
    seconds: f64,
    events: u64,
    pub(crate) events_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    pub(crate) server_cpu_seconds_per_million: f64,
    pub(crate) bench_cpu_seconds_per_million: f64,
    pub(crate) bench_busy: f64,
    pub(crate) disk_bytes_per_event: f64,
}

/// Reads `100:16`.
pub(crate) fn parse_load(text: &str) -> Result<(usize, usize)> {
    let (batch, connections) = text.split_once(':').context("such as 100:16")?;
    let (batch, connections) = (batch.parse()?, connections.parse()?);
    ensure!(batch > 0 && connections > 0, "neither may be 0");
    Ok((batch, connections))
}

impl Plan {
    /// A B C D, A B C D, …
    pub(crate) async fn measure(
        &self,
        servers: &[Server],
        batch: usize,
        connections: usize,
    ) -> Result<Vec<Round>> {
        let mut rounds = Vec::new();
        for number in 1..=self.rounds {
            let mut round = Round::new();
            for server in servers {
                let figures = self.measure_one(server, number, batch, connections).await;
                let figures = figures.with_context(|| server.name().to_owned())?;
                eprintln!(
                    "batch {batch}, round {number}: {} {:.0} events/s",
                    server.name(),
                    figures.events_per_second
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
        batch: usize,
        connections: usize,
    ) -> Result<Figures> {
        let dir = tempfile::tempdir_in(&self.dir)?;
        let data_dir = dir.path().join("data");
        let process = server.start(&data_dir).await?;
        let disk_before = disk_bytes(&data_dir, server.not_data())?;
        let load = self.load(batch, connections)?;
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
            batch,
            connections,
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

    fn load(&self, batch: usize, connections: usize) -> Result<Load> {
        let shape = Shape::new(1, Ids::Random, TOPICS, None).context("a shape")?;
        Ok(Load {
            shape,
            seed: 1,
            batch,
            connections,
            end: End::After(Duration::from_secs(self.seconds)),
            rate: None,
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
