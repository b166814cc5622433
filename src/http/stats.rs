//! `GET /stats`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;

use super::app::{App, blocking, json_text, to_json};
use super::error::Problem;
use super::query::Query;
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
    fold_hash: String,
    log: LogFigures,
    index: IndexFigures,
    disk: DiskFigures,
    state: StateFigures,
}

#[derive(Debug, Serialize)]
struct LogFigures {
    id: String,
    durable: Seq,
    segments: u64,
    bytes: u64,
    frame_bytes: u64,
    written_bytes: u64,
    syncs: u64,
    batches: u64,
}

#[derive(Debug, Serialize)]
struct IndexFigures {
    applied: Seq,
    flushed: Seq,
    bytes: u64,
    apply_retries: u64,
    apply_failures: u64,
    degraded_since: Option<String>,
}

#[derive(Debug, Serialize)]
struct DiskFigures {
    free_bytes: u64,
}

#[derive(Debug, Serialize)]
struct StateFigures {
    state: StoreState,
    ready: bool,
    reasons: Vec<String>,
}

impl StatsAnswer {
    fn new(log_id: String, stats: Stats) -> StatsAnswer {
        let counters = stats.counters;
        StatsAnswer {
            received: stats.received,
            unique_processed: counters.unique,
            duplicate_dropped: counters.duplicates,
            conflicts: counters.conflicts,
            lost: counters.lost,
            pending: stats.pending,
            topics: stats.topics,
            topics_total: stats.topics_total,
            uptime: stats.uptime_seconds,
            fold_hash: stats.fold_hash.to_string(),
            log: LogFigures {
                id: log_id,
                durable: stats.state.durable,
                segments: stats.log_segments,
                bytes: stats.log_bytes,
                frame_bytes: stats.log_frame_bytes,
                written_bytes: stats.written_bytes,
                syncs: stats.syncs,
                batches: stats.batches,
            },
            index: IndexFigures {
                applied: stats.state.applied,
                flushed: stats.flushed,
                bytes: stats.index_bytes,
                apply_retries: stats.apply_retries,
                apply_failures: stats.apply_failures,
                degraded_since: stats.degraded_since.map(rfc3339),
            },
            disk: DiskFigures {
                free_bytes: stats.disk_free_bytes,
            },
            state: StateFigures {
                state: stats.state.state,
                ready: stats.state.ready,
                reasons: stats.state.reasons,
            },
        }
    }
}

pub(super) async fn stats(
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    Query::parse(raw.as_deref())?.end()?;
    let text = blocking(move || {
        to_json(&StatsAnswer::new(
            app.store.log_id().to_string(),
            app.store.stats(),
        ))
    });
    Ok(json_text(text.await?))
}
