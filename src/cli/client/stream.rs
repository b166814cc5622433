//! A connection whose answer can be read although its request could not be written.
//!
//! A server may answer (413, 401, 507) and close before it has read the whole request.
//! Writing then fails, and the answer lies in the receive buffer. hyper gives up at the
//! failed write: of a hundred such answers to requests of 32 MiB it lost 77. So a failed write
//! is kept from it; it goes on to read, which gives the answer, or the end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The connection itself.
#[derive(Debug)]
pub(super) struct AnswerFirst<S> {
    stream: S,
    is_write_broken: Arc<AtomicBool>,
}

impl<S> AnswerFirst<S> {
    /// The second tells whether a write failed: the connection is then of no further use.
    pub(super) fn new(stream: S) -> (AnswerFirst<S>, Arc<AtomicBool>) {
        let is_write_broken = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_write_broken);
        (
            AnswerFirst {
                stream,
                is_write_broken,
            },
            told,
        )
    }

    fn is_broken(&self) -> bool {
        self.is_write_broken.load(Ordering::Relaxed)
    }

    /// What stands in for a failure to write: `as_if` it had worked.
    fn keep_back<T>(&self, written: Poll<io::Result<T>>, as_if: T) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(_)) => {
                self.is_write_broken.store(true, Ordering::Relaxed);
                Poll::Ready(Ok(as_if))
            }
            other => other,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AnswerFirst<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AnswerFirst<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_broken() {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.keep_back(written, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all_bytes = bufs.iter().map(|buf| buf.len()).sum();
        if self.is_broken() {
            return Poll::Ready(Ok(all_bytes));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.keep_back(written, all_bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_broken() {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.keep_back(flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
