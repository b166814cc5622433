//! When it cannot run: one clear line, code 2, and nothing is changed.

use std::fs;
use std::path::Path;

use crate::client::Client;
use crate::mount::SmallDisk;
use crate::process::Oncelog;
use crate::scene::{Scene, change, events, publish, repair, says};
use crate::skipped::say_skipped;
use crate::store::segments;
use crate::tree::{assert_same, copy, names, tree};

/// Refused with these words; gives all that was said.
#[track_caller]
fn assert_refused(data_dir: &Path, options: &[&str], words: &[&str]) -> String {
    let ended = repair(data_dir, options);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stdout.is_empty());
    for word in words {
        let is_said = word.split('|').any(|word| ended.stderr.contains(word));
        assert!(is_said, "{word}: {}", ended.stderr);
    }
    ended.stderr
}

#[test]
fn a_running_store_is_refused_by_its_pid_and_not_disturbed() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(directory.path());
    let client = Client::new(server.address);
    publish(&client, 0..3);
    let pid = format!("pid {}", server.pid());
    for options in [&[][..], &["--yes"], &["--json"]] {
        assert_refused(directory.path(), options, &[&pid]);
    }
    assert_eq!(names(directory.path()), ["index", "lock", "log"]);
    publish(&client, 3..6);
    assert_eq!(client.settled().received, 60);
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn what_is_no_store_is_refused_and_stays_as_it_is() {
    let parent = tempfile::tempdir().expect("a directory");
    fs::write(parent.path().join("file"), "mine").expect("a file");
    let other = parent.path().join("other");
    fs::create_dir_all(other.join("log")).expect("a directory");
    fs::write(other.join("log/syslog"), "mine").expect("a file");
    fs::create_dir(parent.path().join("empty")).expect("a directory");
    let before = tree(parent.path());
    for name in ["missing", "empty", "other", "file"] {
        let path = parent.path().join(name);
        for options in [&[][..], &["--yes"]] {
            assert_refused(&path, options, &[&path.to_string_lossy()]);
            assert_same(&before, parent.path());
        }
    }
}

#[test]
fn a_link_under_a_segments_name_is_not_replaced() {
    let scene = Scene::new();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let path = segments(scene.path())[1].clone();
    let target = elsewhere.path().join("segment");
    fs::copy(&path, &target).expect("it");
    fs::remove_file(&path).expect("it");
    std::os::unix::fs::symlink(&target, &path).expect("a link");
    let before = tree(&scene.path().join("log"));
    says(scene.path(), &[], 1);
    assert_refused(
        scene.path(),
        &["--yes"],
        &["no plain file", "put the segment itself there"],
    );
    assert_same(&before, &scene.path().join("log"));
    assert_eq!(names(scene.path()), ["index", "lock", "log"]);
}

#[test]
fn a_disk_that_gets_full_stops_it_and_nothing_is_lost() {
    let mounted = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(mounted.path(), 160 << 10) else {
        return say_skipped("a repair on a full disk: none can be mounted");
    };
    let scene = Scene::new();
    for segment in &segments(scene.path())[..2] {
        change(segment, |bytes| bytes[200] ^= 1);
    }
    let expected = events(scene.path());
    let data_dir = mounted.path().join("data");
    copy(scene.path(), &data_dir);
    for name in names(&data_dir.join("log")) {
        if name.starts_with(".tmp-") {
            fs::remove_file(data_dir.join("log").join(name)).expect("it");
        }
    }
    disk.fill();
    for free_kib in [0, 4, 16] {
        let filler = fs::OpenOptions::new().write(true).open(disk.filler());
        let filler = filler.expect("the filler");
        let filled = filler.metadata().expect("its length").len();
        filler
            .set_len(filled - (free_kib << 10))
            .expect("it can be cut");
        // Where the log had room, the index has not.
        let said = assert_refused(&data_dir, &["--yes"], &["full|No space", "nothing is lost"]);
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(events(&data_dir) == expected, "{free_kib}");
        disk.fill();
    }
    fs::remove_file(disk.filler()).expect("the filler");
    says(&data_dir, &["--yes"], 0);
    assert!(events(&data_dir) == expected);
}
