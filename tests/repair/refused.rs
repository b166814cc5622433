//! When it cannot run: one clear line, code 2, and nothing is changed.

use std::fs;
use std::path::Path;

use crate::client::Client;
use crate::operations::assert_documented;
use crate::process::Oncelog;
use crate::scene::{Scene, publish, repair, says};
use crate::store::segments;
use crate::tree::{assert_same, names, tree};

/// Refused with these words; gives all that was said.
#[track_caller]
pub(super) fn assert_refused(data_dir: &Path, options: &[&str], words: &[&str]) -> String {
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
        let stderr = assert_refused(directory.path(), options, &[&pid]);
        assert_documented("The store runs", &stderr);
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
    let stderr = assert_refused(scene.path(), &["--yes"], &["no plain file"]);
    assert_documented("Something has a segment's name", &stderr);
    assert_same(&before, &scene.path().join("log"));
    assert_eq!(names(scene.path()), ["index", "lock", "log"]);
}
