//! What `dump` says on stderr while it works out verdicts.

use std::io::IsTerminal as _;
use std::path::Path;

use crate::cli::say;
use crate::cli::voice::Voice;
use crate::event::Seq;
use crate::inspect::Listener;

/// From how many bytes on it is said beforehand that they will be written.
const SAID_FROM_BYTES: u64 = 64 << 20;

/// Says what takes room, and shows on a terminal how far a fold is.
#[derive(Debug)]
pub(super) struct DumpProgress {
    /// The directory was chosen by who runs this.
    is_chosen: bool,
    voice: Option<Voice>,
}

impl DumpProgress {
    pub(super) fn new(is_chosen: bool) -> DumpProgress {
        DumpProgress {
            is_chosen,
            voice: None,
        }
    }

    fn show(&mut self, what: &str, seq: Seq, of: Seq) {
        if std::io::stderr().is_terminal() {
            let voice = self.voice.get_or_insert_with(|| Voice::new(false));
            voice.progress(|| format!("{what}: {seq} of {of}"));
        }
    }

    /// Takes the progress line away.
    pub(super) fn end(&mut self) {
        if let Some(voice) = self.voice.take() {
            voice.end_progress();
        }
    }
}

impl Listener for DumpProgress {
    fn will_write(&mut self, bytes: u64, dir: &Path) {
        if bytes < SAID_FROM_BYTES {
            return;
        }
        let place = dir.parent().unwrap_or(dir).display();
        let other = match self.is_chosen {
            true => "",
            false => " (--tmp-dir names another place)",
        };
        say(&format!(
            "note: the verdicts take about {} MiB in {place}{other}",
            bytes >> 20
        ));
    }

    fn folded(&mut self, seq: Seq, of: Seq) {
        self.show("working out verdicts", seq, of);
    }

    fn passed(&mut self, seq: Seq, of: Seq) {
        // Where the events themselves are seen they say how far it is.
        if !std::io::stdout().is_terminal() {
            self.show("looked through", seq, of);
        } else {
            self.end();
        }
    }
}
