//! What a rebuild finds, and says.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::Connection;

use super::scene::{Scene, publish, rebuild, rebuilt};
use crate::client::{Client, event};
use crate::dump::dump_events;
use crate::mount::Bound;
use crate::operations::assert_documented;
use crate::process::Oncelog;
use crate::skipped::say_skipped;
use crate::tree::{assert_same, copy, names, tree};

#[test]
fn an_equal_index_is_replaced_and_said_to_be_equal() {
    let scene = Scene::stopped(30);
    let log = tree(&scene.path().join("log"));
    let number = |path: &Path| fs::metadata(path).expect("it is there").ino();
    let before = number(&scene.index());
    let said = rebuilt(scene.path(), 0);
    assert_eq!(said["old"]["state"], "equal");
    assert_eq!(said["old"]["upto"], 300);
    // 240 keys, twice, 60 that were not stored, 7 topics.
    assert_eq!(said["old"]["rows"], 547);
    let counts = [
        "upto",
        "unique",
        "duplicates",
        "conflicts",
        "lost",
        "topics",
    ];
    let counts = counts.map(|name| said[name].as_u64().expect("a number"));
    assert_eq!(counts, [300, 240, 60, 30, 0, 7]);
    assert_eq!(said["fold_hash"], scene.stats.fold_hash.as_str());
    assert_same(&log, &scene.path().join("log"));
    assert_ne!(number(&scene.index()), before, "it is another one");
    assert_eq!(names(scene.path()), ["index", "lock", "log"]);
    scene.assert_serves();
}

