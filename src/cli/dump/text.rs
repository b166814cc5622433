//! Events as lines for people.

use std::io::Write as _;

use super::paint::Paint;
use crate::event::Seq;
use crate::index::fold::{Judged, Verdict};
use crate::log::sweep::Lost;
use crate::render::json::push_number;
use crate::render::{LoggedEvent, TimeText};

/// A payload longer than this is cut.
const PAYLOAD_SHOWN_BYTES: usize = 160;
/// A column grows with what is in it, up to this.
const COLUMN_CHARS_MAX: usize = 40;
const SEQ_CHARS: usize = 10;
const VERDICT_CHARS: usize = 24;

/// Writes lines. Columns become wider with what was shown, so that most of it is aligned.
#[derive(Debug)]
pub(super) struct TextLines {
    paint: Paint,
    topic_chars: usize,
    id_chars: usize,
    /// Events of a batch came at the same moment.
    received: TimeText,
}

impl TextLines {
    pub(super) fn new(paint: Paint) -> TextLines {
        TextLines {
            paint,
            topic_chars: 0,
            id_chars: 0,
            received: TimeText::default(),
        }
    }

    /// Appends an event's line.
    pub(super) fn event(&mut self, out: &mut Vec<u8>, logged: &LoggedEvent<'_>, is_proven: bool) {
        let event = &logged.event;
        self.seq(out, logged.judged.seq);
        self.verdict(out, logged.judged);
        out.extend_from_slice(self.received.of(logged.received_at).as_bytes());
        out.extend_from_slice(b"  ");
        column(out, &event.topic, &mut self.topic_chars);
        column(out, &event.event_id, &mut self.id_chars);
        if !event.source.is_empty() {
            out.extend_from_slice(b"from ");
            push_printable(out, &event.source);
            out.extend_from_slice(b"  ");
        }
        if !is_proven {
            out.extend_from_slice(b"(unproven)  ");
        }
        push_payload(out, event.payload);
        out.push(b'\n');
    }

    /// Appends the line of an event whose payload was dropped.
    pub(super) fn erased(&mut self, out: &mut Vec<u8>, judged: Judged, topic: &str) {
        self.seq(out, judged.seq);
        self.verdict(out, judged);
        column(out, topic, &mut self.topic_chars);
        out.extend_from_slice(b"(payload erased)\n");
    }

    /// Appends the line of a hole.
    pub(super) fn hole(&mut self, out: &mut Vec<u8>, lost: &Lost) {
        self.seq(out, lost.first);
        let (start, end) = self.paint.of_verdict(Verdict::Lost);
        let last = lost.last().unwrap_or(lost.first);
        // Writing into memory cannot fail.
        let _ = writeln!(out, "{start}lost up to {last}{end}");
    }

    /// Appends the line of what is wrong.
    pub(super) fn wrong(&mut self, out: &mut Vec<u8>, text: &str) {
        let (start, end) = self.paint.of_wrong();
        let _ = writeln!(out, "{start}{:>SEQ_CHARS$}  {text}{end}", "DAMAGE");
    }

    /// Appends a remark on what follows.
    pub(super) fn remark(&mut self, out: &mut Vec<u8>, text: &str) {
        let _ = writeln!(out, "{:>SEQ_CHARS$}  {text}", "");
    }

    fn seq(&self, out: &mut Vec<u8>, seq: Seq) {
        let digits = seq.get().checked_ilog10().unwrap_or_default() as usize + 1;
        pad(out, digits, SEQ_CHARS);
        push_number(out, seq.get());
        out.extend_from_slice(b"  ");
    }

    fn verdict(&self, out: &mut Vec<u8>, judged: Judged) {
        let (start, end) = self.paint.of_verdict(judged.verdict);
        out.extend_from_slice(start.as_bytes());
        let begun = out.len();
        let (name, of_original) = match judged.verdict {
            Verdict::Stored => ("stored", false),
            Verdict::Duplicate => ("duplicate of ", true),
            Verdict::Conflict => ("conflict with ", true),
            Verdict::Lost => ("lost", false),
        };
        out.extend_from_slice(name.as_bytes());
        if of_original {
            push_number(out, judged.original_seq.get());
        }
        let chars = out.len() - begun;
        out.extend_from_slice(end.as_bytes());
        pad(out, chars, VERDICT_CHARS);
        out.push(b' ');
    }
}

fn column(out: &mut Vec<u8>, text: &str, widest: &mut usize) {
    let chars = push_printable(out, text);
    *widest = (*widest).max(chars.min(COLUMN_CHARS_MAX));
    pad(out, chars, *widest);
    out.extend_from_slice(b"  ");
}

fn pad(out: &mut Vec<u8>, chars: usize, to: usize) {
    out.resize(out.len() + to.saturating_sub(chars), b' ');
}

/// Appends a text: nothing from publishers may move the cursor or colour the terminal. Gives how
/// many characters it has.
fn push_printable(out: &mut Vec<u8>, text: &str) -> usize {
    // Most texts are plain, and to see that is much cheaper than to look at each character.
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
        return text.len();
    }
    let mut chars = 0;
    for c in text.chars() {
        let shown = match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        };
        out.extend_from_slice(shown.encode_utf8(&mut [0; 4]).as_bytes());
        chars += 1;
    }
    chars
}

/// Whether these are characters of ASCII that can be shown.
fn is_plain(bytes: &[u8]) -> bool {
    // Not `all`, so that many bytes are looked at together.
    let shown = bytes.iter().map(|byte| (0x20..0x7f).contains(byte));
    shown.fold(true, |plain, shown| plain & shown)
}

fn push_payload(out: &mut Vec<u8>, payload: &[u8]) {
    let start = &payload[..payload.len().min(PAYLOAD_SHOWN_BYTES)];
    let is_cut = start.len() < payload.len();
    if is_plain(start) {
        out.extend_from_slice(start);
    } else {
        let whole = match std::str::from_utf8(start) {
            // A character that the cut goes through is left out.
            Err(error) if is_cut && error.error_len().is_none() => &start[..error.valid_up_to()],
            _ => start,
        };
        push_printable(out, &String::from_utf8_lossy(whole));
    }
    if is_cut {
        out.extend_from_slice("… (".as_bytes());
        push_number(out, payload.len() as u64);
        out.extend_from_slice(b" bytes)");
    }
}
