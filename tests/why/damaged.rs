//! Of a log that is damaged, or has lost something.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, event};
use crate::process::Oncelog;
use crate::snapshot::is_as_before;
use crate::store::{damage, frames, segments, store_of_three_lives};
use crate::tree::copy;
use crate::{arrivals, lives, says, text, why};

fn without_index(store: &TempDir) -> TempDir {
    let without = tempfile::tempdir().expect("a directory");
    copy(&store.path().join("log"), &without.path().join("log"));
    without
}

#[test]
fn where_the_kept_event_is_damaged_the_index_still_knows_the_others_as_what_they_are() {
    let store = lives();
    let frame = damage(store.path(), 1);
    let said = says(store.path(), &["a-1", "--topic", "orders"], 1);
    let verdicts = arrivals(&said, 0);
    let expected = [
        (1, "stored"),
        (4, "duplicate"),
        (5, "conflict"),
        (7, "duplicate"),
    ];
    assert_eq!(
        verdicts,
        expected.map(|(seq, verdict)| (seq, verdict.to_owned()))
    );
    let arrivals = &said["keys"][0]["arrivals"];
    let told = &arrivals[0]["damage"];
    assert_eq!(
        (&told["kind"], &told["segment"]),
        (&"damaged".into(), &frame.segment.into())
    );
    assert_eq!(
        (&told["first_seq"], &told["last_seq"]),
        (&1.into(), &3.into())
    );
    assert_eq!(arrivals[2]["differs"]["kind"], "unknown");
    is_as_before(
        "why",
        "damaged.txt",
        text(store.path(), &["--seq", "1"], 1).as_bytes(),
    );

    // Of one that did not come again only its verdict is left.
    let lost = says(store.path(), &["--seq", "2"], 1);
    assert_eq!(
        (&lost["outcome"], &lost["lost"]["to"]),
        (&"lost".into(), &"damage".into())
    );
    assert_eq!(lost["lost"]["index"]["verdict"], "stored");
    is_as_before(
        "why",
        "lost.txt",
        text(store.path(), &["--seq", "2"], 1).as_bytes(),
    );

    // By name the index knows it, and of an id that it does not know it is certain.
    assert_eq!(says(store.path(), &["a-2"], 1)["keys"][0]["kept_seq"], 2);
    assert_eq!(says(store.path(), &["a-9"], 1)["outcome"], "never_arrived");
    assert_eq!(says(store.path(), &["a-9"], 1)["damage_total"], 0);
    says(store.path(), &["a-3"], 0);
}

#[test]
fn without_an_index_the_answer_is_that_of_what_remains_and_says_so() {
    let store = lives();
    damage(store.path(), 1);
    let without = without_index(&store);
    let said = says(without.path(), &["a-1", "--topic", "orders"], 1);
    let expected = [(4, "stored"), (5, "conflict"), (7, "duplicate")];
    assert_eq!(
        arrivals(&said, 0),
        expected.map(|(seq, verdict)| (seq, verdict.to_owned()))
    );
    assert_eq!(said["damage"][0]["last_seq"], 3);
    let told = text(without.path(), &["a-2"], 1);
    assert!(
        told.contains("it may have been in what is damaged"),
        "{told}"
    );
    let lost = says(without.path(), &["--seq", "2"], 1);
    assert_eq!(
        (&lost["lost"]["to"], &lost["lost"]["index"]),
        (&"damage".into(), &Value::Null)
    );
}

#[test]
fn with_an_index_only_the_frames_that_are_asked_for_are_read() {
    let store = store_of_three_lives();
    damage(store.path(), 2);
    for asked in [&["2-1"][..], &["--seq", "8"], &["0-0"]] {
        assert_eq!(says(store.path(), asked, 0)["damage_total"], 0, "{asked:?}");
    }
    let without = without_index(&store);
    assert_eq!(says(without.path(), &["2-1"], 1)["damage_total"], 1);
}

#[test]
fn a_missing_segment_is_told_with_what_was_in_it() {
    let store = store_of_three_lives();
    let second = segments(store.path())[1].clone();
    fs::remove_file(&second).expect("it goes away");
    let said = says(store.path(), &["1-1"], 1);
    let told = &said["keys"][0]["arrivals"][0]["damage"];
    assert_eq!(
        (&told["kind"], &told["first_seq"]),
        (&"missing".into(), &4.into())
    );
    let lost = says(store.path(), &["--seq", "5"], 1);
    assert_eq!(lost["lost"]["damage"]["kind"], "missing");
    says(store.path(), &["2-1"], 0);
}

#[test]
fn what_the_log_has_lost_is_lost_and_not_to_come() {
    let store = lives();
    let cut = frames(store.path());
    let cut = cut
        .iter()
        .find(|frame| frame.first_seq == 5 && frame.count == 2);
    let cut = cut.expect("the third batch").offset;
    let segment = segments(store.path()).pop().expect("a segment");
    let bytes = fs::read(&segment).expect("the segment");
    fs::write(&segment, &bytes[..cut]).expect("it can be written");
    let said = says(store.path(), &["--seq", "6"], 1);
    assert_eq!(
        (&said["outcome"], &said["lost"]["to"]),
        (&"lost".into(), &"behind_index".into())
    );
    assert_eq!(
        says(store.path(), &["--seq", "8"], 1)["outcome"],
        "not_given_yet"
    );
    let ended = why(store.path(), &["a-1"]);
    assert_eq!(ended.code, Some(1));
    let noted = "the index cannot be used: it goes up to seq 7, and the log only up to seq 4";
    assert!(ended.stderr.contains(noted), "{}", ended.stderr);
    let told = String::from_utf8(ended.stdout).expect("UTF-8");
    assert!(
        told.contains("events 5 to 7 were durable and are gone"),
        "{told}"
    );
}

/// Where the first payload is gone, and no index has judged what came again.
#[test]
fn what_cannot_be_judged_is_not_judged() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    Client::new(process.address).publish(event("t", "1", "1"));
    assert_eq!(process.terminate().code, Some(0));
    let index = data_dir.path().join("index");
    let kept = data_dir.path().join("kept");
    copy(&index, &kept);
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    client.publish(event("t", "1", "1"));
    client.publish(event("t", "1", "2"));
    assert_eq!(process.terminate().code, Some(0));
    fs::remove_dir_all(&index).expect("it goes away");
    fs::rename(&kept, &index).expect("it can be moved");
    let said = says(data_dir.path(), &["1"], 0);
    let expected = [(1, "stored"), (2, "duplicate"), (3, "conflict")];
    assert_eq!(
        arrivals(&said, 0),
        expected.map(|(seq, verdict)| (seq, verdict.to_owned()))
    );

    damage(data_dir.path(), 1);
    let said = says(data_dir.path(), &["1"], 1);
    let expected = [(1, "stored"), (2, "duplicate"), (3, "pending")];
    assert_eq!(
        arrivals(&said, 0),
        expected.map(|(seq, verdict)| (seq, verdict.to_owned()))
    );
    let told = text(data_dir.path(), &["1"], 1);
    assert!(
        told.contains("cannot be judged: the payload of seq 1 cannot be read"),
        "{told}"
    );
}
