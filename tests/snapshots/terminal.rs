//! Colour only on a terminal, and not where `NO_COLOR` says so.

use std::process::Command;

use crate::process::{command, run_command};
use crate::scene::Scene;
use crate::skipped::say_skipped;

const ESCAPE: u8 = 0x1b;

#[test]
fn colour_is_for_terminals_and_for_those_who_want_it() {
    let scene = Scene::new();
    scene.damage();
    if Command::new("script").arg("--version").output().is_err() {
        return say_skipped("colour on a terminal: script is not here");
    }
    let on_terminal = |no_color: Option<&str>, options: &str| {
        let binary = command().get_program().to_string_lossy().into_owned();
        let dir = scene.path().display();
        let line = format!("{binary} dump {options} --data-dir {dir}");
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", &line, "/dev/null"]);
        script.env("TERM", "xterm").env_remove("NO_COLOR");
        if let Some(value) = no_color {
            script.env("NO_COLOR", value);
        }
        let ended = run_command(script);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let shown = String::from_utf8_lossy(&ended.stdout);
        assert!(
            shown.contains("DAMAGE") || shown.contains("damage"),
            "{shown}"
        );
        ended.stdout.contains(&ESCAPE)
    };
    assert!(on_terminal(None, ""));
    assert!(on_terminal(Some(""), ""), "an empty one says nothing");
    assert!(!on_terminal(Some("1"), ""));
    assert!(!on_terminal(None, "--json"));
    let (piped, _) = scene.says(&["dump"], 1);
    assert!(!piped.as_bytes().contains(&ESCAPE));
}
