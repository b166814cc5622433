//! A scan as JSON text, in flat memory however long it is.
//!
//! Each page is made by one short call on a blocking thread, and the next one begins
//! only when hyper asks for it: a slow client holds no thread, and of its answer a page that
//! is being sent and perhaps the next one. No page is longer than [`LONG_PAGE_BYTES`]: the
//! text of a larger event is sent in parts, for each of which it is made again. How many
//! pages are made at once is bounded too ([`super::app::Reads`]), and with it what large events
//! take.

use std::sync::Arc;

use bytes::Bytes;

use super::app::App;
use super::pages_body::{Next, Page};
use crate::event::Seq;
use crate::render::{EventWriter, Show};
use crate::store::{EventScan, LoggedEvent, Lookup, ReadError};

/// About how much text is made at once.
pub(super) const PAGE_BYTES: usize = 512 << 10;
/// The most that is kept of an answer.
const LONG_PAGE_BYTES: usize = 1 << 20;

/// Makes one page after the other.
pub(super) struct PageMaker {
    app: Arc<App>,
    scan: EventScan,
    writer: EventWriter,
    show: Show,
    left: usize,
    begun: bool,
    ended: bool,
}

impl PageMaker {
    /// Of at most `left` events.
    pub(super) fn new(app: Arc<App>, scan: EventScan, show: Show, left: usize) -> PageMaker {
        PageMaker {
            app,
            scan,
            writer: EventWriter::default(),
            show,
            left,
            begun: false,
            ended: left == 0,
        }
    }

    /// The next part of the array; empty when much was looked at in vain. Blocking.
    pub(super) fn page(mut self) -> Result<Page, ReadError> {
        let mut out = Vec::new();
        if !self.begun {
            out.push(b'[');
        }
        let mut cut = None;
        if !self.ended {
            out.reserve(PAGE_BYTES + PAGE_BYTES / 4);
            let PageMaker {
                app,
                scan,
                writer,
                show,
                left,
                begun,
                ..
            } = &mut self;
            let more = scan.next_page(&mut |logged| {
                if std::mem::replace(begun, true) {
                    out.push(b',');
                }
                let begin = out.len();
                writer.push(&mut out, logged, *show);
                cut = CutEvent::of(app, logged.judged.seq, *show, begin, out.len());
                *left -= 1;
                *left > 0 && out.len() < PAGE_BYTES
            })?;
            self.ended = !more || self.left == 0;
        }
        if let Some(cut) = cut {
            return Ok(cut.first_part(&out, Some(Box::new(move || self.page()))));
        }
        if self.ended {
            out.push(b']');
        }
        let next: Option<Next> = match self.ended {
            true => None,
            false => Some(Box::new(move || self.page())),
        };
        Ok(Page {
            bytes: out.into(),
            next,
        })
    }
}

/// An event whose text is longer than what is kept of an answer.
struct CutEvent {
    app: Arc<App>,
    seq: Seq,
    show: Show,
    sent_bytes: usize,
}

impl CutEvent {
    /// If the text of this event, between `begin` and `end` of a page, makes the page too long.
    fn of(app: &Arc<App>, seq: Seq, show: Show, begin: usize, end: usize) -> Option<CutEvent> {
        (end > 2 * LONG_PAGE_BYTES).then(|| CutEvent {
            app: Arc::clone(app),
            seq,
            show,
            sent_bytes: LONG_PAGE_BYTES.saturating_sub(begin),
        })
    }

    /// Of a page that ends with the event: what is kept of it.
    fn first_part(self, page: &[u8], then: Option<Next>) -> Page {
        Page {
            bytes: Bytes::copy_from_slice(&page[..LONG_PAGE_BYTES]),
            next: Some(Box::new(move || self.part(then))),
        }
    }

    /// The next part. Blocking.
    fn part(mut self, then: Option<Next>) -> Result<Page, ReadError> {
        let text = match self
            .app
            .store
            .event(self.seq, |logged| text(logged, self.show))?
        {
            Lookup::Found(text) => text,
            _ => return Err(ReadError::Log(format!("the event {} is gone", self.seq))),
        };
        let rest = text.get(self.sent_bytes..).unwrap_or_default();
        let part = &rest[..rest.len().min(LONG_PAGE_BYTES)];
        self.sent_bytes += part.len();
        let bytes = Bytes::copy_from_slice(part);
        let next = match part.len() < rest.len() {
            true => Some(Box::new(move || self.part(then)) as Next),
            false => then,
        };
        Ok(Page { bytes, next })
    }
}

/// One event, however long its text is.
pub(super) fn single(app: &Arc<App>, seq: Seq, text: Vec<u8>) -> Page {
    match CutEvent::of(app, seq, Show::Stored, 0, text.len()) {
        Some(cut) => cut.first_part(&text, None),
        None => Page {
            bytes: text.into(),
            next: None,
        },
    }
}

/// An event as text.
pub(super) fn text(logged: &LoggedEvent<'_>, show: Show) -> Vec<u8> {
    let mut out = Vec::with_capacity(logged.event.payload.len() + 256);
    EventWriter::default().push(&mut out, logged, show);
    out
}
