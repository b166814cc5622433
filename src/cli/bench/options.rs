//! The options of `bench`, and what they become.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hyper::header::HeaderValue;

use super::engine::{End, Load};
use super::intervals::Every;
use super::sequence::{Age, Share};
use super::shape::{Ids, Shape};
use crate::cli::client::{ClientOptions, Target, UrlError};
use crate::config::{ConfigError, ServerUrl, bounded, nonzero, read_token};
use crate::config::{parse_bytes, parse_count, parse_duration};

/// For a name and all its addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The options of `bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchOptions {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerUrl,

    /// A file with the bearer token that the server asks for
    #[arg(long, value_name = "FILE", env = "ONCELOG_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// Events of a request
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = parse_count)]
    pub batch: u64,

    /// Connections, each with one request in flight
    #[arg(long, value_name = "COUNT", default_value = "16", value_parser = parse_count)]
    pub connections: u64,

    /// How long requests are sent
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub duration: Duration,

    /// Send so many events, however long it takes
    #[arg(long, value_name = "COUNT", conflicts_with = "duration", value_parser = parse_count)]
    pub events: Option<u64>,

    /// So many events a second, by the clock: an open loop
    ///
    /// Each request is due at its time, whether or not those before it were answered, and its
    /// latency counts from then, so that a stall is not hidden. When all connections wait for
    /// answers it is sent late, which is told.
    #[arg(long, value_name = "EVENTS_PER_SECOND", value_parser = parse_count)]
    pub rate: Option<u64>,

    /// The share of events, from 0 to 1, that repeat an id acknowledged before
    ///
    /// So that there is one, a batch is sent before the measuring begins.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = Share::parse)]
    pub duplicates: Share,

    /// Which ids are repeated: one of so many that were sent last, or `any`
    #[arg(long, value_name = "COUNT|any", default_value = "1M", value_parser = Age::parse)]
    pub duplicate_age: Age,

    /// So many ids were sent by runs with the same --seed, which are gone on with
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = parse_count)]
    pub sent_before: u64,

    /// How ids follow each other
    #[arg(long, value_enum, default_value = "random")]
    pub ids: Ids,

    /// Bytes of a payload [default: so that an event takes 260 bytes in the request]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub payload_bytes: Option<u64>,

    /// How many topics take turns
    #[arg(long, value_name = "COUNT", default_value = "16", value_parser = parse_count)]
    pub topics: u64,

    /// What the ids are made of [default: another each time, which is told]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// How long an answer may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub answer_timeout: Duration,

    /// Tell the rate and the latencies of every so much time, or so many events, on stderr
    ///
    /// With --json they are in the object, too.
    #[arg(long, value_name = "TIME|COUNT", value_parser = Every::parse)]
    pub report_every: Option<Every>,

    /// The summary as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub(super) enum OptionsError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("--payload-bytes {given}: such a payload cannot be made")]
    Payload { given: u64 },
    #[error("there is no randomness for a --seed: {0}")]
    Seed(#[from] getrandom::Error),
}

/// The options, checked.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) target: Target,
    pub(super) client: ClientOptions,
    pub(super) load: Load,
}

impl BenchOptions {
    /// Checks the options and reads the token.
    pub(super) fn validate(&self) -> Result<Settings, OptionsError> {
        let seed = match self.seed {
            Some(seed) => seed,
            // Short enough to be typed.
            None => u64::from(getrandom::u32()?),
        };
        let token = match &self.token_file {
            Some(path) => {
                let header = HeaderValue::try_from(format!("Bearer {}", read_token(path)?));
                let mut header = header.map_err(|_| ConfigError::Token { path: path.clone() })?;
                header.set_sensitive(true);
                Some(header)
            }
            None => None,
        };
        let topics = bounded("--topics", self.topics, 1, 1_000_000_000)?;
        let payload_bytes = self.payload_bytes;
        let payload_bytes =
            payload_bytes.map(|bytes| bounded("--payload-bytes", bytes, 1, 1 << 30));
        let payload_bytes = payload_bytes.transpose()?;
        let shape = Shape::new(
            seed,
            self.ids,
            topics,
            payload_bytes.map(|bytes| bytes as usize),
        );
        let shape = shape.ok_or(OptionsError::Payload {
            given: payload_bytes.unwrap_or(0),
        })?;
        let rate = self
            .rate
            .map(|rate| bounded("--rate", rate, 1, 1_000_000_000))
            .transpose()?;
        let end = match self.events {
            Some(events) => End::Events(bounded("--events", events, 1, 1 << 40)?),
            None => End::After(nonzero("--duration", self.duration)?),
        };
        let answer_timeout = nonzero("--answer-timeout", self.answer_timeout)?;
        Ok(Settings {
            target: Target::parse(&self.server.url)?,
            client: ClientOptions {
                user_agent: concat!("oncelog-bench/", env!("CARGO_PKG_VERSION")),
                token,
                connect_timeout: CONNECT_TIMEOUT,
                answer_timeout,
            },
            load: Load {
                shape,
                seed,
                batch: bounded("--batch", self.batch, 1, 10_000_000)? as usize,
                connections: bounded("--connections", self.connections, 1, 100_000)? as usize,
                end,
                rate,
                repeats: self.duplicates,
                age: self.duplicate_age,
                known: self.sent_before,
                answer_timeout,
                report_every: self.report_every,
            },
        })
    }
}
