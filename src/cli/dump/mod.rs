//! `oncelog dump`: what is in the log, in order, from a stopped, killed or running store.
//!
//! It takes no lock and changes nothing. Verdicts come from a copy of the index in a temporary
//! directory, as far as that goes; what it does not have, and all of it where there is none that
//! fits, is folded there, so that memory stays flat however long the log is.

mod events;
mod frames;
mod options;
mod paint;
mod printer;
mod progress;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

pub use options::{DumpOptions, EXAMPLE};

use super::outcome::{self, ALL_WELL, COULD_NOT_RUN, DAMAGE};
use crate::index::IndexError;
use crate::inspect::{InspectError, StorePlace};
use crate::log::segment::SegmentId;
use crate::log::sweep::End;
use printer::Printer;

/// Why a dump ended before its end.
#[derive(Debug, thiserror::Error)]
enum DumpError {
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error("there is no {0} in this log")]
    NoSegment(SegmentId),
    #[error("cannot make a temporary directory (--tmp-dir names another place): {0}")]
    Temporary(io::Error),
    #[error("cannot write: {0}")]
    Out(#[from] io::Error),
    /// By a signal, which is how it ends where it goes on for ever.
    #[error("stopped")]
    Stopped,
}

/// Prints the log. 0 all well, 1 damage, 2 could not run.
pub fn run(options: &DumpOptions) -> ExitCode {
    let mut printer = Printer::new(io::stdout().lock(), options.json, options.segment);
    let dumped = dump(options, &mut printer);
    let flushed = printer.flush().map_err(DumpError::Out);
    let wrong = printer.wrong();
    match dumped.and_then(|end| flushed.map(|()| end)) {
        Ok(end) => note_torn(&end),
        Err(DumpError::Stopped) => {}
        // `dump | head`: whoever reads has seen enough.
        Err(DumpError::Out(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            match &error {
                DumpError::Inspect(no_room @ InspectError::NoRoom { .. }) => {
                    super::say(&format!("{no_room}; --tmp-dir names another place"))
                }
                other => super::say_error(other),
            }
            return ExitCode::from(code_of(&error));
        }
    }
    if wrong == 0 {
        return ExitCode::from(ALL_WELL);
    }
    super::say(&match wrong {
        1 => "the log is damaged in one place, which is shown where it stands".to_owned(),
        wrong => format!("the log is damaged in {wrong} places, which are shown where they stand"),
    });
    ExitCode::from(DAMAGE)
}

fn code_of(error: &DumpError) -> u8 {
    match error {
        DumpError::Inspect(InspectError::Log(error)) => outcome::code_of(error),
        // A payload that had to be compared, and was good when it was read before.
        DumpError::Inspect(InspectError::Fold(IndexError::Payload(_))) => DAMAGE,
        _ => COULD_NOT_RUN,
    }
}

fn dump(options: &DumpOptions, printer: &mut Printer<impl Write>) -> Result<End, DumpError> {
    let place = StorePlace::new(&options.data_dir.data_dir);
    let mut wanted = options.wanted();
    if let Some(segment) = options.segment {
        frames::narrowed(&place, segment, &mut wanted)?;
    }
    match options.shows_frames() {
        true => frames::dump(options, &place, &wanted, printer),
        false => events::dump(options, &place, wanted, printer),
    }
}

fn note_torn(end: &End) {
    if let (Some(torn), Some(segment)) = (&end.torn, end.segment) {
        super::say(&format!(
            "note: {} torn bytes follow in {segment} at offset {}; they were never acknowledged",
            torn.end - end.offset,
            end.offset,
        ));
    }
}
