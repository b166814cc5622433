//! What all handlers share, and how they reach a disk without holding up the others.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use super::error::{ErrorCode, Problem};
use super::options::HttpOptions;
use super::service::after_panic;
use crate::store::{ReadError, Store};

/// The shared state of all handlers.
#[derive(Debug)]
pub(super) struct App {
    pub(super) store: Arc<Store>,
    pub(super) options: HttpOptions,
    /// One permit for each byte of a body that may be in memory.
    pub(super) body_room: Arc<Semaphore>,
}

impl App {
    pub(super) fn new(store: Arc<Store>, options: HttpOptions) -> App {
        // A body that never fits would wait in vain.
        let room = options
            .in_flight_bytes
            .max(options.limits.body_bytes)
            .min(Semaphore::MAX_PERMITS);
        App {
            body_room: Arc::new(Semaphore::new(room)),
            store,
            options,
        }
    }
}

/// Runs what reads disks, or computes for long, away from the async workers.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => Err(after_panic(&*panic)),
            Err(_cancelled) => Err(Problem::new(
                ErrorCode::Draining,
                "the server stopped meanwhile",
            )),
        },
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        let code = match &error {
            ReadError::IndexUnavailable(_) => ErrorCode::IndexUnavailable,
            ReadError::Log(_) => ErrorCode::LogUnreadable,
        };
        Problem::new(code, error.to_string())
    }
}

/// A 200 with this JSON text.
pub(super) fn json_text(text: impl Into<axum::body::Body>) -> Response {
    (
        [(axum::http::header::CONTENT_TYPE, "application/json")],
        text.into(),
    )
        .into_response()
}

/// This value as JSON text.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))
}
