//! What all handlers share, and how they reach a disk without holding up the others.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use super::body_room::BodyRoom;
use super::clock::Samples;
use super::error::{ErrorCode, Problem};
use super::options::HttpOptions;
use super::service::after_panic;
use super::traffic::Traffic;
use crate::store::{ReadError, Store};

/// How many reads of events are under way at the same time.
const READS_AT_ONCE: usize = 4;

/// The shared state of all handlers.
#[derive(Debug)]
pub(super) struct App {
    pub(super) store: Arc<Store>,
    pub(super) options: HttpOptions,
    pub(super) body_room: BodyRoom,
    pub(super) reads: Reads,
    pub(super) traffic: Arc<Traffic>,
    pub(super) samples: Samples,
}

impl App {
    pub(super) fn new(store: Arc<Store>, options: HttpOptions, traffic: Arc<Traffic>) -> App {
        let body_room = BodyRoom::new(
            options.in_flight_bytes,
            options.limits.body_bytes,
            options.connections,
        );
        App {
            body_room,
            reads: Reads::new(),
            samples: Samples::new(&store, &traffic, options.sample_every),
            traffic,
            store,
            options,
        }
    }
}

/// Bounds how many reads of events are under way at the same time: each takes as much memory
/// as a page, or as the largest event in it.
#[derive(Clone, Debug)]
pub(super) struct Reads(Arc<Semaphore>);

impl Reads {
    pub(super) fn new() -> Reads {
        Reads(Arc::new(Semaphore::new(READS_AT_ONCE)))
    }

    /// Runs this read when it is its turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        blocking(move || {
            // Until the work is done, also when its client has left.
            let _turn = turn;
            work()
        })
        .await
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn no_more_reads_than_may_be_are_under_way_also_when_their_clients_leave() {
        let reads = Reads::new();
        let mut ends = Vec::new();
        for _ in 0..READS_AT_ONCE {
            let (end, ended) = mpsc::channel::<()>();
            ends.push(end);
            let (tell_begun, begun) = tokio::sync::oneshot::channel();
            let reads = reads.clone();
            let client = tokio::spawn(async move {
                let read = reads.run(move || {
                    let _ = tell_begun.send(());
                    let _ = ended.recv();
                    Ok(())
                });
                read.await
            });
            begun.await.expect("the read begins");
            client.abort();
            assert!(client.await.is_err(), "the client has left");
        }
        assert_eq!(reads.0.available_permits(), 0);
        let next = reads.run(|| Ok(()));
        drop(ends.pop());
        next.await
            .expect("its turn comes when another read has ended");
    }
}
