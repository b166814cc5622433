//! Damage to a log: found wherever it leaves evidence, told with what is intact beside it, and
//! with what no evidence decides.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::client::{Client, event};
use crate::dump::{dump, events_and_damages};
use crate::process::{Oncelog, command, run_command};
use crate::scene::{mixed_store, says, shown};
use crate::store::{damage, frames, segments, store_of_three_lives};
use crate::strace;
use crate::tree::{copy, names};

fn ranges(said: &Value, kind: &str) -> Vec<(u64, u64)> {
    let of = said["log"][kind]["ranges"].as_array().expect("ranges");
    let number = |range: &Value, name: &str| range[name].as_u64().expect("a seq");
    let pair = |range| (number(range, "first_seq"), number(range, "last_seq"));
    of.iter().map(pair).collect()
}

#[test]
fn damage_in_a_batch_is_told_with_all_that_is_intact() {
    let store = mixed_store();
    let frame = damage(store.path(), 25);
    for options in [&[][..], &["--log-only"]] {
        let said = says(store.path(), options, 1);
        assert_eq!(said["well"], false);
        assert_eq!(ranges(&said, "intact"), [(1, 20), (31, 60)]);
        assert_eq!(ranges(&said, "damaged"), [(21, 30)]);
        assert_eq!(said["log"]["wrong_total"], 1);
        let wrong = &said["log"]["wrong"][0];
        assert_eq!(
            (&wrong["kind"], &wrong["segment"], &wrong["offset"]),
            (
                &json!("damaged"),
                &json!(frame.segment),
                &json!(frame.offset)
            )
        );
    }
    // The index is compared as far as the log is whole, and knows what was there.
    let said = says(store.path(), &[], 1);
    let index = json!({ "state": "equal", "upto": 20, "rows": 37, "flushed_seq": 60 });
    assert_eq!(said["index"], index);
    assert_eq!(said["fold"]["lost"], 10);
    let text = shown(store.path(), &[], 1);
    let expected = format!(
        "DAMAGE      segment {} is damaged at offsets {} to {}, seqs 21 to 30 lost: \
         the payload's checksum does not match (it was durable: ",
        frame.segment,
        frame.offset,
        frame.end()
    );
    assert!(text.contains(&expected), "{text}");
}

/// The last batches of a store that was killed, and that nothing proves.
#[test]
fn what_no_evidence_decides_is_a_note_and_named_as_undecidable() {
    let store = tempfile::tempdir().expect("a directory");
    let server = Oncelog::start(store.path());
    let client = Client::new(server.address);
    for id in 0..20 {
        client.publish(event("t", &id.to_string(), "1"));
    }
    server.kill();
    fs::remove_dir_all(store.path().join("index")).expect("the index");
    let said = says(store.path(), &["--log-only"], 0);
    let from = said["log"]["undecidable_from"].as_u64().expect("a seq");
    assert_eq!(said["log"]["proven_seq"], from - 1);
    assert_eq!(said["index"], json!({ "state": "none" }));
    let mut last = frames(store.path());
    last.retain(|frame| frame.count > 0);
    let last = last.pop().expect("a frame");
    damage(store.path(), last.first_seq);
    let said = says(store.path(), &[], i32::from(last.first_seq < from));
    if last.first_seq < from {
        return;
    }
    assert_eq!(ranges(&said, "intact"), [(1, last.first_seq - 1)]);
    assert!(said["log"]["torn_bytes"].as_u64() > Some(0), "{said}");
    let text = shown(store.path(), &[], 0);
    let expected = format!(", where seq {} is due: ", last.first_seq);
    assert!(
        text.contains("\ntorn        ") && text.contains(&expected),
        "{text}"
    );
    assert_eq!(said["log"]["torn"]["due_seq"], last.first_seq);
}

/// Its index knows better: what it had is no torn tail.
#[test]
fn an_index_that_is_ahead_proves_what_is_gone() {
    let store = mixed_store();
    let segment = segments(store.path()).pop().expect("a segment");
    let last = frames(store.path());
    let cut = last.iter().find(|frame| frame.first_seq == 51).expect("it");
    let bytes = fs::read(&segment).expect("the segment");
    fs::write(&segment, &bytes[..cut.offset]).expect("the segment");
    for options in [&[][..], &["--log-only"]] {
        let said = says(store.path(), options, 1);
        assert_eq!(ranges(&said, "intact"), [(1, 50)]);
        assert_eq!(ranges(&said, "damaged"), [(51, 60)]);
        assert_eq!(said["log"]["wrong"][0]["kind"], "behind_index");
    }
    let text = shown(store.path(), &[], 1);
    assert!(
        text.contains("events 51 to 60 were durable and are gone"),
        "{text}"
    );
}

