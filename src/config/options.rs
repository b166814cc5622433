//! The options of `serve`, as clap reads them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::units::{parse_bytes, parse_count, parse_duration};

/// Where the data is. Shared by all subcommands.
#[derive(Clone, Debug, Args)]
pub struct DataDir {
    /// The directory that holds the log and the index
    #[arg(
        long,
        value_name = "DIR",
        env = "ONCELOG_DATA_DIR",
        default_value = "data"
    )]
    pub data_dir: PathBuf,
}

/// Which server to ask. Shared by the subcommands that talk to one.
#[derive(Clone, Debug, Args)]
pub struct ServerUrl {
    /// The server
    #[arg(
        long,
        value_name = "URL",
        env = "ONCELOG_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub url: String,
}

/// The options of `serve`, not yet validated.
#[derive(Clone, Debug, Args)]
pub struct ServeOptions {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub data_dir: DataDir,

    /// Address and port to listen on; may be given several times
    #[arg(
        long,
        value_name = "ADDR:PORT",
        env = "ONCELOG_LISTEN",
        value_delimiter = ',',
        default_value = "127.0.0.1:8080"
    )]
    pub listen: Vec<String>,

    /// A file with the bearer token that clients must show
    #[arg(long, value_name = "FILE", env = "ONCELOG_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// The size at which a segment of the log is sealed
    #[arg(long, value_name = "SIZE", env = "ONCELOG_SEGMENT_SIZE", default_value = "64MiB", value_parser = parse_bytes)]
    pub segment_size: u64,

    /// Free disk space below which publishing is answered 507
    #[arg(long, value_name = "SIZE", env = "ONCELOG_MIN_FREE", default_value = "0", value_parser = parse_bytes)]
    pub min_free: u64,

    /// Disk space kept back, so that recovery has room on a full disk
    #[arg(long, value_name = "SIZE", env = "ONCELOG_RESERVE", default_value = "4MiB", value_parser = parse_bytes)]
    pub reserve: u64,

    /// The most bytes that may be durable and not yet judged
    #[arg(long, value_name = "SIZE", env = "ONCELOG_BACKLOG_SIZE", default_value = "16GiB", value_parser = parse_bytes)]
    pub backlog_size: u64,

    /// The most events that may be durable and not yet judged
    #[arg(long, value_name = "COUNT", env = "ONCELOG_BACKLOG_EVENTS", default_value = "50M", value_parser = parse_count)]
    pub backlog_events: u64,

    /// The most events whose verdicts are kept in memory before they are written to the index
    #[arg(long, value_name = "COUNT", env = "ONCELOG_DELTA_EVENTS", default_value = "900k", value_parser = parse_count)]
    pub delta_events: u64,

    /// The most memory for the filters that tell new ids from known ones; 3.7 bytes for each id make them fast
    #[arg(long, value_name = "SIZE", env = "ONCELOG_INDEX_FILTER_MEMORY", default_value = "512MiB", value_parser = parse_bytes)]
    pub index_filter_memory: u64,

    /// The most topics; a batch that names another is refused
    #[arg(long, value_name = "COUNT", env = "ONCELOG_MAX_TOPICS", default_value = "1M", value_parser = parse_count)]
    pub max_topics: u64,

    /// How much of the log's end is verified before the server starts
    #[arg(long, value_name = "SIZE", env = "ONCELOG_VERIFY_AT_START", default_value = "256MiB", value_parser = parse_bytes)]
    pub verify_at_start: u64,

    /// How long requests may take to end once the server was told to stop
    #[arg(long, value_name = "TIME", env = "ONCELOG_DRAIN", default_value = "7s", value_parser = parse_duration)]
    pub drain: Duration,

    /// The most bytes of a request body
    #[arg(long, value_name = "SIZE", env = "ONCELOG_MAX_BODY", default_value = "32MiB", value_parser = parse_bytes)]
    pub max_body: u64,

    /// The most bytes of an event
    #[arg(long, value_name = "SIZE", env = "ONCELOG_MAX_EVENT", default_value = "32MiB", value_parser = parse_bytes)]
    pub max_event: u64,

    /// The most events of a batch
    #[arg(long, value_name = "COUNT", env = "ONCELOG_MAX_EVENTS", default_value = "100k", value_parser = parse_count)]
    pub max_events: u64,

    /// The most bytes of a request's first line and headers
    #[arg(long, value_name = "SIZE", env = "ONCELOG_MAX_HEADERS", default_value = "16KiB", value_parser = parse_bytes)]
    pub max_headers: u64,

    /// The most connections at once
    #[arg(long, value_name = "COUNT", env = "ONCELOG_MAX_CONNECTIONS", default_value = "1024", value_parser = parse_count)]
    pub max_connections: u64,

    /// The most bytes of request bodies in memory
    #[arg(long, value_name = "SIZE", env = "ONCELOG_IN_FLIGHT", default_value = "256MiB", value_parser = parse_bytes)]
    pub in_flight: u64,

    /// How long the first byte and the headers of a request may take
    #[arg(long, value_name = "TIME", env = "ONCELOG_HEADER_TIMEOUT", default_value = "10s", value_parser = parse_duration)]
    pub header_timeout: Duration,

    /// How long a request body may take
    #[arg(long, value_name = "TIME", env = "ONCELOG_BODY_TIMEOUT", default_value = "30s", value_parser = parse_duration)]
    pub body_timeout: Duration,

    /// How long a connection may stay idle between requests
    #[arg(long, value_name = "TIME", env = "ONCELOG_IDLE_TIMEOUT", default_value = "75s", value_parser = parse_duration)]
    pub idle_timeout: Duration,

    /// How long a client may take to read the next 64 KiB of its answer
    #[arg(long, value_name = "TIME", env = "ONCELOG_WRITE_TIMEOUT", default_value = "30s", value_parser = parse_duration)]
    pub write_timeout: Duration,

    /// How long a publish waits for its verdicts before it is answered 202
    #[arg(long, value_name = "TIME", env = "ONCELOG_VERDICT_WAIT", default_value = "5s", value_parser = parse_duration)]
    pub verdict_wait: Duration,

    /// How long a publish waits for the disk before it is told that the outcome is not known
    #[arg(long, value_name = "TIME", env = "ONCELOG_DURABLE_WAIT", default_value = "30s", value_parser = parse_duration)]
    pub durable_wait: Duration,
}
