//! `GET /stats`. Every member is explained in `docs/stats.md`; a test keeps the two together.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;

use super::app::{App, blocking, json_text, to_json};
use super::error::Problem;
use super::growth::GrowthFigures;
use super::process_cpu::process_cpu_seconds;
use super::query::Query;
use super::rates::Rates;
use super::traffic::AnswerCounts;
use crate::event::Seq;
use crate::render::rfc3339;
use crate::store::{State as StoreState, Stats};

/// The answer: the fold's counters flat, the rest by what it is about.
#[derive(Debug, Serialize)]
struct StatsAnswer {
    received: u64,
    unique_processed: u64,
    duplicate_dropped: u64,
    conflicts: u64,
    lost: u64,
    pending: u64,
    topics: Vec<String>,
    topics_total: u64,
    uptime: f64,
    cpu_seconds: f64,
    fold_hash: String,
    log: LogFigures,
    index: IndexFigures,
    backlog: BacklogFigures,
    disk: DiskFigures,
    last_minute: Rates,
    http: HttpFigures,
    state: StateFigures,
}

#[derive(Debug, Serialize)]
struct LogFigures {
    id: String,
    durable: Seq,
    segments: u64,
    bytes: u64,
    frame_bytes: u64,
    bytes_per_event: Option<f64>,
    written_bytes: u64,
    syncs: u64,
    batches: u64,
}

#[derive(Debug, Serialize)]
struct IndexFigures {
    applied: Seq,
    flushed: Seq,
    bytes: u64,
    bytes_per_event: Option<f64>,
    apply_retries: u64,
    apply_failures: u64,
    degraded_since: Option<String>,
}

#[derive(Debug, Serialize)]
struct BacklogFigures {
    events: u64,
    events_max: u64,
    bytes: u64,
    bytes_max: u64,
}

#[derive(Debug, Serialize)]
struct DiskFigures {
    free_bytes: u64,
    total_bytes: Option<u64>,
    index_free_bytes: Option<u64>,
    index_total_bytes: Option<u64>,
    #[serde(flatten)]
    growth: GrowthFigures,
}

#[derive(Debug, Serialize)]
struct HttpFigures {
    requests_in_flight: u64,
    connections: u64,
    connections_max: u64,
    connections_max_seen: u64,
    body_bytes_in_flight: u64,
    body_bytes_max: u64,
    answers: AnswerCounts,
}

#[derive(Debug, Serialize)]
struct StateFigures {
    state: StoreState,
    ready: bool,
    reasons: Vec<String>,
    since: String,
}

impl StatsAnswer {
    fn of(app: &App) -> StatsAnswer {
        let stats = app.store.stats();
        let counters = stats.counters;
        StatsAnswer {
            received: stats.received,
            unique_processed: counters.unique,
            duplicate_dropped: counters.duplicates,
            conflicts: counters.conflicts,
            lost: counters.lost,
            pending: stats.pending,
            topics_total: stats.topics_total,
            uptime: stats.uptime_seconds,
            cpu_seconds: process_cpu_seconds(),
            fold_hash: stats.fold_hash.to_string(),
            log: LogFigures::of(app, &stats),
            index: IndexFigures::of(&stats),
            backlog: BacklogFigures {
                events: stats.behind.events,
                events_max: stats.behind_max.events,
                bytes: stats.behind.bytes,
                bytes_max: stats.behind_max.bytes,
            },
            disk: DiskFigures {
                free_bytes: stats.log_disk.map_or(0, |disk| disk.free_bytes),
                total_bytes: stats.log_disk.map(|disk| disk.total_bytes),
                index_free_bytes: stats.index_disk.map(|disk| disk.free_bytes),
                index_total_bytes: stats.index_disk.map(|disk| disk.total_bytes),
                growth: app.samples.growth(&app.store, &stats),
            },
            last_minute: app.samples.rates(&app.store, &app.traffic),
            http: HttpFigures::of(app),
            state: StateFigures {
                state: stats.state.state,
                ready: stats.state.ready,
                reasons: stats.state.reasons,
                since: rfc3339(stats.state.since),
            },
            topics: stats.topics,
        }
    }
}

impl LogFigures {
    fn of(app: &App, stats: &Stats) -> LogFigures {
        LogFigures {
            id: app.store.log_id().to_string(),
            durable: stats.state.durable,
            segments: stats.log.segments,
            bytes: stats.log.file_bytes,
            frame_bytes: stats.log.used_bytes,
            bytes_per_event: per_event(stats.log.used_bytes, stats.received),
            written_bytes: stats.log.written_bytes,
            syncs: stats.log.syncs,
            batches: stats.log.batches,
        }
    }
}

impl IndexFigures {
    fn of(stats: &Stats) -> IndexFigures {
        IndexFigures {
            applied: stats.state.applied,
            flushed: stats.flushed,
            bytes: stats.index_bytes,
            bytes_per_event: per_event(stats.index_bytes, stats.flushed.get()),
            apply_retries: stats.apply_retries,
            apply_failures: stats.apply_failures,
            degraded_since: stats.degraded_since.map(rfc3339),
        }
    }
}

impl HttpFigures {
    fn of(app: &App) -> HttpFigures {
        let traffic = &app.traffic;
        HttpFigures {
            requests_in_flight: traffic.requests_in_flight(),
            connections: traffic.connections(),
            connections_max: app.options.connections as u64,
            connections_max_seen: traffic.connections_max_seen(),
            body_bytes_in_flight: app.body_room.taken_bytes() as u64,
            body_bytes_max: app.body_room.bytes() as u64,
            answers: traffic.answers(),
        }
    }
}

fn per_event(bytes: u64, events: u64) -> Option<f64> {
    (events > 0).then(|| (bytes as f64 / events as f64 * 10.0).round() / 10.0)
}

pub(super) async fn stats(
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    Query::parse(raw.as_deref())?.end()?;
    let text = blocking(move || to_json(&StatsAnswer::of(&app)));
    Ok(json_text(text.await?))
}
