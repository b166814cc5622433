//! A page of events with a limit, of which is known before it is sent whether more follow.

use super::event_pages::PAGE_BYTES;
use crate::event::Seq;
use crate::render::{EventWriter, Show};
use crate::store::{EventScan, ReadError};

/// The most text of a page that is kept whole, to know what follows before it is sent.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// About what an event takes besides its payload.
const EVENT_BYTES_LEAST: usize = 128;

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
        let mut looked_at = 0;
        let goes_on = scan.next_page(&mut |logged| {
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
            looked_at += logged.event.payload.len() + EVENT_BYTES_LEAST;
            looked_at < PAGE_BYTES
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
