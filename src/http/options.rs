//! Every limit of the HTTP side in one place.

use std::time::Duration;

use super::auth::Token;
use crate::event::EventLimits;

/// What the HTTP side admits, and for how long it waits.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The most bytes of a body and of an event, and the most events of a batch.
    pub limits: EventLimits,
    /// The most bytes of a request's first line and headers.
    pub header_bytes: usize,
    /// The most connections at once.
    pub connections: usize,
    /// The most bytes of bodies that are being read or wait for their answer.
    pub in_flight_bytes: usize,
    /// How long a request's first line and headers may take, and the first byte of a
    /// new connection.
    pub header_timeout: Duration,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long a connection may stay idle between requests.
    pub idle_timeout: Duration,
    /// How long a client may take to read the next 64 KiB of its answer, or the rest of it.
    pub write_timeout: Duration,
    /// How long a publish waits for its verdicts before it is answered 202.
    pub verdict_wait: Duration,
    /// How long a publish waits to become durable before it is answered 503.
    pub durable_wait: Duration,
    /// How long requests in flight may take to end once the server stops.
    pub drain: Duration,
    /// How often counters are sampled; twelve samples are the last minute of /stats.
    pub sample_every: Duration,
    /// What clients must show; nothing when everyone may come in.
    pub token: Option<Token>,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            limits: EventLimits::default(),
            header_bytes: 16 << 10,
            connections: 1024,
            in_flight_bytes: 256 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            verdict_wait: Duration::from_secs(5),
            durable_wait: Duration::from_secs(30),
            drain: Duration::from_secs(7),
            sample_every: Duration::from_secs(5),
            token: None,
        }
    }
}
