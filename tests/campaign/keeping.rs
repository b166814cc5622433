//! What the engines say, and what they keep of a failure.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::history::Attempt;

/// This seed, or one of the clock's.
pub(crate) fn seed_or_clock(seed: Option<u64>) -> u64 {
    seed.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().subsec_nanos().into()
    })
}

/// Keeps a directory with a store, and what its publishers know, in a directory of this name.
pub(crate) fn keep(dir: &Path, store: &Path, history: &Mutex<Vec<Attempt>>) -> PathBuf {
    keep_history(dir, &history.lock().unwrap_or_else(PoisonError::into_inner));
    let copied = Command::new("cp").arg("-a").arg(store).arg(dir).status();
    if !copied.is_ok_and(|status| status.success()) {
        say("the store could not be copied");
    }
    dir.to_owned()
}

/// Keeps what publishers know in a directory of this name.
pub(crate) fn keep_history(dir: &Path, attempts: &[Attempt]) {
    std::fs::create_dir_all(dir).expect("a directory");
    let mut told = String::new();
    for attempt in attempts {
        writeln!(told, "{attempt:?}").expect("a string");
    }
    std::fs::write(dir.join("history"), told).expect("a file");
}

pub(crate) fn say(line: &str) {
    // Whoever has stopped reading is not to stop it.
    let _ = writeln!(std::io::stdout(), "{line}");
}
