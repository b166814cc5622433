//! What is no store, cannot be read, or has an index of no use.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use crate::skipped::say_skipped;
use crate::store::stopped_store;
use crate::tree::{assert_same, copy, tree};
use crate::{info, says, shown};

#[test]
fn an_index_of_no_use_is_told_by_its_kind() {
    let data_dir = stopped_store();
    let database = data_dir.path().join("index/index.sqlite3");
    let sql = |sql: &str| {
        let connection = Connection::open(&database).expect("a database");
        connection
            .execute_batch(sql)
            .expect("it can be meddled with");
    };
    let whole = fs::read(&database).expect("the database");
    sql("PRAGMA user_version = 2");
    assert_eq!(says(data_dir.path(), 0)["index"]["state"], "other_version");
    fs::write(&database, &whole).expect("the database");
    sql("DELETE FROM topics WHERE no = 2");
    assert_eq!(says(data_dir.path(), 1)["index"]["state"], "damaged");
    fs::write(&database, [7; 8192]).expect("the database");
    let said = says(data_dir.path(), 1);
    assert_eq!(said["index"]["state"], "damaged");
    assert_eq!(said["log"]["last_seq"], 30);

    let other = stopped_store();
    fs::copy(other.path().join("index/index.sqlite3"), &database).expect("a copy");
    let said = says(data_dir.path(), 1);
    assert_eq!(said["index"]["state"], "other_log");
    assert_eq!(said["index"]["why"], "the index belongs to another log");

    fs::remove_dir_all(data_dir.path().join("index")).expect("it is there");
    assert_eq!(says(data_dir.path(), 0)["index"]["state"], "none");
    let text = shown(data_dir.path(), 0);
    assert!(
        text.contains("index       none; the next start makes it anew"),
        "{text}"
    );
}

#[test]
fn what_is_no_store_gets_one_line_and_2() {
    let parent = tempfile::tempdir().expect("a directory");
    let file = parent.path().join("file");
    fs::write(&file, "mine").expect("a file");
    fs::create_dir(parent.path().join("empty")).expect("a directory");
    let other = parent.path().join("other");
    fs::create_dir_all(other.join("log")).expect("a directory");
    fs::write(other.join("log/syslog"), "mine").expect("a file");
    let newer = stopped_store();
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
        let ended = info(&path, &[]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.stderr);
        assert!(ended.stdout.is_empty());
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        let named = path.to_string_lossy();
        assert!(ended.stderr.contains(&*named), "{}", ended.stderr);
    }
    assert_same(&before, parent.path());
}

#[test]
fn without_the_rights_one_line_says_so() {
    if rustix::process::geteuid().is_root() {
        return say_skipped("info without rights: root has all of them");
    }
    let data_dir = stopped_store();
    let mode = |name: &str, mode| {
        let path = data_dir.path().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("an own file");
    };
    mode("index", 0);
    assert_eq!(info(data_dir.path(), &[]).code, Some(2));
    mode("index", 0o755);
    mode("log", 0);
    let ended = info(data_dir.path(), &[]);
    mode("log", 0o755);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1));
}
