//! A data directory that may not be written, as after a run as root or with a read-only mount:
//! one line that says whose it is and what to run, and exit code 2. Only root can try.

mod support {
    pub mod client;
    pub mod dump;
    pub mod mount;
    pub mod operations;
    pub mod process;
    pub mod skipped;
    pub mod store;
}

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::client::{Client, event};
use support::mount::SmallDisk;
use support::operations::assert_documented;
use support::process::{Oncelog, Starting, command, run_command, serve_command};
use support::skipped::say_skipped;
use support::store::{files, segments, store_of_three_lives};
use tempfile::TempDir;

const NOBODY: u32 = 10001;

/// What another user needs: the binary where it may be run, and a place for data.
struct Scene {
    directory: TempDir,
}

impl Scene {
    /// None without root.
    fn begin() -> Option<Scene> {
        let directory = tempfile::tempdir().expect("a directory");
        if fs::metadata(directory.path()).expect("it").uid() != 0 {
            say_skipped("only root can start it as another user");
            return None;
        }
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("a mode");
        // By another process: a handle of this one that is open for writing, and inherited by
        // what another test starts meanwhile, would make the program busy.
        let mut copy = Command::new("cp");
        copy.arg(command().get_program()).arg(directory.path());
        assert!(copy.status().expect("cp").success());
        Some(Scene { directory })
    }

    fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A stopped store of root, given to the other user but for what is named.
    fn store_but(&self, kept: &str) {
        let store = store_of_three_lives();
        fs::rename(store.keep(), self.data_dir()).expect("it can be moved");
        let kept = self.data_dir().join(kept);
        for path in all_below(&self.data_dir()) {
            if path != kept {
                chown(&path, Some(NOBODY), Some(NOBODY)).expect("it can be given away");
            }
        }
    }

    fn serve_as_nobody(&self) -> Command {
        let serve = serve_command(&self.data_dir(), &[]);
        let mut command = Command::new(self.directory.path().join("oncelog"));
        command
            .args(serve.get_args())
            .env_clear()
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY);
        command
    }

    #[track_caller]
    fn assert_denied(&self, path: &Path, heading: &str) {
        let ended = run_command(self.serve_as_nobody());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        let said = &ended.stderr;
        assert_eq!(
            said.lines()
                .filter(|line| line.starts_with("oncelog: "))
                .count(),
            1,
            "{said}"
        );
        let named = format!("{}: this process is uid {NOBODY}", path.display());
        assert!(said.contains(&named), "{said}");
        assert_documented(heading, said);
    }
}

fn all_below(dir: &Path) -> Vec<PathBuf> {
    let mut all = vec![dir.to_owned()];
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(all_below(&path));
        } else {
            all.push(path);
        }
    }
    all
}

#[test]
fn what_a_run_as_root_left_is_named_with_its_owner_and_the_way_out() {
    let Some(scene) = Scene::begin() else { return };
    let mut kept = vec![
        String::new(),
        "lock".into(),
        "log".into(),
        "index".into(),
        "index/index.sqlite3".into(),
    ];
    scene.store_but("nothing");
    let last = segments(&scene.data_dir()).pop().expect("a segment");
    let last = last.file_name().expect("a name").to_string_lossy();
    kept.push(format!("log/{last}"));
    for kept in kept {
        let path = match kept.as_str() {
            "" => scene.data_dir(),
            kept => scene.data_dir().join(kept),
        };
        let before = files(&scene.data_dir());
        chown(&path, Some(0), Some(0)).expect("it can be taken");
        scene.assert_denied(&path, "No right to write");
        assert!(files(&scene.data_dir()) == before, "something was changed");
        // What it says to run.
        let fix = Command::new("chown")
            .args(["-R", &NOBODY.to_string()])
            .arg(scene.data_dir())
            .status();
        assert!(fix.is_ok_and(|status| status.success()));
    }
    let process = Starting::spawn(scene.serve_as_nobody()).ready();
    assert_eq!(Client::new(process.address).settled().received, 9);
}

#[test]
fn sealed_segments_need_only_be_readable() {
    let Some(scene) = Scene::begin() else { return };
    scene.store_but("nothing");
    let sealed = segments(&scene.data_dir()).remove(0);
    chown(&sealed, Some(0), Some(0)).expect("it can be taken");
    let process = Starting::spawn(scene.serve_as_nobody()).ready();
    let client = Client::new(process.address);
    assert_eq!(client.settled().received, 9);
    client.publish(event("t", "more", "1"));
    drop(process);
    fs::set_permissions(&sealed, Permissions::from_mode(0o600)).expect("a mode");
    scene.assert_denied(&sealed, "No right to read");
}

#[test]
fn a_directory_that_cannot_be_made_is_named_with_the_one_above() {
    let Some(scene) = Scene::begin() else { return };
    scene.assert_denied(scene.directory.path(), "No right to make the directory");
    assert!(!scene.data_dir().exists());
    let hidden = scene.directory.path().join("data");
    fs::create_dir(&hidden).expect("a directory");
    fs::set_permissions(&hidden, Permissions::from_mode(0o700)).expect("a mode");
    scene.assert_denied(&hidden, "No right to write");
}

#[test]
fn a_capability_that_allows_it_counts() {
    let Some(scene) = Scene::begin() else { return };
    scene.store_but("log");
    let serve = scene.serve_as_nobody();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "10001", "--regid", "10001", "--clear-groups"])
        .args([
            "--inh-caps",
            "+dac_override",
            "--ambient-caps",
            "+dac_override",
        ])
        .arg(serve.get_program())
        .args(serve.get_args())
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    if Command::new("setpriv").arg("--version").output().is_err() {
        say_skipped("setpriv is not here");
        return;
    }
    let ended = Starting::spawn(command).ready().terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_read_only_file_system_is_said_to_be_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("data");
    let Some(disk) = SmallDisk::mount(&data_dir, 16 << 10) else {
        return;
    };
    let process = Oncelog::start_with(&data_dir, &["--segment-size", "1MiB"]);
    Client::new(process.address).publish(event("t", "1", "1"));
    process.kill();
    disk.remount("ro");
    for data_dir in [data_dir.clone(), data_dir.join("new")] {
        let ended = run_command(serve_command(&data_dir, &[]));
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert_documented("A read-only file system", &ended.stderr);
    }
    disk.remount("rw");
    let process = Oncelog::start_with(&data_dir, &["--segment-size", "1MiB"]);
    assert_eq!(Client::new(process.address).settled().received, 1);
    assert_documented(
        "A file system that may not keep what it is given",
        &process.stderr(),
    );
    drop((process, disk));
}
