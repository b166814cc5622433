//! Events with their verdicts.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::super::scratch::scratch_dir;
use super::{DumpError, DumpOptions};
use crate::event::Seq;
use crate::index::fold::{Judged, Verdict};
use crate::index::{Durability, Index, IndexError, IndexOptions};
use crate::log::OfflineLog;
use crate::log::format::FrameType;
use crate::render::{EventWriter, LoggedEvent, Show, rfc3339};
use crate::replayer::{LogPayloads, LoggedFrame};

/// Events whose digests are held in memory at most.
const DELTA_EVENTS: u64 = 400_000;
/// A payload longer than this is cut in text for people.
const PAYLOAD_SHOWN_BYTES: usize = 160;

pub(super) fn dump(
    options: &DumpOptions,
    log: &OfflineLog,
    out: &mut impl Write,
) -> Result<(), DumpError> {
    let directory = scratch_dir(options.tmp_dir.as_deref()).map_err(DumpError::Temporary)?;
    super::super::remove_on_interrupt(directory.path());
    let index = Index::open(
        directory.path(),
        log.live.log_id().0,
        IndexOptions {
            delta_events_max: DELTA_EVENTS,
            flush_at_events: DELTA_EVENTS * 44 / 100,
            durability: Durability::Throwaway,
            ..IndexOptions::default()
        },
    )
    .map_err(|error| unfolded(error, directory.path()))?;
    let mut printer = Printer {
        options,
        proven: log.proven(),
        writer: EventWriter::default(),
        line: Vec::new(),
    };
    let mut cursor = log
        .live
        .frames(Seq::FIRST, options.to().min(log.last_seq()));
    let payloads = LogPayloads::new(log.live.clone());
    while let Some(frame) = cursor.next_frame()? {
        let folded = LoggedFrame::of(&cursor, &frame)?;
        let judged =
            fold(&index, &folded, &payloads).map_err(|error| unfolded(error, directory.path()))?;
        if frame.header.last_seq() < options.from() {
            continue;
        }
        if frame.frame_type != Some(FrameType::Events) {
            let verdicts = judged.iter().map(|judged| (judged.seq, *judged));
            let lost = (judged.is_empty()).then_some(());
            match lost {
                Some(()) => printer.hole(frame.header.first_seq, frame.header.last_seq(), out)?,
                None => verdicts
                    .into_iter()
                    .try_for_each(|(_, judged)| printer.erased(judged, out))?,
            }
            continue;
        }
        let events = cursor.events(&frame)?;
        for (judged, event) in judged.into_iter().zip(events) {
            printer.event(
                &LoggedEvent {
                    judged,
                    received_at: frame.header.received_at,
                    event,
                },
                out,
            )?;
        }
    }
    Ok(())
}

/// Says where there is no room, if that is what is wrong.
fn unfolded(error: IndexError, dir: &Path) -> DumpError {
    match error {
        IndexError::Full(_) => DumpError::NoRoom {
            dir: dir.to_owned(),
            source: error,
        },
        other => other.into(),
    }
}

fn fold(
    index: &Index,
    frame: &LoggedFrame,
    payloads: &LogPayloads,
) -> Result<Vec<Judged>, IndexError> {
    loop {
        match index.apply(frame.first_seq, frame.input(), payloads) {
            Ok(judged) => return Ok(judged),
            Err(IndexError::DeltaFull) => {
                let failing = index.flush_health();
                if failing.failing_since.is_some() {
                    index.flush_now()?;
                }
                index.wait_for_room(frame.input().count(), Duration::from_millis(100));
            }
            Err(error) => return Err(error),
        }
    }
}

struct Printer<'o> {
    options: &'o DumpOptions,
    proven: Seq,
    writer: EventWriter,
    line: Vec<u8>,
}

impl Printer<'_> {
    fn event(&mut self, logged: &LoggedEvent<'_>, out: &mut impl Write) -> Result<(), DumpError> {
        let topic = self.options.topic.as_deref();
        if !self.shows(logged.judged.seq) || topic.is_some_and(|topic| topic != logged.event.topic)
        {
            return Ok(());
        }
        let unproven = logged.judged.seq > self.proven;
        if self.options.json {
            self.line.clear();
            self.writer.push(&mut self.line, logged, Show::WithVerdict);
            if unproven {
                self.line.pop();
                self.line.extend_from_slice(b",\"unproven\":true}");
            }
            one_line(&mut self.line);
            self.line.push(b'\n');
            out.write_all(&self.line)?;
            return Ok(());
        }
        let event = &logged.event;
        writeln!(
            out,
            "{:>10}  {:<24} {}  {}  {}{}{}  {}",
            logged.judged.seq,
            verdict_text(logged.judged),
            rfc3339(logged.received_at),
            printable(&event.topic),
            printable(&event.event_id),
            if event.source.is_empty() {
                String::new()
            } else {
                format!("  from {}", printable(&event.source))
            },
            if unproven { "  (unproven)" } else { "" },
            payload_text(event.payload),
        )?;
        Ok(())
    }

    fn erased(&mut self, judged: Judged, out: &mut impl Write) -> Result<(), DumpError> {
        if !self.shows(judged.seq) || self.options.topic.is_some() {
            return Ok(());
        }
        if self.options.json {
            let verdict = super::super::verdict_json(judged);
            writeln!(out, "{{\"seq\":{},{verdict},\"erased\":true}}", judged.seq)?;
        } else {
            let verdict = verdict_text(judged);
            writeln!(out, "{:>10}  {verdict:<24} (payload erased)", judged.seq)?;
        }
        Ok(())
    }

    fn hole(&mut self, first: Seq, last: Seq, out: &mut impl Write) -> Result<(), DumpError> {
        let (first, last) = (first.max(self.options.from()), last.min(self.options.to()));
        if first > last || self.options.topic.is_some() {
            return Ok(());
        }
        if self.options.json {
            writeln!(
                out,
                "{{\"seq\":{first},\"last_seq\":{last},\"verdict\":\"lost\"}}"
            )?;
        } else {
            writeln!(out, "{first:>10}  lost up to {last}")?;
        }
        Ok(())
    }

    fn shows(&self, seq: Seq) -> bool {
        (self.options.from()..=self.options.to()).contains(&seq)
    }
}

fn verdict_text(judged: Judged) -> String {
    match judged.verdict {
        Verdict::Stored => "stored".into(),
        Verdict::Duplicate => format!("duplicate of {}", judged.original_seq),
        Verdict::Conflict => format!("conflict with {}", judged.original_seq),
        Verdict::Lost => "lost".into(),
    }
}

/// A line break inside JSON can only be white space, and becomes a space.
fn one_line(line: &mut [u8]) {
    for byte in line {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

fn payload_text(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    if text.len() <= PAYLOAD_SHOWN_BYTES {
        return printable(&text);
    }
    let mut end = PAYLOAD_SHOWN_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}… ({} bytes)", printable(&text[..end]), payload.len())
}

/// Nothing from publishers may move the cursor or colour the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}
