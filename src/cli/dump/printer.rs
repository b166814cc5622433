//! Prints what a walk over events comes by, as text or as JSON.

use std::io::{self, Write};

use memchr::memchr2;

use super::paint::Paint;
use super::text::TextLines;
use crate::event::Seq;
use crate::inspect::{Shown, VerdictSource, wrong_json, wrong_text};
use crate::log::segment::SegmentId;
use crate::log::sweep::{End, Found, Lost};
use crate::render::{EventWriter, LoggedEvent, Show};

/// So much is collected before it is written.
const WRITTEN_FROM_BYTES: usize = 64 * 1024;

/// Prints, and remembers whether anything was wrong.
#[derive(Debug)]
pub(super) struct Printer<W> {
    out: W,
    form: Form,
    /// What is to be written.
    lines: Vec<u8>,
    /// What is wrong elsewhere is left out.
    segment: Option<SegmentId>,
    /// How many things are wrong.
    wrong: u64,
    /// What was said to be wrong last, which is not said again.
    said: Vec<String>,
    /// From which seq on verdicts are those of what remains, once something is damaged; none where no
    /// verdicts are shown.
    folded_from: Seq,
    remarked: bool,
}

#[derive(Debug)]
enum Form {
    Json(EventWriter),
    Text(TextLines),
}

impl<W: Write> Printer<W> {
    pub(super) fn new(out: W, json: bool, segment: Option<SegmentId>) -> Printer<W> {
        Printer {
            out,
            form: match json {
                true => Form::Json(EventWriter::default()),
                false => Form::Text(TextLines::new(Paint::of_stdout())),
            },
            lines: Vec::with_capacity(WRITTEN_FROM_BYTES),
            segment,
            wrong: 0,
            said: Vec::new(),
            folded_from: Seq::new(u64::MAX),
            remarked: false,
        }
    }

    /// Tells where verdicts come from.
    pub(super) fn verdicts_from(&mut self, source: VerdictSource) {
        self.folded_from = match source {
            VerdictSource::Index(flushed) => flushed.next(),
            VerdictSource::Fold => Seq::FIRST,
        };
    }

    /// How many things were wrong.
    pub(super) fn wrong(&self) -> u64 {
        self.wrong
    }

    /// Whoever reads gets what there is.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.write_lines()?;
        self.out.flush()
    }

    /// Prints one thing.
    pub(super) fn print(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        match shown {
            Shown::Event(logged, is_proven) => self.event(logged, *is_proven),
            Shown::Erased(judged, topic) => match &mut self.form {
                Form::Text(lines) => lines.erased(&mut self.lines, *judged, topic),
                Form::Json(_) => {
                    let verdict = crate::cli::verdict_json(*judged);
                    let topic = serde_json::json!(topic);
                    writeln!(
                        self.lines,
                        "{{\"seq\":{},\"topic\":{topic},{verdict},\"erased\":true}}",
                        judged.seq
                    )?;
                }
            },
            Shown::Hole(lost) => self.hole(lost)?,
            Shown::Wrong(found) => self.say_wrong(found)?,
            Shown::End(end) => self.end(end)?,
        }
        self.write_enough()
    }

    /// What is wrong with a log, of which frames are shown.
    pub(super) fn print_wrong(&mut self, found: &Found) -> io::Result<()> {
        self.say_wrong(found)?;
        self.write_enough()
    }

    /// Prints a line as it is.
    pub(super) fn print_line(&mut self, line: std::fmt::Arguments<'_>) -> io::Result<()> {
        writeln!(self.lines, "{line}")?;
        self.write_enough()
    }

    fn write_enough(&mut self) -> io::Result<()> {
        match self.lines.len() >= WRITTEN_FROM_BYTES {
            true => self.write_lines(),
            false => Ok(()),
        }
    }

    fn write_lines(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.lines);
        // Nothing is written twice, also behind an error.
        self.lines.clear();
        written
    }

    fn event(&mut self, logged: &LoggedEvent<'_>, is_proven: bool) {
        match &mut self.form {
            Form::Text(lines) => lines.event(&mut self.lines, logged, is_proven),
            Form::Json(writer) => {
                let begun = self.lines.len();
                writer.push(&mut self.lines, logged, Show::WithVerdict);
                one_line(&mut self.lines[begun..]);
                if !is_proven {
                    self.lines.pop();
                    self.lines.extend_from_slice(b",\"unproven\":true}");
                }
                self.lines.push(b'\n');
            }
        }
    }

    fn hole(&mut self, lost: &Lost) -> io::Result<()> {
        match &mut self.form {
            Form::Text(lines) => lines.hole(&mut self.lines, lost),
            Form::Json(_) => {
                let (first, last) = (lost.first, lost.last().unwrap_or(lost.first));
                writeln!(
                    self.lines,
                    "{{\"seq\":{first},\"last_seq\":{last},\"verdict\":\"lost\"}}"
                )?;
            }
        }
        Ok(())
    }

    fn say_wrong(&mut self, found: &Found) -> io::Result<()> {
        let (Some(text), Some(json)) = (wrong_text(found), wrong_json(found)) else {
            return Ok(());
        };
        if !self.is_of_segment(found) || self.said.contains(&text) {
            return Ok(());
        }
        self.wrong += 1;
        let lost = match found {
            Found::Damage(damage) => damage.lost,
            Found::Missing(missing) => missing.lost,
            _ => Lost::none(Seq::ZERO),
        };
        match &mut self.form {
            Form::Json(_) => writeln!(self.lines, "{{\"damage\":{json}}}")?,
            Form::Text(lines) => {
                lines.wrong(&mut self.lines, &text);
                let changes_verdicts = lost.last().is_some_and(|last| last >= self.folded_from);
                if changes_verdicts && !std::mem::replace(&mut self.remarked, true) {
                    let remark = "(from here on verdicts are those of what remains)";
                    lines.remark(&mut self.lines, remark);
                }
            }
        }
        // Only a log that is followed is met again, and what is wrong with it stands at its end.
        self.said.push(text);
        if self.said.len() > 100 {
            self.said.remove(0);
        }
        Ok(())
    }

    fn end(&mut self, end: &End) -> io::Result<()> {
        self.say_wrong(&Found::End(end.clone()))
    }

    fn is_of_segment(&self, found: &Found) -> bool {
        let Some(wanted) = self.segment else {
            return true;
        };
        match found {
            Found::Damage(damage) => damage.segment == wanted,
            Found::Stray(stray) => stray.segment == wanted,
            Found::Overlap(overlap) => overlap.segment == wanted,
            Found::Frame(_) | Found::Missing(_) | Found::End(_) => false,
        }
    }
}

/// A line break inside JSON can only be white space, and becomes a space.
fn one_line(line: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = memchr2(b'\n', b'\r', &line[from..]) {
        line[from + at] = b' ';
        from += at + 1;
    }
}
