//! What a start that was refused says of the log, which it did not go through to its end.

use std::path::{Path, PathBuf};

use indicatif::BinaryBytes;
use tempfile::TempDir;

use super::{advice, choices, damage};
use crate::cli::lines::Lines;
use crate::cli::logging;
use crate::cli::scratch::scratch_dir;
use crate::inspect::verify::{Verified, VerifyOptions, verify};

/// A log that is larger is not read by a start that refuses: somebody waits for its end.
const READ_BYTES_MAX: u64 = 8 << 30;

/// The report beneath a start that was refused.
#[derive(Debug)]
pub(in crate::cli) struct RefusedStart {
    data_dir: PathBuf,
    scratch: Option<TempDir>,
}

impl RefusedStart {
    /// Of this data directory.
    pub(in crate::cli) fn new(data_dir: &Path) -> RefusedStart {
        RefusedStart {
            data_dir: data_dir.to_owned(),
            scratch: scratch_dir(None).ok(),
        }
    }

    /// A directory that is of no use when the report was broken off.
    pub(in crate::cli) fn scratch(&self) -> Option<PathBuf> {
        let scratch = self.scratch.as_ref();
        scratch.map(|scratch| scratch.path().to_owned())
    }

    /// Makes it, and says it.
    pub(in crate::cli) fn say(self) {
        for line in self.text(READ_BYTES_MAX).lines() {
            logging::say(line);
        }
    }

    fn text(&self, read_bytes_max: u64) -> String {
        let mut lines = Lines::default();
        let log_bytes = choices::log_bytes(&self.data_dir);
        let is_read = log_bytes <= read_bytes_max;
        match is_read.then(|| self.verified()).flatten() {
            Some(verified) => {
                damage(&verified, &mut lines);
                advice(&verified, &self.data_dir, &mut lines);
            }
            None => {
                let verify = choices::command("verify", &self.data_dir);
                let why = match is_read {
                    false => format!(
                        "the log has {}, and is not read now; ",
                        BinaryBytes(log_bytes)
                    ),
                    // That it cannot be read was said.
                    true => String::new(),
                };
                lines.say(
                    "report",
                    format!("{why}{verify} --log-only says what is intact"),
                );
            }
        }
        lines.text
    }

    fn verified(&self) -> Option<Verified> {
        let options = VerifyOptions {
            data_dir: &self.data_dir,
            folds: false,
            scratch: self.scratch.as_ref()?.path(),
            filter_memory_bytes: 0,
        };
        verify(&options, None, &mut |_| {}).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_takes_long_to_read_is_not_read_and_it_says_so() {
        let data_dir = tempfile::tempdir().expect("a directory");
        let log_dir = data_dir.path().join("log");
        std::fs::create_dir(&log_dir).expect("a directory");
        // What is no segment does not count.
        for (name, bytes) in [
            ("00000000000000000001.seg", 3000),
            ("00000000000000000007.seg", 2000),
            ("torn-1.bin", 4000),
        ] {
            std::fs::write(log_dir.join(name), vec![0; bytes]).expect("a file");
        }
        let start = RefusedStart::new(data_dir.path());
        let verify = choices::command("verify", data_dir.path());
        let expected =
            |why: &str| format!("report      {why}{verify} --log-only says what is intact\n");
        let too_long = expected("the log has 4.88 KiB, and is not read now; ");
        assert_eq!(start.text(4999), too_long);
        assert_ne!(start.text(5000), too_long);
    }
}
