//! What is said on stderr: progress on a terminal, notes, and what went wrong. Whether
//! anybody reads it changes nothing.

use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::logging::without_controls;
use crate::cli::say;

const REDRAW: Duration = Duration::from_millis(200);

/// Speaks, around the progress line if there is one.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Voice {
    progress: ProgressBar,
    is_quiet: bool,
}

impl Voice {
    pub(in crate::cli) fn new(is_quiet: bool) -> Voice {
        let is_shown = !is_quiet && stderr().is_terminal();
        let target = match is_shown {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let progress = ProgressBar::with_draw_target(None, target);
        if is_shown {
            // The template is a constant, and well-formed.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
                progress.set_style(style);
            }
            progress.enable_steady_tick(REDRAW);
        }
        Voice { progress, is_quiet }
    }

    /// What must be known.
    pub(in crate::cli) fn say(&self, text: &str) {
        self.progress.suspend(|| say(text));
    }

    /// What is good to know.
    pub(in crate::cli) fn note(&self, text: &str) {
        if !self.is_quiet {
            self.say(text);
        }
    }

    /// Whether anybody sees how far it is.
    pub(in crate::cli) fn shows_progress(&self) -> bool {
        !self.progress.is_hidden()
    }

    /// Shows how far it is.
    pub(in crate::cli) fn progress(&self, text: impl FnOnce() -> String) {
        if self.shows_progress() {
            self.progress.set_message(without_controls(&text()));
        }
    }

    /// Takes the progress line away.
    pub(in crate::cli) fn end_progress(&self) {
        self.progress.finish_and_clear();
    }
}
