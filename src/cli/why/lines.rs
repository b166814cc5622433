//! Lines of text with what they are about in front.

use std::fmt::{Display, Write as _};

use crate::cli::logging::without_controls;

/// What stands before a line's text.
const LABEL_WIDTH: usize = 11;

/// Lines for people. Nothing from publishers may move the cursor or colour the terminal.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) text: String,
}

impl Lines {
    /// A line as it is.
    pub(super) fn plain(&mut self, text: impl Display) {
        let text = without_controls(&text.to_string());
        // Into a string that cannot fail.
        let _ = writeln!(self.text, "{}", text.replace(['\n', '\r', '\t'], " "));
    }

    /// A line of an arrival, under a label; one without a label goes on with the one before.
    pub(super) fn say(&mut self, label: &str, text: impl Display) {
        self.plain(format_args!("    {label:<LABEL_WIDTH$} {text}"));
    }

    /// A line between two parts.
    pub(super) fn space(&mut self) {
        self.text.push('\n');
    }
}
