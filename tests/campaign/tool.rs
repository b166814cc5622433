//! The machine's own programs, none of which is waited for for ever.

use std::process::Command;

/// Runs it and gives what it printed, or says why that is not possible.
pub(crate) fn run(command: &Command) -> Result<String, String> {
    let mut timed = Command::new("timeout");
    timed
        .args(["--kill-after=5", "60"])
        .arg(command.get_program())
        .args(command.get_args());
    match timed.output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        output => Err(format!("{command:?} is not possible here: {output:?}")),
    }
}
