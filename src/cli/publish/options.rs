//! The options of `publish`, and what they become.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hyper::header::HeaderValue;

use super::batcher::BatchLimits;
use super::pace::batch_for_rate;
use super::source::{Source, SourceError};
use crate::cli::client::{ClientOptions, Target, UrlError};
use crate::config::{ConfigError, ServerUrl, bounded, nonzero, read_token};
use crate::config::{parse_bytes, parse_count, parse_duration};

/// For a name and all its addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const BATCH_EVENTS: u64 = 1000;

/// For the help.
pub const EXAMPLE: &str = "\
Examples:
  oncelog publish events.ndjson --receipts receipts.ndjson
  tail -F app.ndjson | oncelog publish --url http://127.0.0.1:8080";

/// The options of `publish`.
#[derive(Clone, Debug, Args)]
pub struct PublishOptions {
    /// NDJSON, one event a line, or one JSON array of events; standard input for `-` or nothing.
    /// Also what `oncelog dump --json` and GET /events give
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerUrl,

    /// A file with the bearer token that the server asks for
    #[arg(long, value_name = "FILE", env = "ONCELOG_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// The most events of a batch [default: 1000, or a tenth of a second's with --rate]
    #[arg(long, value_name = "COUNT", value_parser = parse_count)]
    pub batch: Option<u64>,

    /// The most bytes of a batch; an event that is larger goes alone
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_bytes)]
    pub batch_size: u64,

    /// No more events a second than this, in evenly spaced batches
    #[arg(long, value_name = "EVENTS_PER_SECOND", value_parser = parse_count)]
    pub rate: Option<u64>,

    /// Append a line to FILE, a regular one, for every event acknowledged
    ///
    /// Each is a JSON object with the log's id, the event's topic and event_id, the digest of
    /// its payload, its verdict (stored, duplicate or conflict), its seq, and as original_seq
    /// that of the first event with its key, which may be itself: what is needed to prove later
    /// that the promise was kept. The lines of a batch are written before the next is sent.
    /// What a kill left of a half line is cut off at the next start.
    #[arg(long, value_name = "FILE")]
    pub receipts: Option<PathBuf>,

    /// Write the events that were refused for good to FILE, which is made anew
    ///
    /// Each is a JSON object a line: input, line (of an array: element, from 1), event_id if
    /// known, code, detail, and the event's text.
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,

    /// Stop when nothing was acknowledged for so long [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub give_up_after: Option<Duration>,

    /// How long one attempt to send a batch may take; twice as long after each that was too late
    ///
    /// It grows up to 10 minutes, until something is acknowledged: what a server kept and could
    /// not say in time is sent again, and counts as duplicates.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub answer_timeout: Duration,

    /// No progress, and no word about waiting
    #[arg(long)]
    pub quiet: bool,

    /// The summary as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Why nothing can be published.
#[derive(Debug, thiserror::Error)]
pub(super) enum OptionsError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// The options, checked.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) sources: Vec<Source>,
    pub(super) target: Target,
    pub(super) client: ClientOptions,
    pub(super) batch: BatchLimits,
}

impl PublishOptions {
    /// Checks the options, reads the token and looks for the files.
    pub(super) fn validate(&self) -> Result<Settings, OptionsError> {
        let rate = self
            .rate
            .map(|rate| bounded("--rate", rate, 1, u64::from(u32::MAX)))
            .transpose()?;
        let default_batch = rate.map_or(BATCH_EVENTS, |rate| batch_for_rate(rate, BATCH_EVENTS));
        let events = self.batch.unwrap_or(default_batch);
        let token = match &self.token_file {
            Some(path) => {
                let token = read_token(path)?;
                let header = HeaderValue::try_from(format!("Bearer {token}"));
                let mut header = header.map_err(|_| ConfigError::Token { path: path.clone() })?;
                header.set_sensitive(true);
                Some(header)
            }
            None => None,
        };
        if let Some(time) = self.give_up_after {
            nonzero("--give-up-after", time)?;
        }
        Ok(Settings {
            target: Target::parse(&self.server.url)?,
            client: ClientOptions {
                user_agent: concat!("oncelog-publish/", env!("CARGO_PKG_VERSION")),
                token,
                connect_timeout: CONNECT_TIMEOUT,
                answer_timeout: nonzero("--answer-timeout", self.answer_timeout)?,
            },
            batch: BatchLimits {
                events: bounded("--batch", events, 1, 10_000_000)? as usize,
                bytes: bounded("--batch-size", self.batch_size, 1, 1 << 30)? as usize,
                keeps_refused_text: self.refused.is_some(),
            },
            sources: Source::check_all(&self.files)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;
    use crate::config::unknown_variables;

    #[test]
    fn a_server_is_not_warned_of_the_variables_of_publish() {
        let command = PublishOptions::augment_args(Command::new("publish"));
        let variables = command
            .get_arguments()
            .filter_map(|option| option.get_env());
        let variables: Vec<_> = variables.map(ToOwned::to_owned).collect();
        assert_eq!(variables, ["ONCELOG_URL", "ONCELOG_TOKEN_FILE"]);
        assert_eq!(unknown_variables(variables), Vec::<String>::new());
    }
}
