//! Prints what a walk over events comes by, as text or as JSON.

use std::io::{self, Write};

use super::paint::Paint;
use super::text::TextLines;
use crate::event::Seq;
use crate::inspect::{Shown, VerdictSource, wrong_json, wrong_text};
use crate::log::segment::SegmentId;
use crate::log::sweep::{End, Found, Lost};
use crate::render::{EventWriter, LoggedEvent, Show};

/// Prints, and remembers whether anything was wrong.
#[derive(Debug)]
pub(super) struct Printer<W> {
    out: W,
    form: Form,
    line: Vec<u8>,
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
            line: Vec::new(),
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
        self.out.flush()
    }

    /// Prints one thing.
    pub(super) fn print(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        self.line.clear();
        match shown {
            Shown::Event(logged, is_proven) => self.event(logged, *is_proven),
            Shown::Erased(judged, topic) => match &mut self.form {
                Form::Text(lines) => lines.erased(&mut self.line, *judged, topic),
                Form::Json(_) => {
                    let verdict = crate::cli::verdict_json(*judged);
                    let topic = serde_json::json!(topic);
                    writeln!(
                        self.line,
                        "{{\"seq\":{},\"topic\":{topic},{verdict},\"erased\":true}}",
                        judged.seq
                    )?;
                }
            },
            Shown::Hole(lost) => self.hole(lost)?,
            Shown::Wrong(found) => self.say_wrong(found)?,
            Shown::End(end) => self.end(end)?,
        }
        self.out.write_all(&self.line)
    }

    /// What is wrong with a log, of which frames are shown.
    pub(super) fn print_wrong(&mut self, found: &Found) -> io::Result<()> {
        self.line.clear();
        self.say_wrong(found)?;
        self.out.write_all(&self.line)
    }

    /// Prints a line as it is.
    pub(super) fn print_line(&mut self, line: std::fmt::Arguments<'_>) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    fn event(&mut self, logged: &LoggedEvent<'_>, is_proven: bool) {
        match &mut self.form {
            Form::Text(lines) => lines.event(&mut self.line, logged, is_proven),
            Form::Json(writer) => {
                writer.push(&mut self.line, logged, Show::WithVerdict);
                if !is_proven {
                    self.line.pop();
                    self.line.extend_from_slice(b",\"unproven\":true}");
                }
                one_line(&mut self.line);
                self.line.push(b'\n');
            }
        }
    }

    fn hole(&mut self, lost: &Lost) -> io::Result<()> {
        match &mut self.form {
            Form::Text(lines) => lines.hole(&mut self.line, lost),
            Form::Json(_) => {
                let (first, last) = (lost.first, lost.last().unwrap_or(lost.first));
                writeln!(
                    self.line,
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
            Form::Json(_) => writeln!(self.line, "{{\"damage\":{json}}}")?,
            Form::Text(lines) => {
                lines.wrong(&mut self.line, &text);
                let changes_verdicts = lost.last().is_some_and(|last| last >= self.folded_from);
                if changes_verdicts && !std::mem::replace(&mut self.remarked, true) {
                    let remark = "(from here on verdicts are those of what remains)";
                    lines.remark(&mut self.line, remark);
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
    for byte in line {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}