#[test]
fn segments_that_are_missing_swapped_foreign_or_old_are_found() {
    let other = store_of_three_lives();
    type Meddle = fn(&[PathBuf], &Path);
    let cases: [(&str, Meddle); 5] = [
        ("missing", |segments, _| {
            fs::remove_file(&segments[1]).expect("it")
        }),
        ("damaged", |segments, _| {
            let [first, second] =
                [&segments[0], &segments[1]].map(|path| fs::read(path).expect("it"));
            fs::write(&segments[0], second).expect("it");
            fs::write(&segments[1], first).expect("it");
        }),
        ("foreign", |segments, other| {
            let theirs = crate::store::segments(other);
            fs::copy(&theirs[1], &segments[1]).expect("it");
        }),
        ("damaged", |segments, _| {
            let bytes = fs::read(&segments[1]).expect("it");
            fs::write(&segments[1], &bytes[..bytes.len() / 2 / 8 * 8]).expect("it");
        }),
        // Its header does not say what its name does.
        ("damaged", |segments, _| {
            let (dir, name) = (
                segments[0].parent().expect("log"),
                "00000000000000000002.seg",
            );
            fs::copy(&segments[1], dir.join(name)).expect("it");
        }),
    ];
    for (number, (kind, meddle)) in cases.into_iter().enumerate() {
        let store = store_of_three_lives();
        let all = dump(store.path(), &["--json"]);
        meddle(&segments(store.path()), other.path());
        let said = says(store.path(), &[], 1);
        let wrong = said["log"]["wrong"].as_array().expect("wrong");
        let is_told = wrong.iter().any(|wrong| wrong["kind"] == kind);
        assert!(is_told, "{number}: {said}");
        // What it calls intact, and only that, is what `dump` shows as it was.
        let shown = dump(store.path(), &["--json"]);
        let (events, _) = events_and_damages(&shown);
        let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
        let intact = ranges(&said, "intact");
        let listed: Vec<u64> = intact.iter().flat_map(|(from, to)| *from..=*to).collect();
        assert_eq!(listed, seqs, "{number}");
        let (before, _) = events_and_damages(&all);
        for event in &events {
            let same = before.iter().find(|before| before.seq == event.seq);
            assert_eq!(same.expect("it was there").event_id, event.event_id);
        }
    }
}

/// The first history's second segment is put beside the second history's first.
#[test]
fn what_two_histories_say_of_the_same_seqs_is_in_doubt() {
    let store = tempfile::tempdir().expect("a directory");
    let publish = |ids: std::ops::Range<u32>, is_killed: bool| {
        let server = Oncelog::start(store.path());
        let client = Client::new(server.address);
        for id in ids {
            client.publish(event("t", &id.to_string(), "1"));
        }
        client.settled();
        match is_killed {
            true => drop(server.kill()),
            false => assert_eq!(server.terminate().code, Some(0)),
        }
    };
    publish(0..3, true);
    publish(3..4, false);
    let log = store.path().join("log");
    let backup = tempfile::tempdir().expect("a directory");
    copy(&log, backup.path());
    publish(4..6, true);
    publish(6..8, false);
    // Of the later state come the segments behind, and of the earlier one goes on the first.
    let later = tempfile::tempdir().expect("a directory");
    copy(&log, later.path());
    fs::remove_dir_all(&log).expect("it");
    fs::remove_dir_all(store.path().join("index")).expect("it");
    copy(backup.path(), &log);
    publish(20..25, false);
    for name in names(later.path()) {
        if !log.join(&name).exists() {
            fs::copy(later.path().join(&name), log.join(&name)).expect("it");
        }
    }
    let said = says(store.path(), &[], 1);
    let wrong = said["log"]["wrong"].as_array().expect("wrong");
    assert!(
        wrong.iter().any(|wrong| wrong["kind"] == "overlap"),
        "{said}"
    );
    assert!(!ranges(&said, "doubtful").is_empty(), "{said}");
    let (first, last) = ranges(&said, "doubtful")[0];
    for (from, to) in ranges(&said, "intact") {
        assert!(to < first || from > last, "{said}");
    }
}

/// Files that are none of a log's are named, and are no damage.
#[test]
fn what_else_lies_there_is_a_note() {
    let store = mixed_store();
    let log = store.path().join("log");
    fs::remove_file(log.join("log.meta")).expect("it");
    fs::write(log.join("notes.txt"), "mine").expect("it");
    let said = says(store.path(), &[], 0);
    assert_eq!(said["log"]["has_meta"], false);
    assert_eq!(said["log"]["strange_files"], json!(["notes.txt"]));
    let text = shown(store.path(), &[], 0);
    let expected = "note        log.meta is missing or damaged; the next start makes it anew\n\
        note        in log/, and none of its files: notes.txt\n";
    assert!(text.contains(expected), "{text}");
}

/// Every read of one segment fails, as on a disk that has lost it.
#[test]
fn a_segment_that_cannot_be_read_is_told_with_its_place() {
    let store = store_of_three_lives();
    let segment = segments(store.path())[1].clone();
    let mut verify = command();
    verify
        .args(["verify", "--json", "--data-dir"])
        .arg(store.path());
    let plan = strace::Plan::on("pread64", "error=EIO").in_file(&segment);
    let Some(command) = strace::command(verify, &plan) else {
        return;
    };
    let ended = run_command(command);
    let text = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.code, Some(1), "{text}{}", ended.stderr);
    let said: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(said["log"]["wrong"][0]["kind"], "unreadable");
    assert_eq!(ranges(&said, "intact"), [(1, 3), (7, 9)]);
    assert_eq!(ranges(&said, "damaged"), [(4, 6)]);
}
