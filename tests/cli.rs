//! The command line as people type it: options from where they may come, help, health.

mod support {
    pub mod client;
    pub mod process;
    pub mod skipped;
}

use support::client::{Client, event};
use support::process::{Oncelog, Starting, command, run};
use support::skipped::say_skipped;

#[test]
fn version_and_help_are_answers_and_no_errors() {
    let version = run(&["--version"]);
    assert_eq!(version.code, Some(0));
    let expected = format!("oncelog {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&version.stdout), expected);
    let help = run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(!help.stdout.is_empty());
    for command in [
        "serve",
        "publish",
        "bench",
        "dump",
        "info",
        "verify",
        "why",
        "repair",
        "rebuild",
        "health",
        "completions",
    ] {
        let help = run(&[command, "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
        let text = String::from_utf8(help.stdout).expect("UTF-8");
        let (_, examples) = text.split_once("\nExample").expect("an example");
        let is_typed = format!("oncelog {command}");
        assert!(examples.contains(&is_typed), "{command}: {examples}");
    }
}

/// Each shell, if it is here, takes the script without a word.
#[test]
fn completions_know_the_commands_and_are_what_the_shells_read() {
    for (shell, check) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["-n"])] {
        let script = run(&["completions", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""));
        let text = String::from_utf8(script.stdout).expect("UTF-8");
        for word in [
            "publish",
            "rebuild",
            "--data-dir",
            "--no-compare",
            "--log-only",
        ] {
            // fish writes options without their dashes.
            let word = if shell == "fish" {
                word.trim_start_matches('-')
            } else {
                word
            };
            assert!(text.contains(word), "{shell}: {word}");
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &text).expect("a file");
        match std::process::Command::new(shell)
            .args(check)
            .arg(file.path())
            .output()
        {
            Ok(read) => assert!(read.status.success(), "{shell}: {read:?}"),
            Err(error) => say_skipped(&format!("completions in {shell}: {error}")),
        }
    }
    assert_eq!(run(&["completions", "tcsh"]).code, Some(2));
    assert_eq!(run(&["completions"]).code, Some(2));
}

#[test]
fn a_bare_oncelog_serves() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let mut command = command();
    command
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data_dir.path());
    let process = Starting::spawn(command).ready();
    let client = Client::new(process.address);
    assert_eq!(client.publish(event("t", "1", "1")).unique, 1);
    assert_eq!(process.terminate().code, Some(0));
}

#[test]
fn options_come_from_the_environment_and_a_misspelt_variable_is_warned_of() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let mut command = command();
    command
        .env("ONCELOG_LISTEN", "127.0.0.1:0")
        .env("ONCELOG_DATA_DIR", data_dir.path())
        .env("ONCELOG_SEGMENT_SIZ", "1MiB");
    let process = Starting::spawn(command).ready();
    assert!(data_dir.path().join("log").is_dir());
    let stderr = process.stderr();
    assert!(stderr.contains("ONCELOG_SEGMENT_SIZ "), "{stderr}");
}

#[test]
fn health_tells_by_its_exit_code_whether_a_server_is_well() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let url = format!("http://{}", process.address);
    for arguments in [
        &["health", "--url", &url][..],
        &["health", "--ready", "--url", &url],
    ] {
        let health = run(arguments);
        assert_eq!(
            (health.code, health.stdout.as_slice()),
            (Some(0), &b"ok\n"[..])
        );
    }
    process.kill();
    let health = run(&["health", "--url", &url]);
    assert_eq!(health.code, Some(1), "{}", health.stderr);
    assert!(!health.stderr.is_empty());
    assert_eq!(run(&["health", "--url", "ftp://nowhere"]).code, Some(2));
}

#[test]
fn a_server_that_may_not_write_lives_and_is_not_ready() {
    let data_dir = tempfile::tempdir().expect("a directory");
    // More than any disk has.
    let process = Oncelog::start_with(data_dir.path(), &["--min-free", "1000TiB"]);
    let url = format!("http://{}", process.address);
    let client = Client::new(process.address);
    let until = std::time::Instant::now() + support::process::PATIENCE;
    while client.get("/readyz").status == 200 {
        assert!(std::time::Instant::now() < until, "it is ready for ever");
    }
    assert_eq!(run(&["health", "--url", &url]).code, Some(0));
    let ready = run(&["health", "--ready", "--url", &url]);
    assert_eq!(ready.code, Some(1), "{}", ready.stderr);
    let answer = client.try_publish("", event("t", "1", "1"));
    assert_eq!(answer.expect("an answer").status, 507);
    assert_eq!(client.stats().received, 0);
    assert_eq!(process.terminate().code, Some(0));
}
