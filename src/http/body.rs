//! Reading a request's body: no more than allowed, no longer than allowed, and with all
//! bodies together in bounded memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::app::App;
use super::error::{ErrorCode, Problem};

/// Taken before anything of a body is read. A body that turns out larger takes as much again,
/// and so on: never for what was only announced.
const FIRST_BYTES: usize = 64 << 10;
/// How long a body that is half read waits for more room. Bodies that wait for each other
/// would wait for ever.
const GROWTH_WAIT: Duration = Duration::from_secs(1);

/// A body, with the room it takes.
pub(super) struct ReadBody {
    pub(super) bytes: Bytes,
    /// Given back when the batch is answered: until then a copy is in the store's queue.
    pub(super) room: OwnedSemaphorePermit,
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
    let mut room = take_room(&app.body_room, at_most.min(FIRST_BYTES), deadline).await?;
    let mut reading = Reading { body, deadline };
    let Some(first) = reading.next().await? else {
        return Ok(ReadBody {
            bytes: Bytes::new(),
            room,
        });
    };
    if reading.body.is_end_stream() && first.len() <= room.num_permits() {
        return Ok(ReadBody { bytes: first, room });
    }
    let mut all = Vec::with_capacity(at_most.min(FIRST_BYTES));
    let mut chunk = Some(first);
    while let Some(bytes) = chunk {
        let length = all.len() + bytes.len();
        if length > limit {
            return Err(too_large("more", limit));
        }
        if length > room.num_permits() {
            let has = room.num_permits();
            let wants = (2 * has).min(at_most).max(length);
            let until = deadline.min(Instant::now() + GROWTH_WAIT);
            room.merge(take_room(&app.body_room, wants - has, until).await?);
            all.reserve_exact(wants - all.len());
        }
        all.extend_from_slice(&bytes);
        chunk = reading.next().await?;
    }
    Ok(ReadBody {
        bytes: all.into(),
        room,
    })
}

async fn take_room(
    room: &Arc<Semaphore>,
    bytes: usize,
    deadline: Instant,
) -> Result<OwnedSemaphorePermit, Problem> {
    let busy = || {
        Problem::new(
            ErrorCode::Overloaded,
            "the bodies in flight take all the memory they may",
        )
    };
    let permits = u32::try_from(bytes).map_err(|_| busy())?;
    let taken = timeout_at(deadline, Arc::clone(room).acquire_many_owned(permits)).await;
    taken.map_err(|_elapsed| busy())?.map_err(|_closed| busy())
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
