//! Which path is answered by whom.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::app::App;
use super::error::{ErrorCode, Problem};
use super::{events, health, publish, receipts, stats, topics};

/// The page that `type` in every problem leads to.
const ERRORS_PAGE: &str = include_str!("../../docs/errors.md");

/// All routes. HEAD is answered where GET is.
pub(super) fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(health::root))
        .route("/publish", post(publish::publish))
        .route("/receipts", get(receipts::receipts))
        .route("/events", get(events::events))
        .route("/events/{seq}", get(events::event))
        .route("/stats", get(stats::stats))
        .route("/topics", get(topics::topics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/docs/errors.md", get(errors_page))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(app)
}

/// The routes while the store is being opened.
pub(super) fn opening_routes() -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::opening_readyz))
        .route("/docs/errors.md", get(errors_page))
        .fallback(opening)
}

async fn opening() -> Problem {
    Problem::new(
        ErrorCode::Opening,
        "the store is being opened; nothing was read",
    )
}

async fn errors_page() -> Response {
    (
        [(
            CONTENT_TYPE,
            HeaderValue::from_static("text/markdown; charset=utf-8"),
        )],
        ERRORS_PAGE,
    )
        .into_response()
}

async fn not_found(request: Request) -> Problem {
    Problem::new(
        ErrorCode::NotFound,
        format!(
            "there is nothing at `{}`; `/` lists what there is",
            request.uri().path()
        ),
    )
}

/// axum adds the `Allow` header.
async fn method_not_allowed(request: Request) -> Problem {
    let detail = format!(
        "`{}` does not take {}",
        request.uri().path(),
        request.method()
    );
    Problem::new(ErrorCode::MethodNotAllowed, detail)
}
