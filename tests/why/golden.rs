//! Of what no server of this version writes: holes, events whose payload was dropped, ids of
//! CloudEvents.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::Oncelog;
use crate::snapshot::is_as_before;
use crate::tree::copy;
use crate::{arrivals, says, text, why};

/// A copy of the golden log.
fn golden() -> TempDir {
    let data_dir = tempfile::tempdir().expect("a directory");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/log");
    copy(&golden, &data_dir.path().join("log"));
    data_dir
}

/// The same with an index.
fn golden_with_index() -> TempDir {
    let data_dir = golden();
    let process = Oncelog::start(data_dir.path());
    crate::Client::new(process.address).settled();
    assert_eq!(process.terminate().code, Some(0));
    data_dir
}

#[test]
fn holes_erased_events_and_cloud_events_are_told_with_and_without_an_index() {
    let without = golden();
    for (name, asked, code) in [
        ("hole.txt", &["--seq", "11"][..], 1),
        ("erased.txt", &["--seq", "13"], 0),
        ("bytes.txt", &["--seq", "5"], 0),
    ] {
        is_as_before("why", name, text(without.path(), asked, code).as_bytes());
    }
    let hole = says(without.path(), &["--seq", "11"], 1);
    is_as_before(
        "why",
        "hole.json",
        (serde_json::to_string_pretty(&hole["lost"]).expect("JSON") + "\n").as_bytes(),
    );

    let with = golden_with_index();
    for store in [without.path(), with.path()] {
        let lost = says(store, &["--seq", "12"], 1);
        assert_eq!(
            (&lost["outcome"], &lost["lost"]["to"]),
            (&"lost".into(), &"hole".into())
        );
        let hole = &lost["lost"]["hole"];
        assert_eq!(
            (&hole["first_seq"], &hole["last_seq"]),
            (&10.into(), &12.into())
        );

        let erased = says(store, &["--seq", "14"], 0);
        let key = &erased["keys"][0];
        assert_eq!(key["key_digest"], "02".repeat(16));
        assert_eq!(
            (&key["event_id"], &key["topic"]),
            (&Value::Null, &Value::Null)
        );
        let arrival = &key["arrivals"][0];
        assert_eq!(
            (&arrival["erased"], &arrival["topic"]),
            (&true.into(), &"größe/世界 🦀".into())
        );

        let again = says(store, &["order-1"], 0);
        assert_eq!(again["keys_total"], 1);
        let expected = [(1, "stored"), (9, "duplicate"), (16, "duplicate")];
        assert_eq!(
            arrivals(&again, 0),
            expected.map(|(seq, verdict)| (seq, verdict.to_owned()))
        );

        // One id of two sources is two events, and none of a topic.
        for (source, seq) in [("urn:sensor:1", 5), ("urn:sensor:2", 7)] {
            let said = says(store, &["ce-1", "--source", source], 0);
            assert_eq!(
                (&said["keys"][0]["source"], &said["keys"][0]["topic"]),
                (&source.into(), &Value::Null)
            );
            assert_eq!(arrivals(&said, 0), [(seq, "stored".to_owned())]);
        }
        says(store, &["ce-1", "--source", "urn:sensor:3"], 1);
        says(store, &["ce-1", "--topic", "readings"], 1);
        says(store, &["ce-1"], 1);
        says(store, &["order-1", "--source", "orders"], 1);
    }
    assert_eq!(why(with.path(), &["--seq", "16"]).stderr, "");
}
