//! Risk: what is meant for a person at a terminal gets into a file or a pipe, stays on the screen
//! when it is over, or has colours where none are wanted.

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

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use process::{command, run_command};
use skipped::say_skipped;
use store::{damage, store_of_three_lives};

const CLEAR_LINE: &str = "\u{1b}[2K";
const ESCAPE: char = '\u{1b}';

/// What a terminal gets of a command of oncelog, with these variables; `None` where there is no
/// terminal to be had.
fn on_terminal(arguments: &str, variables: &[(&str, &str)]) -> Option<String> {
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_oncelog"));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]);
    script.env_remove("NO_COLOR").env("TERM", "xterm");
    script.envs(variables.iter().copied());
    match script.stdin(Stdio::null()).output() {
        Ok(ended) => Some(String::from_utf8_lossy(&ended.stdout).into_owned()),
        Err(_) => {
            say_skipped("what a terminal gets: there is no script(1)");
            None
        }
    }
}

/// The tools that show progress, each with all it needs.
fn tools(data_dir: &Path) -> [String; 4] {
    let dir = data_dir.display();
    ["verify", "dump --json", "repair --yes", "rebuild"]
        .map(|tool| format!("{tool} --data-dir {dir}"))
}

#[test]
fn progress_is_on_stderr_alone_and_taken_away_at_the_end() {
    let store = store_of_three_lives();
    fs::remove_dir_all(store.path().join("index")).expect("it is there");
    let out = tempfile::NamedTempFile::new().expect("a file");
    for tool in tools(store.path()) {
        let line = format!("{tool} > {}", out.path().display());
        let Some(seen) = on_terminal(&line, &[]) else {
            return;
        };
        let (_, left) = seen.rsplit_once(CLEAR_LINE).expect(&tool);
        assert!(
            !left.contains(ESCAPE) && !left.contains(" 0s"),
            "{tool}: {left:?}"
        );
        let printed = fs::read_to_string(out.path()).expect("UTF-8");
        assert!(
            !printed.is_empty() && !printed.contains(ESCAPE),
            "{tool}: {printed:?}"
        );

        let seen = on_terminal(&line, &[("TERM", "dumb")]).expect("there is script");
        assert!(
            !seen.contains(ESCAPE) && !seen.contains(" 0s"),
            "{tool}: {seen:?}"
        );

        let mut piped = command();
        piped.args(tool.split(' '));
        let ended = run_command(piped);
        let printed = [ended.stdout, ended.stderr.into_bytes()].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert!(
            !printed.contains(ESCAPE) && !printed.contains(" 0s"),
            "{tool}: {printed:?}"
        );
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let store = store_of_three_lives();
    damage(store.path(), 2);
    let dir = store.path().display();
    let shown = [
        format!("dump --data-dir {dir} 2> /dev/null"),
        // Its log says which options it has.
        format!("serve --listen 127.0.0.1:0 --data-dir {dir}"),
    ];
    for line in shown {
        let Some(seen) = on_terminal(&line, &[]) else {
            return;
        };
        assert!(seen.contains(ESCAPE), "{line}: {seen:?}");
        for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let seen = on_terminal(&line, &[plain]).expect("there is script");
            assert!(
                !seen.is_empty() && !seen.contains(ESCAPE),
                "{line}: {seen:?}"
            );
        }
    }
}
