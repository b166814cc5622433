//! From what was asked for to what can be done.

use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args as _, Command};

use super::options::ServeOptions;
use crate::event::EventLimits;
use crate::http::{HttpOptions, Token};
use crate::store::StoreOptions;

/// Variables that are no option of `serve`.
const OTHER_VARIABLES: [&str; 2] = ["ONCELOG_LOG", "ONCELOG_URL"];

/// What `serve` runs with.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where to listen; at least one.
    pub listen: Vec<SocketAddr>,
    /// For the HTTP side.
    pub http: HttpOptions,
    /// For the store.
    pub store: StoreOptions,
    /// What the operator should know, one sentence each.
    pub warnings: Vec<String>,
}

/// Why the options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An address is none.
    #[error("--listen {given}: {source}")]
    Listen {
        /// What was given.
        given: String,
        /// Why not.
        source: io::Error,
    },
    /// The token cannot be read.
    #[error("--token-file {}: {source}", path.display())]
    TokenFile {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The token is no token.
    #[error("--token-file {}: the token must be one line of visible ASCII characters", path.display())]
    Token {
        /// Which file.
        path: PathBuf,
    },
    /// A value is outside its bounds.
    #[error("{option} must be {min} to {max}, it is {given}")]
    OutOfBounds {
        /// Which option.
        option: &'static str,
        /// What was given.
        given: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A time is zero.
    #[error("{option} must not be zero")]
    ZeroTime {
        /// Which option.
        option: &'static str,
    },
    /// One option contradicts another.
    #[error("{smaller} must not be larger than {larger}")]
    Contradiction {
        /// What should be the smaller one.
        smaller: &'static str,
        /// What should be the larger one.
        larger: &'static str,
    },
}

impl ServeOptions {
    /// Checks the options, reads the token and resolves addresses.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong.
    pub fn validate(&self) -> Result<ServeConfig, ConfigError> {
        let listen = self.addresses()?;
        let http = self.http_options()?;
        let open = listen.iter().find(|address| !address.ip().is_loopback());
        let warnings = match (open, &http.token) {
            (Some(address), None) => vec![format!(
                "listening on {address} without a token: whoever reaches this port can read and publish; \
                 see --token-file"
            )],
            _ => Vec::new(),
        };
        Ok(ServeConfig {
            listen,
            http,
            store: self.store_options()?,
            warnings,
        })
    }

    fn addresses(&self) -> Result<Vec<SocketAddr>, ConfigError> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for given in &self.listen {
            let error = |source| ConfigError::Listen {
                given: given.clone(),
                source,
            };
            let resolved: Vec<SocketAddr> =
                given.as_str().to_socket_addrs().map_err(error)?.collect();
            if resolved.is_empty() {
                return Err(error(io::Error::other("the name has no address")));
            }
            for address in resolved {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        Ok(addresses)
    }

    fn http_options(&self) -> Result<HttpOptions, ConfigError> {
        let size =
            |option, given, min, max| bounded(option, given, min, max).map(|bytes| bytes as usize);
        let http = HttpOptions {
            limits: EventLimits {
                body_bytes: size("--max-body", self.max_body, 1, 1 << 30)?,
                event_bytes: size("--max-event", self.max_event, 1, 1 << 30)?,
                events_per_batch: size("--max-events", self.max_events, 1, 10_000_000)?,
            },
            header_bytes: size("--max-headers", self.max_headers, 1 << 10, 256 << 10)?,
            connections: size("--max-connections", self.max_connections, 1, 1_000_000)?,
            in_flight_bytes: size("--in-flight", self.in_flight, 1, 1 << 40)?,
            header_timeout: nonzero("--header-timeout", self.header_timeout)?,
            body_timeout: nonzero("--body-timeout", self.body_timeout)?,
            idle_timeout: nonzero("--idle-timeout", self.idle_timeout)?,
            write_timeout: nonzero("--write-timeout", self.write_timeout)?,
            verdict_wait: nonzero("--verdict-wait", self.verdict_wait)?,
            durable_wait: nonzero("--durable-wait", self.durable_wait)?,
            drain: self.drain,
            token: self.token()?,
            ..HttpOptions::default()
        };
        if http.limits.body_bytes > http.in_flight_bytes {
            return Err(ConfigError::Contradiction {
                smaller: "--max-body",
                larger: "--in-flight",
            });
        }
        Ok(http)
    }

    fn store_options(&self) -> Result<StoreOptions, ConfigError> {
        let count = |option, given| bounded(option, given, 1, u64::MAX);
        Ok(StoreOptions {
            data_dir: self.data_dir.data_dir.clone(),
            segment_bytes: bounded("--segment-size", self.segment_size, 64 << 10, 16 << 30)?,
            min_free_bytes: self.min_free,
            reserve_bytes: self.reserve,
            backlog_bytes: count("--backlog-size", self.backlog_size)?,
            backlog_events: count("--backlog-events", self.backlog_events)?,
            delta_events: bounded("--delta-events", self.delta_events, 1, u64::from(u32::MAX))?,
            index_filter_memory_bytes: self.index_filter_memory,
            max_topics: bounded("--max-topics", self.max_topics, 1, u64::from(u32::MAX))?,
            verify_at_start_bytes: self.verify_at_start,
            drain: self.drain,
        })
    }

    fn token(&self) -> Result<Option<Token>, ConfigError> {
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        Ok(Token::new(&read_token(path)?))
    }
}

/// The token in a file, without the white space around it.
///
/// # Errors
/// [`ConfigError`]: it cannot be read, or holds no token.
pub(crate) fn read_token(path: &Path) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::TokenFile {
        path: path.to_owned(),
        source,
    })?;
    let is_token = Token::new(&text).is_some();
    is_token
        .then(|| text.trim().to_owned())
        .ok_or_else(|| ConfigError::Token {
            path: path.to_owned(),
        })
}

/// A number within its bounds, both included.
///
/// # Errors
/// [`ConfigError::OutOfBounds`].
pub(crate) fn bounded(
    option: &'static str,
    given: u64,
    min: u64,
    max: u64,
) -> Result<u64, ConfigError> {
    let fits = (min..=max).contains(&given);
    fits.then_some(given).ok_or(ConfigError::OutOfBounds {
        option,
        given,
        min,
        max,
    })
}

/// A time that is not zero.
///
/// # Errors
/// [`ConfigError::ZeroTime`].
pub(crate) fn nonzero(option: &'static str, time: Duration) -> Result<Duration, ConfigError> {
    (!time.is_zero())
        .then_some(time)
        .ok_or(ConfigError::ZeroTime { option })
}

/// Those of these environment variables that begin with `ONCELOG_` and mean nothing:
/// mostly a misspelt option, which would otherwise silently keep its default.
pub fn unknown_variables(names: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let serve = ServeOptions::augment_args(Command::new("serve"));
    let known = |name: &str| {
        OTHER_VARIABLES.contains(&name)
            || serve
                .get_arguments()
                .filter_map(|option| option.get_env())
                .any(|variable| variable == name)
    };
    let mut unknown: Vec<String> = names
        .into_iter()
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("ONCELOG_") && !known(name))
        .collect();
    unknown.sort();
    unknown
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
