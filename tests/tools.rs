//! Risk: a tool that only looks changes what it looks at, or disturbs a server at work; one of them
//! forgets what the others know to refuse. All tools against all of it, in tables.

#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/process.rs"]
mod process;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "support/store.rs"]
mod store;
#[path = "support/tree.rs"]
mod tree;

#[path = "tools/looking.rs"]
mod looking;
#[path = "tools/refused.rs"]
mod refused;
#[path = "tools/wrong.rs"]
mod wrong;

use std::path::Path;
use std::process::Command;

use process::{Ended, command, run_command};

/// A command line, a word each, on this data directory.
fn tool(data_dir: &Path, line: &[&str]) -> Command {
    let mut command = command();
    command.args(line).arg("--data-dir").arg(data_dir);
    command
}

fn run_tool(data_dir: &Path, line: &[&str]) -> Ended {
    run_command(tool(data_dir, line))
}
