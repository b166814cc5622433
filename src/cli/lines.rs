//! What an offline tool says to people: lines under labels.

use std::fmt::{Display, Write as _};

use super::logging::without_controls;

/// What stands before a line's text.
const LABEL_WIDTH: usize = 11;

/// Lines under labels.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) text: String,
}

impl Lines {
    /// A line under a label; one without a label goes on with the one before.
    pub(super) fn say(&mut self, label: &str, text: impl Display) {
        let text = without_controls(&text.to_string());
        // Into a string that cannot fail.
        let _ = writeln!(self.text, "{label:<LABEL_WIDTH$} {text}");
    }
}
