//! A scan as JSON text, in flat memory however long it is.
//!
//! Each page is made by one short call on a blocking thread, and the next one begins
//! only when hyper has taken the last: a slow client holds two pages of memory, and no
//! thread. A scan that fails in the middle ends the body with an error, which makes hyper
//! cut the connection: a truncated answer must not look like a whole one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::task::JoinHandle;

use crate::event::Seq;
use crate::render::{EventWriter, Show};
use crate::store::{EventScan, ReadError};

/// About how much text is made at once.
const PAGE_BYTES: usize = 256 << 10;
/// The most text of a page that is kept whole, to know what follows before it is sent.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// Why an answer was cut.
#[derive(Debug, thiserror::Error)]
pub(super) enum CutShort {
    /// The store could not go on.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The page was not made.
    #[error("a page of events was not made: {0}")]
    Stopped(#[from] tokio::task::JoinError),
}

/// Makes one page after the other.
pub(super) struct PageMaker {
    scan: EventScan,
    writer: EventWriter,
    show: Show,
    left: usize,
    begun: bool,
}

/// A page, and what makes the next one if there is one.
pub(super) type Page = (Bytes, Option<PageMaker>);

impl PageMaker {
    /// Of at most `left` events.
    pub(super) fn new(scan: EventScan, show: Show, left: usize) -> PageMaker {
        PageMaker {
            scan,
            writer: EventWriter::default(),
            show,
            left,
            begun: false,
        }
    }

    /// The next part of the array; empty when much was looked at in vain. Blocking.
    pub(super) fn page(mut self) -> Result<Page, ReadError> {
        let mut out = Vec::with_capacity(PAGE_BYTES + PAGE_BYTES / 4);
        let opened = self.begun;
        if !opened {
            out.push(b'[');
        }
        let mut more = self.left > 0;
        if more {
            let PageMaker {
                scan,
                writer,
                show,
                left,
                begun,
            } = &mut self;
            more = scan.next_page(PAGE_BYTES, &mut |logged| {
                if std::mem::replace(begun, true) {
                    out.push(b',');
                }
                writer.push(&mut out, logged, *show);
                *left -= 1;
                *left > 0
            })? && self.left > 0;
        }
        if !more {
            out.push(b']');
        }
        Ok((out.into(), more.then_some(self)))
    }
}

/// The pages as the body of an answer.
pub(super) struct PagesBody {
    ready: Option<Bytes>,
    making: Option<JoinHandle<Result<Page, ReadError>>>,
}

impl PagesBody {
    /// A body that begins with this page.
    pub(super) fn new((first, next): Page) -> PagesBody {
        PagesBody {
            ready: Some(first),
            making: next.map(make),
        }
    }
}

fn make(next: PageMaker) -> JoinHandle<Result<Page, ReadError>> {
    tokio::task::spawn_blocking(move || next.page())
}

impl Body for PagesBody {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        loop {
            match self.ready.take() {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => {}
            }
            let Some(making) = &mut self.making else {
                return Poll::Ready(None);
            };
            let made = ready!(Pin::new(making).poll(cx));
            self.making = None;
            let page = made
                .map_err(CutShort::from)
                .and_then(|page| page.map_err(CutShort::from));
            match page {
                Ok((bytes, next)) => {
                    self.making = next.map(make);
                    self.ready = Some(bytes);
                }
                Err(error) => {
                    tracing::error!(%error, "an answer was cut short");
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_none() && self.making.is_none()
    }
}

/// What a page with a limit holds, known before any of it is sent.
pub(super) struct Bounded {
    scan: EventScan,
    writer: EventWriter,
    show: Show,
    limit: usize,
    count: usize,
    /// All of it as text, unless that is too much to keep.
    pub(super) text: Option<Vec<u8>>,
    pub(super) first: Seq,
    pub(super) last: Seq,
    /// Whether there is one more.
    pub(super) more: bool,
    /// Whether all this is known.
    pub(super) known: bool,
}

impl Bounded {
    /// Of up to `limit` events; nothing is known yet.
    pub(super) fn new(scan: EventScan, show: Show, limit: usize) -> Bounded {
        Bounded {
            scan,
            writer: EventWriter::default(),
            show,
            limit,
            count: 0,
            text: Some(vec![b'[']),
            first: Seq::ZERO,
            last: Seq::ZERO,
            more: false,
            known: false,
        }
    }

    /// Looks a while further. Blocking; between two steps a client that has left is noticed.
    pub(super) fn step(mut self) -> Result<Bounded, ReadError> {
        let Bounded {
            scan,
            writer,
            show,
            limit,
            count,
            text,
            first,
            last,
            more,
            ..
        } = &mut self;
        let goes_on = scan.next_page(PAGE_BYTES, &mut |logged| {
            *more = count == limit;
            if *more {
                return false;
            }
            *last = logged.judged.seq;
            if *count == 0 {
                *first = *last;
            }
            if let Some(out) = text {
                if *count > 0 {
                    out.push(b',');
                }
                writer.push(out, logged, *show);
            }
            text.take_if(|out| out.len() > KEPT_BYTES_MAX);
            *count += 1;
            true
        })?;
        self.known = self.more || !goes_on;
        if self.known
            && let Some(out) = &mut self.text
        {
            out.push(b']');
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn body(next: impl FnOnce() -> Result<Page, ReadError> + Send + 'static) -> PagesBody {
        PagesBody {
            ready: Some(Bytes::from_static(b"[1")),
            making: Some(tokio::task::spawn_blocking(next)),
        }
    }

    #[tokio::test]
    async fn pages_follow_each_other_to_the_end() {
        let whole = body(|| Ok((Bytes::from_static(b",2]"), None)))
            .collect()
            .await
            .expect("all pages");
        assert_eq!(whole.to_bytes(), "[1,2]");
    }

    #[tokio::test]
    async fn a_store_that_fails_or_panics_in_the_middle_is_an_error_and_no_end() {
        let failed = body(|| Err(ReadError::Log("a bad sector".to_owned())))
            .collect()
            .await;
        assert!(matches!(failed, Err(CutShort::Read(_))));
        let panicked = body(|| panic!("a fault")).collect().await;
        assert!(matches!(panicked, Err(CutShort::Stopped(_))));
    }
}
