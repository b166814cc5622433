//! `oncelog dump` of a data directory, read back.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::path::Path;

use super::client::ShownEvent;
use super::process::{Ended, command, run_command};

/// Runs `oncelog dump` with these options.
pub fn dump(data_dir: &Path, options: &[&str]) -> Ended {
    let mut command = command();
    command
        .args(["dump", "--data-dir"])
        .arg(data_dir)
        .args(options);
    run_command(command)
}

/// All events with their verdicts, of a log that is well.
pub fn dump_events(data_dir: &Path, options: &[&str]) -> Vec<ShownEvent> {
    let options = [&["--json"], options].concat();
    let ended = dump(data_dir, &options);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    lines(&ended)
}

/// The events in what a dump of a damaged log printed, and what it said is wrong.
pub fn events_and_damages(ended: &Ended) -> (Vec<ShownEvent>, Vec<serde_json::Value>) {
    let text = std::str::from_utf8(&ended.stdout).expect("UTF-8");
    let (mut events, mut damages) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        match value.get_mut("damage") {
            Some(damage) => damages.push(damage.take()),
            None => events.push(serde_json::from_str(line).expect("an event")),
        }
    }
    (events, damages)
}

/// The events in what a dump printed.
pub fn lines(ended: &Ended) -> Vec<ShownEvent> {
    let text = std::str::from_utf8(&ended.stdout).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}
