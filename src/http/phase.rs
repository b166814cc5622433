//! Where a connection stands. The service and the bodies know when a request begins
//! and ends, the stream knows when bytes move; the deadlines need both.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::traffic::InFlight;

/// What a connection is doing.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// New: no byte has come yet.
    Fresh = 0,
    /// Between two requests.
    Idle = 1,
    /// The first bytes of a request are there, its headers not all.
    Headers = 2,
    /// A request is being read, worked on or answered.
    Handling = 3,
    /// All of the answer is made, some of it may not have been sent.
    Flushing = 4,
}

/// The phase of one connection, shared by all who know something of it. They all run
/// in the connection's own task, so that relaxed order is enough.
#[derive(Debug, Default)]
pub(super) struct ConnectionPhase {
    phase: AtomicU8,
    body_unread: AtomicBool,
}

impl ConnectionPhase {
    pub(super) fn get(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Fresh,
            1 => Phase::Idle,
            2 => Phase::Headers,
            3 => Phase::Handling,
            _ => Phase::Flushing,
        }
    }

    pub(super) fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Whether the current request has a body that was not read to its end.
    pub(super) fn body_unread(&self) -> bool {
        self.body_unread.load(Ordering::Relaxed)
    }
}

/// A request's body that notes when all of it was read.
pub(super) struct RequestBody<B> {
    inner: B,
    connection: Arc<ConnectionPhase>,
}

impl<B: Body> RequestBody<B> {
    pub(super) fn new(inner: B, connection: Arc<ConnectionPhase>) -> RequestBody<B> {
        connection
            .body_unread
            .store(!inner.is_end_stream(), Ordering::Relaxed);
        RequestBody { inner, connection }
    }
}

impl<B: Body + Unpin> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.inner.is_end_stream() {
            self.connection.body_unread.store(false, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body that notes when hyper has taken all of it, or dropped it.
pub(super) struct AnswerBody {
    inner: axum::body::Body,
    connection: Arc<ConnectionPhase>,
    _in_flight: InFlight,
}

impl AnswerBody {
    pub(super) fn new(
        inner: axum::body::Body,
        connection: Arc<ConnectionPhase>,
        in_flight: InFlight,
    ) -> AnswerBody {
        AnswerBody {
            inner,
            connection,
            _in_flight: in_flight,
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.connection.set(Phase::Flushing);
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