#[test]
fn what_is_said_to_people_is_the_same() {
    let scene = Scene::stopped(3);
    let ended = rebuild(scene.path(), &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let (summary, rest) = text.split_once("; ").expect("a summary");
    assert_eq!(
        summary,
        "the index is rebuilt up to seq 30: 24 unique, 6 duplicates (3 conflicts among them), \
         0 lost, 7 topics"
    );
    let lines: Vec<&str> = rest.lines().collect();
    assert!(lines[0].contains(" bytes, folded in "), "{}", lines[0]);
    assert_eq!(lines[1], format!("fold_hash {}", scene.stats.fold_hash));
    assert_eq!(
        lines[2..],
        ["the old index was equal: 61 rows up to seq 30"]
    );
}

#[test]
fn of_a_store_that_was_killed_what_is_proven_is_folded_and_the_start_does_the_rest() {
    let scene = Scene::killed(30);
    let said = rebuilt(scene.path(), 0);
    assert_eq!(said["old"]["state"], "equal");
    let upto = said["upto"].as_u64().expect("a seq");
    assert!(upto >= said["old"]["upto"].as_u64().expect("a seq"));
    scene.assert_serves();
}

/// Else the index would prove durable what only the page cache had.
#[test]
fn what_may_be_in_the_page_cache_only_is_not_folded() {
    let mut scene = Scene::stopped(3);
    let server = Oncelog::start(scene.path());
    let client = Client::new(server.address);
    publish(&client, 6);
    scene.stats = client.stats();
    server.kill();
    let events = dump_events(scene.path(), &[]);
    let proven = events.iter().filter(|event| !event.unproven);
    let said = rebuilt(scene.path(), 0);
    let flushed = said["old"]["upto"].as_u64().expect("a seq");
    let expected = proven.count().max(flushed as usize);
    assert_eq!(said["upto"], expected, "of {}", events.len());
    scene.assert_serves();
}

#[test]
fn an_index_of_other_events_is_told_from_the_right_one_by_its_first_difference() {
    let scene = Scene::stopped(3);
    let other = tempfile::tempdir().expect("a directory");
    copy(scene.path(), other.path());
    for (path, id) in [(scene.path(), "right"), (other.path(), "wrong")] {
        let server = Oncelog::start(path);
        Client::new(server.address).publish(event("topic-1", id, "1"));
        assert_eq!(server.terminate().code, Some(0));
    }
    fs::remove_dir_all(scene.index()).expect("it can be removed");
    copy(&other.path().join("index"), &scene.index());

    let text = tempfile::tempdir().expect("a directory");
    copy(scene.path(), text.path());
    let ended = rebuild(text.path(), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let said = String::from_utf8(ended.stdout).expect("UTF-8");
    let last = said.lines().last().expect("a line");
    let expected = "the old index DIFFERED up to seq 31: 3 differences (2 keys, \
        1 of watermark, counters and fold_hash); the first is key ";
    assert!(last.starts_with(expected), "{last}");

    let said = rebuilt(scene.path(), 1);
    let old = &said["old"];
    assert_eq!(old["state"], "different");
    let counts = serde_json::json!({
        "state": 1, "keys": 2, "not_stored": 0, "topics": 0, "postings": 0
    });
    assert_eq!(old["differences"], counts);
    assert_eq!(
        (&old["first"]["kind"], &old["first"]["seq"]),
        (&"key".into(), &31.into())
    );
    let is_one_sided = old["first"]["found"].is_null() != old["first"]["expected"].is_null();
    assert!(is_one_sided, "{old}");
    assert_eq!(rebuilt(scene.path(), 0)["old"]["state"], "equal");
}

#[test]
fn an_index_that_cannot_be_used_is_replaced_and_said_to_be_so() {
    let scene = Scene::stopped(30);
    let whole = tempfile::tempdir().expect("a directory");
    copy(&scene.index(), whole.path());
    let database = scene.index().join("index.sqlite3");
    let sql = |sql: &str| {
        let connection = Connection::open(&database).expect("a database");
        connection
            .execute_batch(sql)
            .expect("it can be meddled with");
    };
    let zero_runs = || {
        for name in names(&scene.index()) {
            let path = scene.index().join(name);
            if path.extension().is_some_and(|ending| ending == "run") {
                let bytes = fs::read(&path).expect("a run");
                let from = bytes.len() / 2;
                let zeros = vec![0; bytes.len() - from];
                fs::write(&path, [&bytes[..from], &zeros].concat()).expect("a run");
            }
        }
    };
    type Meddle<'m> = &'m dyn Fn();
    let cases: [(&str, i32, Meddle<'_>); 6] = [
        ("damaged", 1, &zero_runs),
        ("damaged", 1, &|| sql("DELETE FROM notes")),
        ("damaged", 1, &|| {
            fs::write(&database, [7; 9000]).expect("a file")
        }),
        ("other_version", 0, &|| sql("PRAGMA user_version = 2")),
        ("none", 0, &|| {
            fs::remove_dir_all(scene.index()).expect("it is there")
        }),
        ("none", 0, &|| {
            fs::remove_file(&database).expect("it is there")
        }),
    ];
    for (number, (state, code, meddle)) in cases.into_iter().enumerate() {
        meddle();
        let said = rebuilt(scene.path(), code);
        assert_eq!(said["old"]["state"], state, "{number}: {said}");
        assert_eq!(said["fold_hash"], scene.stats.fold_hash.as_str());
        assert_eq!(rebuilt(scene.path(), 0)["old"]["state"], "equal");
    }
    scene.assert_serves();

    let other = Scene::stopped(3);
    copy(&other.index(), &scene.index());
    assert_eq!(rebuilt(scene.path(), 1)["old"]["state"], "other_log");
    scene.assert_serves();
}

#[test]
fn the_old_index_is_not_compared_where_that_is_not_wanted() {
    let scene = Scene::stopped(3);
    let ended = rebuild(scene.path(), &["--no-compare", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert_eq!(said["old"], serde_json::json!({ "state": "not_compared" }));
    scene.assert_serves();
}

#[test]
fn an_empty_log_gives_an_empty_index() {
    let scene = Scene::stopped(0);
    let said = rebuilt(scene.path(), 0);
    assert_eq!((&said["upto"], &said["topics"]), (&0.into(), &0.into()));
    scene.assert_serves();
}

#[test]
fn what_root_has_rebuilt_belongs_to_the_owner_of_the_log() {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        return say_skipped("the owner of a rebuilt index: only root can give files away");
    }
    let scene = Scene::stopped(3);
    for dir in ["", "log", "index"] {
        let path = scene.path().join(dir);
        std::os::unix::fs::chown(path, Some(4711), Some(4712)).expect("root may");
    }
    // A copy of the log and the index may have none, and the server must be able to write it.
    let lock = scene.path().join("lock");
    fs::remove_file(&lock).expect("it is there");
    rebuilt(scene.path(), 0);
    let all = tree(&scene.index());
    assert!(all.len() > 1);
    for path in all.keys().chain([&lock]) {
        let found = fs::metadata(path).expect("it is there");
        assert_eq!((found.uid(), found.gid()), (4711, 4712), "{path:?}");
    }
    let server = Oncelog::start(scene.path());
    publish(&Client::new(server.address), 1);
}

#[test]
fn an_old_index_that_cannot_be_removed_is_a_note_and_the_new_one_is_used() {
    let scene = Scene::stopped(3);
    let elsewhere = tempfile::tempdir().expect("a directory");
    let held = scene.index().join("held");
    fs::create_dir(&held).expect("a directory");
    let Some(mounted) = Bound::mount(elsewhere.path(), &held) else {
        return say_skipped("an old index that cannot be removed: nothing can be mounted");
    };
    let ended = rebuild(scene.path(), &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_documented("The old index stays", &ended.stderr);
    let left = ["index", "index.replaced", "lock", "log"];
    assert_eq!(names(scene.path()), left);
    scene.assert_serves();
    // A mount goes by the name that it was given.
    let (index, replaced) = (scene.index(), scene.path().join("index.replaced"));
    fs::rename(&index, scene.path().join("new")).expect("a new name");
    fs::rename(&replaced, &index).expect("its old name");
    drop(mounted);
    fs::remove_dir_all(&index).expect("nothing is mounted there any more");
    fs::rename(scene.path().join("new"), &index).expect("its own name");
    scene.assert_serves();
}
