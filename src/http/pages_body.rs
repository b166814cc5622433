//! An answer that is made page by page while it is sent.
//!
//! A page that fails ends the body with an error, which makes hyper cut the connection: a
//! truncated answer must not look like a whole one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::app::Reads;
use super::error::Problem;
use crate::store::ReadError;

/// A part of an answer, and what makes the part after it.
pub(super) struct Page {
    pub(super) bytes: Bytes,
    pub(super) next: Option<Next>,
}

/// Makes a page. Blocking.
pub(super) type Next = Box<dyn FnOnce() -> Result<Page, ReadError> + Send>;

/// Why an answer was cut.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CutShort(String);

/// A page that is being made, or waits for its turn.
type Making = Pin<Box<dyn Future<Output = Result<Page, Problem>> + Send>>;

/// The pages as the body of an answer.
pub(super) struct PagesBody {
    reads: Reads,
    ready: Option<Bytes>,
    making: Option<Making>,
}

impl PagesBody {
    /// A body that begins with this page.
    pub(super) fn new(reads: Reads, first: Page) -> PagesBody {
        let mut body = PagesBody {
            reads,
            ready: None,
            making: None,
        };
        body.take(first);
        body
    }

    fn take(&mut self, page: Page) {
        self.ready = (!page.bytes.is_empty()).then_some(page.bytes);
        self.making = page.next.map(|next| -> Making {
            let reads = self.reads.clone();
            Box::pin(async move { reads.run(move || Ok(next()?)).await })
        });
    }
}

impl Body for PagesBody {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        loop {
            if let Some(bytes) = self.ready.take() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let Some(making) = &mut self.making else {
                return Poll::Ready(None);
            };
            let made = ready!(making.as_mut().poll(cx));
            self.making = None;
            match made {
                Ok(page) => self.take(page),
                Err(problem) => {
                    let error = CutShort(problem.to_string());
                    tracing::error!(%error, "an answer was cut short");
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_none() && self.making.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let ready = self.ready.as_ref().map_or(0, Bytes::len) as u64;
        match self.making {
            None => SizeHint::with_exact(ready),
            Some(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn body(next: impl FnOnce() -> Result<Page, ReadError> + Send + 'static) -> PagesBody {
        PagesBody::new(
            Reads::new(),
            Page {
                bytes: Bytes::from_static(b"[1"),
                next: Some(Box::new(next)),
            },
        )
    }

    #[tokio::test]
    async fn pages_follow_each_other_to_the_end() {
        let last = || {
            Ok(Page {
                bytes: Bytes::from_static(b",2]"),
                next: None,
            })
        };
        let whole = body(last).collect().await.expect("all pages");
        assert_eq!(whole.to_bytes(), "[1,2]");
    }

    #[tokio::test]
    async fn a_store_that_fails_or_panics_in_the_middle_is_an_error_and_no_end() {
        let failed = body(|| Err(ReadError::Log("a bad sector".to_owned())))
            .collect()
            .await;
        assert!(failed.is_err());
        let panicked = body(|| panic!("a fault")).collect().await;
        assert!(panicked.is_err());
    }
}
