//! `oncelog rebuild` as operators use it: it makes the index anew, says whether the old one was
//! what it had to be, and however it ends, an index is there that is right. Here is when it
//! cannot be: one clear line, code 2, and nothing is changed.

#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/mount.rs"]
mod mount;
#[path = "support/operations.rs"]
mod operations;
#[path = "support/process.rs"]
mod process;
#[path = "support/random.rs"]
mod random;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "support/store.rs"]
mod store;
#[path = "support/tree.rs"]
mod tree;

#[path = "rebuild/kills.rs"]
mod kills;
#[path = "rebuild/outcomes.rs"]
mod outcomes;
#[path = "rebuild/scene.rs"]
mod scene;

use std::fs;
use std::path::Path;

use client::Client;
use mount::{Bound, SmallDisk};
use operations::assert_documented;
use process::Oncelog;
use scene::{Scene, publish, rebuild, rebuilt};
use skipped::say_skipped;
use store::damage;
use tree::{assert_same, copy, names, tree};

/// Refused with these words in one line.
#[track_caller]
fn assert_refused(data_dir: &Path, words: &[&str]) -> String {
    let ended = rebuild(data_dir, &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stdout.is_empty());
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
    ended.stderr
}

#[test]
fn a_running_store_is_refused_by_its_pid_and_not_disturbed() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(directory.path());
    let client = Client::new(server.address);
    publish(&client, 3);
    let pid = format!("pid {}", server.pid());
    let said = assert_refused(directory.path(), &[&pid]);
    assert_documented("The directory is in use", &said);
    assert_eq!(names(directory.path()), ["index", "lock", "log"]);
    publish(&client, 3);
    assert_eq!(client.settled().received, 60);
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn what_is_no_store_is_refused_and_stays_as_it_is() {
    let parent = tempfile::tempdir().expect("a directory");
    let file = parent.path().join("file");
    fs::write(&file, "mine").expect("a file");
    let other = parent.path().join("other");
    fs::create_dir_all(other.join("log")).expect("a directory");
    fs::write(other.join("log/syslog"), "mine").expect("a file");
    fs::create_dir(parent.path().join("empty")).expect("a directory");
    let before = tree(parent.path());
    for name in ["missing", "empty", "other", "file"] {
        let path = parent.path().join(name);
        assert_refused(&path, &[&path.to_string_lossy()]);
        assert_same(&before, parent.path());
    }
}

#[test]
fn a_log_that_is_damaged_or_newer_is_refused_and_the_old_index_stays() {
    let scene = Scene::killed(30);
    let frame = damage(scene.path(), 5);
    let before = tree(&scene.index());
    let offset = format!("offset {}", frame.offset);
    assert_refused(scene.path(), &[&frame.segment, &offset]);
    assert_same(&before, &scene.index());
    assert_eq!(names(scene.path()), ["index", "lock", "log"]);

    let scene = Scene::stopped(3);
    let meta = scene.path().join("log/log.meta");
    let mut bytes = fs::read(&meta).expect("log.meta");
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..44]);
    bytes[44..].copy_from_slice(&crc.to_le_bytes());
    fs::write(&meta, bytes).expect("log.meta");
    let before = tree(scene.path());
    assert_refused(scene.path(), &["format version 2"]);
    assert_same(&before, scene.path());
}

#[test]
fn an_index_that_proves_a_loss_is_not_replaced() {
    let scene = Scene::stopped(3);
    let older = tempfile::tempdir().expect("a directory");
    copy(&scene.path().join("log"), &older.path().join("log"));
    let server = Oncelog::start(scene.path());
    publish(&Client::new(server.address), 6);
    assert_eq!(server.terminate().code, Some(0));
    copy(&scene.index(), &older.path().join("index"));
    let before = tree(&older.path().join("index"));
    assert_refused(older.path(), &["ends with seq 30", "flushed up to seq 90"]);
    assert_same(&before, &older.path().join("index"));
    assert_eq!(names(older.path()), ["index", "lock", "log"]);
}

#[test]
fn an_index_that_is_only_a_link_is_refused() {
    let scene = Scene::stopped(3);
    let elsewhere = tempfile::tempdir().expect("a directory");
    copy(&scene.index(), elsewhere.path());
    fs::remove_dir_all(scene.index()).expect("it is there");
    std::os::unix::fs::symlink(elsewhere.path(), scene.index()).expect("a link");
    let before = tree(elsewhere.path());
    let said = assert_refused(scene.path(), &["a mount or a link"]);
    assert_documented("The index lies elsewhere", &said);
    assert_same(&before, elsewhere.path());
    assert_eq!(names(scene.path()), ["index", "lock", "log"]);
}

#[test]
fn an_index_that_is_mounted_is_refused_also_where_it_is_of_the_same_disk() {
    let scene = Scene::stopped(3);
    let elsewhere = tempfile::tempdir().expect("a directory");
    copy(&scene.index(), elsewhere.path());
    let Some(_mounted) = Bound::mount(elsewhere.path(), &scene.index()) else {
        return say_skipped("an index that is mounted: nothing can be mounted");
    };
    let before = tree(elsewhere.path());
    assert_refused(scene.path(), &["a mount or a link"]);
    assert_same(&before, elsewhere.path());
    assert_eq!(names(scene.path()), ["index", "lock", "log"]);
}

#[test]
fn a_disk_that_gets_full_leaves_the_old_index_and_nothing_else() {
    let mounted = tempfile::tempdir().expect("a directory");
    let Some(disk) = SmallDisk::mount(mounted.path(), 64 << 10) else {
        return say_skipped("a rebuild on a full disk: none can be mounted");
    };
    let scene = Scene::stopped(300);
    let data_dir = mounted.path().join("data");
    copy(scene.path(), &data_dir);
    disk.fill();
    for free_kib in [0, 16, 64, 160] {
        let filler = fs::OpenOptions::new().write(true).open(disk.filler());
        let filler = filler.expect("the filler");
        let filled = filler.metadata().expect("its length").len();
        filler
            .set_len(filled - (free_kib << 10))
            .expect("it can be cut");
        let before = tree(&data_dir.join("index"));
        let said = assert_refused(&data_dir, &[]);
        assert_documented("No room for the new index", &said);
        assert_same(&before, &data_dir.join("index"));
        assert_eq!(names(&data_dir), ["index", "lock", "log"], "{free_kib}");
        disk.fill();
    }
    fs::remove_file(disk.filler()).expect("the filler");
    assert_eq!(rebuilt(&data_dir, 0)["old"]["state"], "equal");
}
