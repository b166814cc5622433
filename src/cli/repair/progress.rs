//! What `repair` says on stderr while it is at work.

use std::time::Instant;

use crate::cli::voice::Voice;
use crate::inspect::repair::Progress;
use crate::inspect::{rebuild, verify};
use crate::log::mending::Step;

/// Shows on a terminal how far it is.
#[derive(Debug)]
pub(super) struct RepairProgress {
    voice: Voice,
    begun: Instant,
}

impl RepairProgress {
    pub(super) fn new() -> RepairProgress {
        RepairProgress {
            voice: Voice::new(false),
            begun: Instant::now(),
        }
    }

    pub(super) fn take(&self, progress: Progress) {
        let seconds = self.begun.elapsed().as_secs();
        self.voice.progress(|| match progress {
            Progress::Planning { seq, of } => format!("reading the log: seq {seq} of {of}"),
            Progress::Mending(Step { segment, done, of }) => {
                format!("writing {segment}: {} of {of}", done + 1)
            }
            Progress::Rebuilding(rebuild::Progress::Folding { applied, upto }) => {
                format!("making the index anew: seq {applied} of {upto}")
            }
            Progress::Rebuilding(_) => "making the index anew".into(),
            Progress::Verifying(verify::Progress::Reading { seq, of }) => {
                format!("verifying: seq {seq} of {of}")
            }
            Progress::Verifying(verify::Progress::Comparing { rows, of }) => {
                format!("verifying the index: row {rows} of about {of}")
            }
            Progress::Verifying(_) => format!("verifying, after {seconds} s"),
        });
    }

    /// Takes the progress line away.
    pub(super) fn end(&self) {
        self.voice.end_progress();
    }
}
