//! `oncelog bench`: measures a running server over HTTP, and checks every one of its answers.
//!
//! | part | what |
//! |---|---|
//! | `shape`, `sequence` | what events look like, and which of them repeat an id |
//! | `pace`, `engine`, `tally`, `intervals` | sends them over some connections, and counts |
//! | `target`, `http` | what can be driven |
//! | `answer`, `counters` | what a server says, held against what was sent |
//! | `summary` | what is told at the end |
//!
//! The engine drives other things than oncelog, too: `benches/peers` does that.

mod answer;
mod counters;
pub mod engine;
pub mod http;
mod intervals;
mod options;
mod pace;
mod sequence;
pub mod shape;
mod summary;
pub mod tally;
pub mod target;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use answer::read_answer;
pub use intervals::{Every, Interval};
pub use options::BenchOptions;
pub use sequence::{Age, Share, ShareError};

use super::client::{Client, block_on};
use super::stops::{Stop, Stops};
use super::voice::Voice;
use counters::{Counters, NoCounters};
use engine::{End, Load, Measured, drive};
use http::HttpTarget;
use options::{OptionsError, Settings};
use summary::Report;
use tally::Published;

/// For the help.
pub const EXAMPLE: &str = "\
Examples:
  oncelog bench --batch 100 --connections 16 --duration 10s
  oncelog bench --rate 500 --batch 1 --duplicates 0.2 --json";

/// How long the verdicts of what is durable may take, before and after.
const VERDICTS: Duration = Duration::from_secs(60);

/// On a terminal, where no intervals were asked for.
const PROGRESS_EVERY: Every = Every::Time(Duration::from_secs(1));

const NOT_ALL_WELL: u8 = 1;
const COULD_NOT_RUN: u8 = 2;

/// Why it does not begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error(transparent)]
    Counters(#[from] NoCounters),
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
    #[error("the batch whose ids were to be repeated was not stored: {0}")]
    Primer(String),
}

/// Measures. 0 all well; 1 a difference, or answers that refuse or are missing; 2 could not
/// run; 130 or 143 after a signal.
pub fn run(options: &BenchOptions) -> ExitCode {
    ExitCode::from(bench(options).unwrap_or_else(|error| {
        super::say_error(&error);
        COULD_NOT_RUN
    }))
}

fn bench(options: &BenchOptions) -> Result<u8, StartError> {
    let settings = options.validate()?;
    let voice = Voice::new(false);
    let report = block_on(async {
        // Before the first request, so that no signal is lost.
        let stops = Stops::new()?;
        measure(settings, options, &voice, stops).await
    })?;
    voice.end_progress();
    let report = report?;
    report.print(options.json);
    for difference in &report.differences {
        voice.say(difference);
    }
    Ok(match report.stop {
        Some(stop) => stop.exit_code(),
        None if report.is_all_well() => 0,
        None => NOT_ALL_WELL,
    })
}

async fn measure(
    settings: Settings,
    options: &BenchOptions,
    voice: &Voice,
    stops: Stops,
) -> Result<Report, StartError> {
    let Settings {
        target,
        client,
        mut load,
    } = settings;
    let driven = HttpTarget::new(
        &target.authority,
        &target.path("/publish"),
        client.token.as_ref(),
        read_answer,
    );
    let mut client = Client::new(target, client);
    let before = Counters::read(&mut client, VERDICTS).await?;
    let primed = match load.repeats != Share::NONE && load.known == 0 {
        true => prime(&driven, &mut load).await?,
        false => Published::default(),
    };
    let cpu_before = Counters::read(&mut client, VERDICTS).await?;
    let mut intervals = Vec::new();
    let is_reported = load.report_every.is_some();
    let tell = |interval: &Interval| match is_reported {
        true => {
            voice.say(&summary::line(interval));
            intervals.push(*interval);
        }
        false => voice.progress(|| summary::line(interval)),
    };
    load.report_every.get_or_insert(PROGRESS_EVERY);
    let (measured, stop) = until_stopped(driven, load.clone(), stops, tell).await?;
    let mut report = Report::new(options, &load, primed, measured);
    report.intervals = intervals;
    report.stop = stop;
    match Counters::read(&mut client, VERDICTS).await {
        Ok(after) => report.compare(&before, &cpu_before, &after),
        Err(error) => report
            .differences
            .push(format!("nothing to compare: {error}")),
    }
    Ok(report)
}

/// Sends a batch of ids that can then be repeated.
async fn prime(target: &HttpTarget, load: &mut Load) -> Result<Published, StartError> {
    let primer = Load {
        connections: 1,
        end: End::Events(load.batch as u64),
        rate: None,
        repeats: Share::NONE,
        report_every: None,
        ..load.clone()
    };
    let sent = drive(target.clone(), primer, CancellationToken::new(), |_| ()).await?;
    let tally = sent.tally;
    if !tally.is_all_well() {
        let mut words = tally
            .errors
            .first
            .into_keys()
            .chain(tally.differences.first.into_keys());
        return Err(StartError::Primer(words.next().unwrap_or_default()));
    }
    load.known = sent.ids;
    Ok(tally.published())
}

/// Drives it to its end, or until a signal comes; a second one ends the process.
async fn until_stopped(
    target: HttpTarget,
    load: Load,
    mut stops: Stops,
    tell: impl FnMut(&Interval),
) -> io::Result<(Measured, Option<Stop>)> {
    let token = CancellationToken::new();
    let mut driving = Box::pin(drive(target, load, token.clone(), tell));
    let stop = tokio::select! {
        measured = &mut driving => return Ok((measured?, None)),
        stop = stops.next() => stop,
    };
    token.cancel();
    tokio::select! {
        measured = driving => Ok((measured?, Some(stop))),
        again = stops.next() => std::process::exit(again.exit_code().into()),
    }
}
