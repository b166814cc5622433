//! Colours, where somebody looks who wants them.

use std::io::{IsTerminal as _, stdout};

use crate::cli::logging::wants_plain;
use crate::index::fold::Verdict;

const RESET: &str = "\x1b[0m";

/// Colours, or none.
#[derive(Copy, Clone, Debug)]
pub(super) struct Paint(bool);

impl Paint {
    /// On a terminal that wants them.
    pub(super) fn of_stdout() -> Paint {
        Paint(stdout().is_terminal() && !wants_plain())
    }

    /// How a verdict's text begins and ends.
    pub(super) fn of_verdict(self, verdict: Verdict) -> (&'static str, &'static str) {
        self.with(match verdict {
            Verdict::Stored => "\x1b[32m",
            Verdict::Duplicate => "\x1b[2m",
            Verdict::Conflict => "\x1b[33m",
            Verdict::Lost => "\x1b[31m",
        })
    }

    /// How what is wrong begins and ends.
    pub(super) fn of_wrong(self) -> (&'static str, &'static str) {
        self.with("\x1b[1;31m")
    }

    fn with(self, colour: &'static str) -> (&'static str, &'static str) {
        match self.0 {
            true => (colour, RESET),
            false => ("", ""),
        }
    }
}
