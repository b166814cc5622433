//! Reading a request's body: no more than allowed, no longer than allowed, and with all
//! bodies together in bounded memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout_at};

use super::app::App;
use super::body_room::{FIRST_BYTES, TakenRoom};
use super::error::{ErrorCode, Problem};

/// How long a body that is half read waits for more room. Bodies that wait for each other
/// would wait for ever.
const GROWTH_WAIT: Duration = Duration::from_secs(1);

/// A body, with the room it takes.
pub(super) struct ReadBody {
    pub(super) bytes: Bytes,
    /// Given back when the batch was answered: until then a copy is in the store's queue.
    pub(super) room: Arc<TakenRoom>,
}

/// Reads all of a body.
pub(super) async fn read_body(app: &App, body: Body) -> Result<ReadBody, Problem> {
    let limit = app.options.limits.body_bytes;
    let declared = body.size_hint().exact();
    if let Some(bytes) = declared.filter(|&bytes| bytes > limit as u64) {
        return Err(too_large(&format!("{bytes} bytes"), limit));
    }
    // Beyond the check, so it fits.
    let at_most = declared.map_or(limit, |bytes| bytes as usize);
    let deadline = Instant::now() + app.options.body_timeout;
    let mut room = app.body_room.take(at_most, deadline).await?;
    let mut reading = Reading { body, deadline };
    let Some(first) = reading.next().await? else {
        return Ok(ReadBody {
            bytes: Bytes::new(),
            room: Arc::new(room),
        });
    };
    if reading.body.is_end_stream() && first.len() <= room.bytes() {
        return Ok(ReadBody {
            bytes: first,
            room: Arc::new(room),
        });
    }
    let mut all = Vec::with_capacity(at_most.min(FIRST_BYTES));
    let mut chunk = Some(first);
    while let Some(bytes) = chunk {
        let length = all.len() + bytes.len();
        if length > limit {
            return Err(too_large("more", limit));
        }
        if length > room.bytes() {
            let wants = (2 * room.bytes()).min(at_most).max(length);
            let until = deadline.min(Instant::now() + GROWTH_WAIT);
            app.body_room.grow(&mut room, wants, until).await?;
            all.reserve_exact(wants - all.len());
        }
        all.extend_from_slice(&bytes);
        chunk = reading.next().await?;
    }
    Ok(ReadBody {
        bytes: all.into(),
        room: Arc::new(room),
    })
}

struct Reading {
    body: Body,
    deadline: Instant,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let frame = timeout_at(self.deadline, self.body.frame())
                .await
                .map_err(|_elapsed| {
                    Problem::new(
                        ErrorCode::BodyTimeout,
                        "the request body did not arrive in time; nothing was written",
                    )
                })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| {
                Problem::new(
                    ErrorCode::IncompleteBody,
                    format!("{error}; nothing was written"),
                )
            })?;
            // Trailers say nothing here.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

fn too_large(sent: &str, limit: usize) -> Problem {
    Problem::new(
        ErrorCode::BodyTooLarge,
        format!("the body has {sent}; {limit} bytes are allowed: send smaller batches"),
    )
}
