//! What `verify` says on stderr while it is at work.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::VerifyArguments;
use crate::cli::voice::Voice;
use crate::inspect::verify::Progress;

/// From how many bytes on it is said beforehand that they will be written.
const SAID_FROM_BYTES: u64 = 64 << 20;

/// Says what takes room, and shows on a terminal how far it is.
#[derive(Debug)]
pub(super) struct VerifyProgress {
    voice: Voice,
    begun: Instant,
    /// Where bytes are written.
    place: PathBuf,
    /// It was chosen by who runs this.
    is_chosen: bool,
}

impl VerifyProgress {
    pub(super) fn new(arguments: &VerifyArguments, scratch: &Path) -> VerifyProgress {
        VerifyProgress {
            voice: Voice::new(false),
            begun: Instant::now(),
            place: scratch.parent().unwrap_or(scratch).to_owned(),
            is_chosen: arguments.tmp_dir.is_some(),
        }
    }

    pub(super) fn take(&mut self, progress: Progress) {
        match progress {
            Progress::WillWrite(bytes) => self.will_write(bytes),
            Progress::Receipts(line) => self
                .voice
                .progress(|| format!("reading receipts: line {line}")),
            Progress::Reading { seq, of } => {
                let seconds = self.begun.elapsed().as_secs_f64().max(1e-3);
                self.voice.progress(|| {
                    let per_second = seq.get() as f64 / seconds;
                    format!("reading the log: seq {seq} of {of}, {per_second:.0} events/s")
                });
            }
            Progress::Comparing { rows, of } => self
                .voice
                .progress(|| format!("comparing the index: row {rows} of about {of}")),
        }
    }

    fn will_write(&self, bytes: u64) {
        if bytes < SAID_FROM_BYTES {
            return;
        }
        let place = self.place.display();
        let other = match self.is_chosen {
            true => "",
            false => " (--tmp-dir names another place)",
        };
        self.voice.say(&format!(
            "note: about {} MiB are written in {place} meanwhile{other}",
            bytes >> 20
        ));
    }

    /// Takes the progress line away.
    pub(super) fn end(&self) {
        self.voice.end_progress();
    }
}
