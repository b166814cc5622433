//! What is no store, is of a later version, or may not be read: one line that names it, code 2, and
//! nothing is changed, by any tool.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::process::{Ended, Oncelog, command, run_command};
use crate::run_tool;
use crate::skipped::say_skipped;
use crate::store::{segments, set_version, store_of_three_lives};
use crate::tree::{assert_same, copy, tree};

/// A line for each way in which a tool reads or changes a store.
const TOOLS: &[&[&str]] = &[
    &["dump"],
    &["dump", "--json", "--last", "3"],
    &["dump", "--frames"],
    &["verify"],
    &["verify", "--log-only", "--json"],
    &["why", "1-1"],
    &["why", "--seq", "3", "--json"],
    &["info"],
    &["info", "--json"],
    &["repair"],
    &["repair", "--yes", "--json"],
    &["rebuild"],
    &["rebuild", "--no-compare"],
];

#[track_caller]
fn assert_refused(ended: &Ended, case: &str, named: &str) {
    assert_eq!(ended.code, Some(2), "{case}: {}", ended.stderr);
    assert!(ended.stdout.is_empty(), "{case}");
    assert_eq!(ended.stderr.lines().count(), 1, "{case}: {}", ended.stderr);
    assert!(
        ended.stderr.starts_with("oncelog: "),
        "{case}: {}",
        ended.stderr
    );
    assert!(ended.stderr.contains(named), "{case}: {}", ended.stderr);
}

#[test]
fn what_is_no_store_or_a_later_versions() {
    let parent = tempfile::tempdir().expect("a directory");
    let path = |name: &str| parent.path().join(name);
    fs::write(path("file"), "mine").expect("a file");
    fs::create_dir(path("empty")).expect("a directory");
    fs::create_dir_all(path("other/log")).expect("a directory");
    fs::write(path("other/log/syslog"), "mine").expect("a file");
    let store = store_of_three_lives();
    for name in ["newer", "newer segment", "newer fold"] {
        copy(store.path(), &path(name));
    }
    set_version(&path("newer/log/log.meta"), 8, 44);
    for (name, at) in [("newer segment", 8), ("newer fold", 10)] {
        set_version(&segments(&path(name))[1], at, 60);
    }
    for name in [
        "missing",
        "file",
        "file/below",
        "empty",
        "other",
        "newer",
        "newer segment",
        "newer fold",
    ] {
        for line in TOOLS {
            // Its end is read, and that is no later version's.
            if name.starts_with("newer ") && line.contains(&"3") {
                continue;
            }
            let before = tree(parent.path());
            let ended = run_tool(&path(name), line);
            let named = match name {
                "newer segment" | "newer fold" => "00000000000000000004.seg",
                _ => name,
            };
            assert_refused(&ended, &format!("{name}: {line:?}"), named);
            // Of what is a store they may have taken the lock, which says who did.
            let may_lock = line.contains(&"--yes") || line[0] == "rebuild";
            let mut after = tree(parent.path());
            if name.starts_with("newer") && may_lock {
                let lock = path(name).join("lock");
                let was = before.get(&lock).expect("a lock").clone();
                after.insert(lock, was);
            }
            assert!(before == after, "{name}: {line:?}");
        }
    }
}

/// Of root, and looked at by somebody else.
#[test]
fn what_may_not_be_read() {
    let parent = tempfile::tempdir().expect("a directory");
    if fs::metadata(parent.path()).expect("it").uid() != 0 {
        return say_skipped("only root can start a tool as another user");
    }
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    };
    mode(parent.path(), 0o755);
    // By another process: a handle that is open for writing would make the program busy.
    let mut copied = Command::new("cp");
    copied.arg(command().get_program()).arg(parent.path());
    assert!(copied.status().expect("cp").success());
    let store = store_of_three_lives();
    let data_dir = parent.path().join("data");
    copy(store.path(), &data_dir);
    let log = data_dir.join("log");
    let segment = segments(&data_dir)[1].clone();
    for (denied, now, usual) in [(&data_dir, 0o700, 0o755), (&log, 0o700, 0o755)] {
        mode(denied, now);
        let before = tree(&data_dir);
        for line in TOOLS {
            let mut tool = Command::new(parent.path().join("oncelog"));
            tool.args(*line).arg("--data-dir").arg(&data_dir);
            tool.env_clear().current_dir("/").uid(10001).gid(10001);
            let ended = run_command(tool);
            let case = format!("{}: {line:?}", denied.display());
            assert_refused(&ended, &case, "ermission denied");
        }
        assert_same(&before, &data_dir);
        mode(denied, usual);
    }
    // One segment only: whoever comes to it says so.
    mode(&segment, 0o600);
    let before = tree(&data_dir);
    for line in TOOLS
        .iter()
        .filter(|line| line[0] != "repair" && line[0] != "rebuild")
    {
        let mut tool = Command::new(parent.path().join("oncelog"));
        tool.args(*line).arg("--data-dir").arg(&data_dir);
        tool.env_clear().current_dir("/").uid(10001).gid(10001);
        let ended = run_command(tool);
        let name = segment.file_name().expect("a name").to_string_lossy();
        assert_refused(&ended, &format!("{line:?}"), &name);
    }
    assert_same(&before, &data_dir);
}

/// A writer is at work: what would change something is refused with its pid.
#[test]
fn a_store_whose_writer_is_at_work() {
    let store = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(store.path());
    let pid = format!("pid {}", server.pid());
    for line in TOOLS.iter().filter(|line| line[0].starts_with("re")) {
        assert_refused(&run_tool(store.path(), line), &format!("{line:?}"), &pid);
    }
    assert_eq!(server.terminate().code, Some(0));
}
