//! `oncelog publish`: sends events from files or standard input to a server, in batches, one
//! at a time, until every one of them is acknowledged or refused for good.
//!
//! | part | what |
//! |---|---|
//! | `source`, `form`, `feed`, `split`, `check`, `batcher` | the reading thread: inputs become portions |
//! | `settle`, `publisher`, `answer`, `pending`, `retry`, `pace` | a portion is sent until it is settled |
//! | `receipts`, `refused`, `summary` | what is told and kept of it |
//!
//! The same events are sent with the same ids, byte for byte, after every unknown outcome: the
//! server keeps each once. So a run that was killed can be begun again from the start; what
//! had been kept is then a duplicate.

mod answer;
mod batcher;
mod check;
mod dumped;
mod feed;
mod form;
mod options;
mod pace;
mod pending;
mod portion;
mod publisher;
mod receipts;
mod refused;
mod retry;
mod settle;
mod source;
mod split;
mod summary;

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

pub use options::{EXAMPLE, PublishOptions};

use super::client::{Client, block_on};
use super::stops::{Stop, Stops};
use super::voice::Voice;
use batcher::{Broken, FromInput};
use options::OptionsError;
use pace::Pace;
use portion::Portion;
use publisher::{Ended, Publisher};
use receipts::{ReceiptsError, ReceiptsFile};
use refused::{RefusedFileError, Reports};
use retry::Retry;
use source::Source;
use summary::Tally;

/// How long the batch in flight may take after the first signal.
const LAST_BATCH: Duration = Duration::from_secs(2);

const NOT_ALL: u8 = 1;
const COULD_NOT_RUN: u8 = 2;

/// How it ended.
enum End {
    /// At the end of the inputs.
    Done,
    Ended(Ended),
    /// An input broke off.
    Broken(Broken),
    Stopped(Stop),
}

/// Why it does not begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error(transparent)]
    Receipts(#[from] ReceiptsError),
    #[error(transparent)]
    RefusedFile(#[from] RefusedFileError),
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

/// Publishes. 0 all acknowledged; 1 something was refused for good, or not all of it is known
/// to be in one log; 2 could not run; 130 or 143 after a signal.
pub fn run(options: &PublishOptions) -> ExitCode {
    ExitCode::from(publish(options).unwrap_or_else(|error| {
        super::say_error(&error);
        COULD_NOT_RUN
    }))
}

fn publish(options: &PublishOptions) -> Result<u8, StartError> {
    let settings = options.validate()?;
    let voice = Voice::new(options.quiet);
    let receipts = match &options.receipts {
        Some(path) => Some(open_receipts(path, &voice)?),
        None => None,
    };
    let reports = Reports::new(
        voice.clone(),
        settings.sources.clone(),
        options.refused.as_deref(),
        options.receipts.as_deref(),
    )?;
    if settings.sources.contains(&Source::Stdin) && io::stdin().is_terminal() {
        voice.note("reading events from standard input; Ctrl-D ends them");
    }
    let mut publisher = Publisher {
        has_token: settings.client.token.is_some(),
        retry: Retry::new(settings.target.url(), voice.clone(), options.give_up_after),
        client: Client::new(settings.target, settings.client),
        receipts,
        reports,
        tally: Tally::default(),
        voice,
        began: Instant::now(),
    };
    let sent = block_on(async {
        // Before the first event is read, so that no signal is lost.
        let stops = Stops::new()?;
        let portions = feed::start(settings.sources, settings.batch)?;
        Ok(publish_all(&mut publisher, portions, Pace::new(options.rate), stops).await)
    })?;
    let end = sent.map_err(StartError::Io)?;
    Ok(finish(publisher, &end, options))
}

fn open_receipts(path: &Path, voice: &Voice) -> Result<ReceiptsFile, ReceiptsError> {
    let (receipts, half_bytes) = ReceiptsFile::open(path)?;
    if half_bytes > 0 {
        voice.note(&format!(
            "{}: half a line at its end, {half_bytes} bytes, was cut off",
            path.display()
        ));
    }
    Ok(receipts)
}

async fn publish_all(
    publisher: &mut Publisher,
    mut portions: Receiver<FromInput>,
    mut pace: Pace,
    mut stops: Stops,
) -> End {
    loop {
        let next = async {
            pace.wait().await;
            portions.recv().await
        };
        let next = tokio::select! {
            stop = stops.next() => return End::Stopped(stop),
            next = next => next,
        };
        let portion = match next {
            Some(FromInput::Portion(portion)) => portion,
            Some(FromInput::Broken(broken)) => return End::Broken(broken),
            None => return End::Done,
        };
        pace.sends(portion.len(), tokio::time::Instant::now());
        if let Some(end) = settle(publisher, &portion, &mut stops).await {
            publisher.tell_unacknowledged(&portion);
            return end;
        }
    }
}

/// Settles a portion, or says why publishing ends with it.
async fn settle(publisher: &mut Publisher, portion: &Portion, stops: &mut Stops) -> Option<End> {
    let voice = publisher.voice.clone();
    let in_flight = publisher.client.in_flight();
    // Boxed, so that it can be dropped before a second signal is obeyed.
    let mut settling = Box::pin(publisher.settle(portion));
    let stop = tokio::select! {
        settled = &mut settling => return settled.err().map(End::Ended),
        stop = stops.next() => stop,
    };
    if !in_flight.load(Ordering::Relaxed) {
        return Some(End::Stopped(stop));
    }
    voice.note("stopping: the batch in flight may still be acknowledged");
    let second = tokio::select! {
        // Whether it came in time is seen in the tally.
        _ = timeout(LAST_BATCH, &mut settling) => None,
        stop = stops.next() => Some(stop),
    };
    drop(settling);
    if let Some(second) = second {
        // What was refused is not told again; if it cannot be written, there is no time left.
        let _ = publisher.reports.flush();
        std::process::exit(second.exit_code().into());
    }
    Some(End::Stopped(stop))
}

/// Tells how it ended; gives the exit code.
fn finish(mut publisher: Publisher, end: &End, options: &PublishOptions) -> u8 {
    let flushed = publisher.reports.flush();
    publisher.voice.end_progress();
    let tally = &publisher.tally;
    let code = match end {
        End::Done if tally.refused > 0 || tally.log_changed => NOT_ALL,
        End::Done => 0,
        End::Ended(ended) => {
            publisher.voice.say(&ended.to_string());
            match ended {
                Ended::GaveUp => NOT_ALL,
                _ => COULD_NOT_RUN,
            }
        }
        End::Broken(broken) => {
            let source = publisher.reports.source_name(broken.source);
            let what = &broken.what;
            let after = match publisher.reports.is_last(broken.source) {
                true => "",
                false => ", the inputs after it were not read",
            };
            publisher.voice.say(&format!(
                "{source}: {what}; what came before it was published{after}"
            ));
            if broken.is_io { COULD_NOT_RUN } else { NOT_ALL }
        }
        End::Stopped(stop) => stop.exit_code(),
    };
    tally.print(publisher.began.elapsed(), options.json);
    match flushed {
        Ok(()) => code,
        Err(error) => {
            publisher.voice.say(&error.to_string());
            COULD_NOT_RUN
        }
    }
}
