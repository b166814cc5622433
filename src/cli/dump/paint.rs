//! Colours, where somebody looks who wants them.

use std::io::{IsTerminal as _, stdout};

use crate::index::fold::Verdict;

const RESET: &str = "\x1b[0m";

/// Colours, or none.
#[derive(Copy, Clone, Debug)]
pub(super) struct Paint(bool);

impl Paint {
    /// On a terminal, unless `NO_COLOR` is set (see no-color.org).
    pub(super) fn of_stdout() -> Paint {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Paint(stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb)
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
