//! A stream that keeps a connection's deadlines, which hyper does not know apart: the
//! first byte and the headers of a request, the pause between two requests, and a
//! client that does not read its answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::options::HttpOptions;
use super::phase::{ConnectionPhase, Phase};
use super::raw_answer::RawAnswers;

/// How long, after the last answer, what a client still sends is read and thrown away.
/// Closing at once would make the kernel reset the connection, and the client would
/// lose the answer that tells it why (a 413, mostly).
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// What a client must read of its answer within each write timeout, while there is more to
/// send. Less would let it hold its connection for as long as it likes.
const LEAST_READ_BYTES: usize = 64 << 10;

#[derive(Copy, Clone, Debug)]
struct Timeouts {
    headers: Duration,
    idle: Duration,
    write: Duration,
}

/// See the module.
pub(super) struct Watched<S> {
    inner: S,
    connection: Arc<ConnectionPhase>,
    timeouts: Timeouts,
    answers: RawAnswers,
    /// Runs out when the client sends nothing for too long, in the phase it was set for.
    read_timer: Pin<Box<Sleep>>,
    read_timer_for: Option<Phase>,
    /// Runs from a write that was blocked until the client has read enough, or all.
    write_timer: Option<Pin<Box<Sleep>>>,
    /// What was written since.
    written_bytes: usize,
    /// Our own answer to a request that hyper never saw, and how much of it is sent.
    own_answer: Option<(Vec<u8>, usize)>,
    /// How many bytes of the request line have come, and whether that is all of it.
    line_bytes: usize,
    line_complete: bool,
    input_ended: bool,
    write_ended: bool,
    linger: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub(super) fn new(
        inner: S,
        connection: Arc<ConnectionPhase>,
        options: &HttpOptions,
        answers: RawAnswers,
    ) -> Watched<S> {
        Watched {
            inner,
            connection,
            timeouts: Timeouts {
                headers: options.header_timeout,
                idle: options.idle_timeout,
                write: options.write_timeout,
            },
            answers,
            read_timer: Box::pin(sleep(options.header_timeout)),
            // The first byte and the headers that it begins share one deadline.
            read_timer_for: Some(Phase::Headers),
            write_timer: None,
            written_bytes: 0,
            own_answer: None,
            line_bytes: 0,
            line_complete: false,
            input_ended: false,
            write_ended: false,
            linger: None,
        }
    }

    /// Notes bytes that came in before the service saw the request they belong to.
    fn took(&mut self, bytes: &[u8]) {
        match self.connection.get() {
            Phase::Fresh | Phase::Idle => {
                self.connection.set(Phase::Headers);
                (self.line_bytes, self.line_complete) = (0, false);
            }
            Phase::Headers => {}
            Phase::Handling | Phase::Flushing => return,
        }
        if !self.line_complete {
            let end = bytes.iter().position(|&byte| byte == b'\n');
            self.line_complete = end.is_some();
            self.line_bytes += end.unwrap_or(bytes.len());
        }
    }

    /// Whether the deadline of what the client should send now has passed.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (phase, after) = match self.connection.get() {
            Phase::Fresh | Phase::Headers => (Phase::Headers, self.timeouts.headers),
            Phase::Idle => (Phase::Idle, self.timeouts.idle),
            Phase::Handling | Phase::Flushing => return Poll::Pending,
        };
        if self.read_timer_for != Some(phase) {
            self.read_timer_for = Some(phase);
            self.read_timer.as_mut().reset(Instant::now() + after);
        }
        self.read_timer.as_mut().poll(cx)
    }

    /// Passes a write on, unless the client has read too little for too long.
    fn guard_write(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = &polled {
            self.written_bytes += *written.as_ref().unwrap_or(&0);
            if self.written_bytes >= LEAST_READ_BYTES {
                self.write_timer = None;
            }
            return polled;
        }
        ready!(self.poll_write_timer(cx))?;
        Poll::Pending
    }

    /// The same for a flush or a shutdown: with it all is written.
    fn guard_end(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if polled.is_ready() {
            self.write_timer = None;
            return polled;
        }
        self.poll_write_timer(cx)
    }

    /// Begins to wait for the client, if that has not begun; ready when it was too long.
    fn poll_write_timer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let timer = match &mut self.write_timer {
            Some(timer) => timer,
            none => {
                self.written_bytes = 0;
                none.insert(Box::pin(sleep(self.timeouts.write)))
            }
        };
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read its answer",
        )))
    }

    /// Takes what hyper writes before any request reached the service, and puts our own
    /// answer in its place. True if these bytes are thereby done with.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        if self.own_answer.is_some() {
            return true;
        }
        if matches!(self.connection.get(), Phase::Handling | Phase::Flushing) {
            self.read_timer_for = None;
            return false;
        }
        let answer = self.answers.instead_of(bytes, self.line_bytes);
        self.own_answer = answer.map(|answer| (answer, 0));
        self.own_answer.is_some()
    }

    fn poll_own_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((answer, sent)) = &mut self.own_answer
            && *sent < answer.len()
        {
            let polled = Pin::new(&mut self.inner).poll_write(cx, &answer[*sent..]);
            let more = ready!(self.guard_write(cx, polled))?;
            if more == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if let Some((_, sent)) = &mut self.own_answer {
                *sent += more;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends our own answer and closes with care; then there is nothing more to read.
    /// hyper drops a stream that fails without shutting it down, so it is done before.
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(self).poll_shutdown(cx))?;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut scratch = [std::mem::MaybeUninit::uninit(); 16 << 10];
        while linger.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            let read = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.own_answer.is_some() {
            return this.poll_goodbye(cx);
        }
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.inner).poll_read(cx, buffer) {
            let bytes = &buffer.filled()[before..];
            this.input_ended |= read.is_err() || bytes.is_empty();
            if !bytes.is_empty() {
                this.took(bytes);
            }
            return Poll::Ready(read);
        }
        ready!(this.poll_silence(cx));
        if matches!(this.connection.get(), Phase::Fresh | Phase::Idle) {
            // To hyper, a client that asks nothing more has left.
            return Poll::Ready(Ok(()));
        }
        this.own_answer = Some((this.answers.header_timeout(), 0));
        this.poll_goodbye(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let polled = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.guard_write(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.replaces(slices.first().map_or(&[], |slice| slice)) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let polled = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.guard_write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_own_answer(cx))?;
        let polled = Pin::new(&mut this.inner).poll_flush(cx);
        ready!(this.guard_end(cx, polled))?;
        if this.connection.get() == Phase::Flushing {
            this.connection.set(Phase::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.write_ended {
            ready!(this.poll_own_answer(cx))?;
            let polled = Pin::new(&mut this.inner).poll_shutdown(cx);
            ready!(this.guard_end(cx, polled))?;
            this.write_ended = true;
        }
        let client_may_be_sending = this.own_answer.is_some() || this.connection.body_unread();
        if client_may_be_sending && !this.input_ended {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[path = "watched_tests.rs"]
mod tests;
