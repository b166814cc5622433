//! An index that is not what its log gives is told by its kind, or by its first difference.

use std::fs;

use rusqlite::Connection;
use serde_json::json;

use crate::client::{Client, event};
use crate::process::Oncelog;
use crate::scene::{mixed_store, publish, says, shown};
use crate::tree::copy;

#[test]
fn an_index_of_no_use_is_told_by_its_kind() {
    let store = mixed_store();
    let database = store.path().join("index/index.sqlite3");
    let whole = fs::read(&database).expect("the database");
    let sql = |sql: &str| {
        let connection = Connection::open(&database).expect("a database");
        connection
            .execute_batch(sql)
            .expect("it can be meddled with");
    };
    sql("PRAGMA user_version = 2");
    assert_eq!(
        says(store.path(), &[], 0)["index"]["state"],
        "other_version"
    );
    fs::write(&database, &whole).expect("the database");
    // A look at how far it goes does not meet this.
    sql("UPDATE topics SET name = 'other'");
    assert_eq!(
        says(store.path(), &["--log-only"], 0)["index"]["state"],
        "not_compared"
    );
    assert_eq!(says(store.path(), &[], 1)["index"]["state"], "damaged");
    fs::write(&database, [7; 8192]).expect("the database");
    for options in [&[][..], &["--log-only"]] {
        assert_eq!(says(store.path(), options, 1)["index"]["state"], "damaged");
    }
    let text = shown(store.path(), &[], 1);
    assert!(
        text.ends_with("verified    NOT WELL: the index is of no use\n"),
        "{text}"
    );

    let other = mixed_store();
    fs::copy(other.path().join("index/index.sqlite3"), &database).expect("a copy");
    assert_eq!(says(store.path(), &[], 1)["index"]["state"], "other_log");

    fs::remove_dir_all(store.path().join("index")).expect("it is there");
    assert_eq!(
        says(store.path(), &[], 0)["index"],
        json!({ "state": "none" })
    );
    let text = shown(store.path(), &[], 0);
    assert!(
        text.contains("index       none; the next start makes it anew\n"),
        "{text}"
    );
}

#[test]
fn an_index_of_other_events_is_told_by_its_first_difference() {
    let store = mixed_store();
    let other = tempfile::tempdir().expect("a directory");
    copy(store.path(), other.path());
    for (path, id) in [(store.path(), "right"), (other.path(), "wrong")] {
        let server = Oncelog::start(path);
        Client::new(server.address).publish(event("orders", id, "1"));
        assert_eq!(server.terminate().code, Some(0));
    }
    let index = store.path().join("index");
    fs::remove_dir_all(&index).expect("it can be removed");
    copy(&other.path().join("index"), &index);
    let said = says(store.path(), &[], 1);
    let found = &said["index"];
    assert_eq!(
        (&found["state"], &found["upto"]),
        (&json!("different"), &json!(61))
    );
    let counts = json!({ "state": 1, "keys": 2, "not_stored": 0, "topics": 0, "postings": 0 });
    assert_eq!(found["differences"], counts);
    assert_eq!(
        (&found["first"]["kind"], &found["first"]["seq"]),
        (&json!("key"), &json!(61))
    );
    assert_eq!(said["log"]["wrong_total"], 0);
    let text = shown(store.path(), &[], 1);
    let expected = "DIFFERS up to seq 61: 3 differences (2 keys, \
        1 of watermark, counters and fold_hash); the first is key ";
    assert!(text.contains(expected), "{text}");
    let expected = "verified    NOT WELL: the index differs from what its log gives\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn an_index_that_is_behind_is_compared_as_far_as_it_goes() {
    let store = mixed_store();
    let behind = tempfile::tempdir().expect("a directory");
    copy(&store.path().join("index"), behind.path());
    let server = Oncelog::start(store.path());
    publish(&Client::new(server.address), 6..9);
    assert_eq!(server.terminate().code, Some(0));
    let index = store.path().join("index");
    fs::remove_dir_all(&index).expect("it can be removed");
    copy(behind.path(), &index);
    let said = says(store.path(), &[], 0);
    let expected = json!({ "state": "equal", "upto": 60, "rows": 109, "flushed_seq": 60 });
    assert_eq!(said["index"], expected);
    assert_eq!(said["fold"]["upto"], 90);
    let text = shown(store.path(), &[], 0);
    let expected = "index       equal: 109 rows up to seq 60; \
        the last 30 events are still to be applied\n";
    assert!(text.contains(expected), "{text}");
}
