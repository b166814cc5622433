//! What cannot be verified: one clear line, code 2, and nothing is changed.

use std::fs;
use std::process::Stdio;

use crate::mount::SmallDisk;
use crate::process::{command, run, run_command};
use crate::scene::{mixed_store, verify};
use crate::skipped::say_skipped;
use crate::tree::{assert_same, copy, tree};

#[test]
fn what_is_no_store_gets_one_line_and_2() {
    let parent = tempfile::tempdir().expect("a directory");
    let file = parent.path().join("file");
    fs::write(&file, "mine").expect("a file");
    let other = parent.path().join("other");
    fs::create_dir_all(other.join("log")).expect("a directory");
    fs::write(other.join("log/syslog"), "mine").expect("a file");
    fs::create_dir(parent.path().join("empty")).expect("a directory");
    let newer = mixed_store();
    let meta = newer.path().join("log/log.meta");
    let mut bytes = fs::read(&meta).expect("log.meta");
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..44]);
    bytes[44..].copy_from_slice(&crc.to_le_bytes());
    fs::write(&meta, bytes).expect("log.meta");
    copy(newer.path(), &parent.path().join("newer"));

    let before = tree(parent.path());
    for name in ["missing", "empty", "other", "file", "newer"] {
        let path = parent.path().join(name);
        for options in [&[][..], &["--log-only"], &["--json"]] {
            let ended = verify(&path, options);
            assert_eq!(ended.code, Some(2), "{name}: {}", ended.stderr);
            assert!(ended.stdout.is_empty());
            assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
            let named = path.to_string_lossy();
            assert!(ended.stderr.contains(&*named), "{}", ended.stderr);
        }
    }
    assert_same(&before, parent.path());
}

#[test]
fn without_room_or_a_place_for_the_fold_it_says_so_and_leaves_nothing() {
    let store = mixed_store();
    let ended = verify(store.path(), &["--tmp-dir", "/nowhere/at/all"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("--tmp-dir names another place"),
        "{}",
        ended.stderr
    );

    let mounted = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(mounted.path(), 64 << 10) else {
        return say_skipped("a fold on a full disk: none can be mounted");
    };
    disk.fill();
    let tmp_dir = mounted.path().to_string_lossy();
    let before = tree(store.path());
    let ended = verify(store.path(), &["--tmp-dir", &tmp_dir]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("--tmp-dir names another place"),
        "{}",
        ended.stderr
    );
    assert_same(&before, store.path());
    let left: Vec<_> = fs::read_dir(mounted.path()).expect("it").collect();
    assert!(left.len() <= 2, "{left:?}");
}

#[test]
fn a_pipe_that_is_closed_early_is_no_failure_and_a_full_output_is_one() {
    let store = mixed_store();
    let mut to_full = command();
    to_full.arg("verify").arg("--data-dir").arg(store.path());
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    to_full.stdout(Stdio::from(full.expect("a full device")));
    let output = to_full.output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let mut closed = std::process::Command::new("sh");
    closed
        .args(["-c", r#""$@" | true; exit "${PIPESTATUS:-0}""#, "sh"])
        .arg(command().get_program())
        .args(["verify", "--data-dir"])
        .arg(store.path());
    let ended = run_command(closed);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_option_that_is_none_is_refused() {
    assert_eq!(run(&["verify", "--nonsense"]).code, Some(2));
}
