//! Of a store that runs, was killed, or whose index is not its own.

use std::fs;

use serde_json::Value;

use crate::client::{Client, event};
use crate::process::Oncelog;
use crate::store::{stopped_store, wait_for_mark};
use crate::tree::copy;
use crate::{arrivals, lives, publish_lives, says, why};

/// What is said of a store that works, where everything but it may change meanwhile.
#[track_caller]
fn says_running(data_dir: &std::path::Path, asked: &[&str]) -> Value {
    let ended = why(data_dir, &[asked, &["--json"]].concat());
    assert_eq!(ended.code, Some(0), "{asked:?}: {}", ended.stderr);
    assert_eq!(ended.stderr, "");
    serde_json::from_slice(&ended.stdout).expect("JSON")
}

#[test]
fn of_a_running_store_each_event_is_told_as_soon_as_it_is_answered_and_it_is_not_disturbed() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    let (mut flushed, mut unflushed) = (0, 0);
    for round in 1..=60u64 {
        let id = (round / 2).to_string();
        client.publish(event(&format!("t-{}", round / 20), &id, "1"));
        let said = says_running(data_dir.path(), &[&id]);
        assert_eq!(
            (&said["running"], &said["last_seq"]),
            (&true.into(), &round.into())
        );
        let of_seq = says_running(data_dir.path(), &["--seq", &round.to_string()]);
        let last = said["keys"].as_array().expect("keys").len() - 1;
        assert_eq!(arrivals(&said, last), arrivals(&of_seq, 0));
        let told = of_seq["keys"][0]["arrivals"].as_array().expect("arrivals");
        let asked = told.iter().find(|one| one["asked"] == true).expect("it");
        assert_eq!(asked["seq"], round);
        match asked["flushed"].as_bool().expect("known") {
            true => flushed += 1,
            false => {
                assert_eq!(asked["applied"], Value::Null);
                unflushed += 1;
            }
        }
        if round % 25 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
    }
    assert!(unflushed > 0, "{flushed} {unflushed}");
    wait_for_mark(data_dir.path());
    let said = says_running(data_dir.path(), &["--seq", "60"]);
    assert_eq!(said["keys"][0]["arrivals"][0]["proven"], true);
    assert_eq!(client.settled().received, 60);
    let ended = process.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let complaints = ended
        .lines()
        .into_iter()
        .filter(|(level, _)| *level != "INFO");
    assert_eq!(complaints.count(), 0, "{}", ended.stderr);
}

#[test]
fn under_load_runs_that_are_merged_away_meanwhile_are_no_failure() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let small = ["--delta-events", "1000", "--segment-size", "1MiB"];
    let process = Oncelog::start_with(data_dir.path(), &small);
    let client = Client::new(process.address);
    let publisher = {
        let client = client.clone();
        std::thread::spawn(move || {
            for batch in 0..200 {
                let id = |place: u32| (batch * 100 + place).to_string();
                let events: Vec<String> =
                    (0..100).map(|place| event("t", &id(place), "7")).collect();
                client.publish(format!("[{}]", events.join(",")));
            }
        })
    };
    client.publish(event("first", "x", "1"));
    let mut asked = 0;
    while !publisher.is_finished() {
        let said = says_running(data_dir.path(), &["x"]);
        assert_eq!(said["keys"][0]["topic"], "first");
        asked += 1;
    }
    publisher.join().expect("it published all");
    assert!(asked > 0);
    assert_eq!(client.settled().received, 20_001);
    let ended = process.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn of_a_killed_store_what_was_not_flushed_is_judged_as_the_next_start_does() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    client.publish(event("orders", "a-1", "1"));
    assert_eq!(process.terminate().code, Some(0));
    let process = Oncelog::start(data_dir.path());
    publish_lives(&Client::new(process.address));
    process.kill();
    let said = says(data_dir.path(), &["a-1"], 0);
    let expected = [
        (1, "stored"),
        (2, "conflict"),
        (5, "conflict"),
        (6, "conflict"),
        (8, "conflict"),
    ];
    assert_eq!(
        arrivals(&said, 0),
        expected.map(|(seq, verdict)| (seq, verdict.to_owned()))
    );
    assert_eq!(arrivals(&said, 1), [(4, "stored".to_owned())]);
    let first = &said["keys"][0]["arrivals"][0];
    assert_eq!(
        (&first["flushed"], &first["applied"]),
        (&true.into(), &true.into())
    );
    let flushed = said["flushed_seq"].as_u64().expect("an index");
    let last = &said["keys"][0]["arrivals"][4];
    assert_eq!(last["applied"], flushed >= 8);

    // As a copy without SQLite's own file.
    let copied = tempfile::tempdir().expect("a directory");
    copy(data_dir.path(), copied.path());
    fs::remove_file(copied.path().join("index/index.sqlite3-shm")).expect("it is there");
    assert_eq!(says(copied.path(), &["a-1"], 0), said);

    let process = Oncelog::start(data_dir.path());
    Client::new(process.address).settled();
    assert_eq!(process.terminate().code, Some(0));
    let later = says(data_dir.path(), &["a-1"], 0);
    assert_eq!(arrivals(&later, 0), arrivals(&said, 0));
    assert_eq!(later["keys"][0]["arrivals"][4]["flushed"], true);
}

#[test]
fn an_index_that_is_damaged_or_not_this_logs_is_not_believed() {
    let (store, other) = (lives(), stopped_store());
    let expected = arrivals(&says(store.path(), &["a-1"], 0), 0);
    let main = store.path().join("index/index.sqlite3");
    let good = fs::read(&main).expect("the index");
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0xA5);
    let foreign = fs::read(other.path().join("index/index.sqlite3")).expect("the index");
    for bytes in [foreign, damaged, b"no database".to_vec()] {
        fs::write(&main, &bytes).expect("it can be written");
        let said = says(store.path(), &["a-1"], 0);
        assert_eq!(
            (arrivals(&said, 0), &said["flushed_seq"]),
            (expected.clone(), &Value::Null)
        );
        let noted = why(store.path(), &["a-1"]).stderr;
        assert!(
            noted.contains("the index cannot be used: ")
                && noted.contains("; reading the whole log"),
            "{noted}"
        );
    }

    // A block of a run, which is met only where it is asked.
    fs::write(&main, &good).expect("it can be written");
    let run = fs::read_dir(store.path().join("index"))
        .expect("the index")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "run"))
        .expect("a run");
    let mut bytes = fs::read(&run).expect("the run");
    for block in bytes.chunks_mut(4096).skip(1) {
        block[100] ^= 1;
    }
    fs::write(&run, bytes).expect("it can be written");
    let said = says(store.path(), &["a-1"], 0);
    assert_eq!(
        (arrivals(&said, 0), &said["flushed_seq"]),
        (expected, &Value::Null)
    );
}

/// A log is taken back to an earlier state without its index, and goes on.
#[test]
fn an_index_of_what_the_log_is_no_more_is_not_believed() {
    let store = tempfile::tempdir().expect("a directory");
    let (log, index) = (store.path().join("log"), store.path().join("index"));
    let publish = |ids: [&str; 3]| {
        let process = Oncelog::start(store.path());
        let client = Client::new(process.address);
        for id in ids {
            client.publish(event("t", id, "1"));
        }
        assert_eq!(process.terminate().code, Some(0));
    };
    publish(["1", "2", "3"]);
    let backup = store.path().join("backup");
    copy(&log, &backup);
    publish(["4", "5", "6"]);
    let newer = store.path().join("newer");
    fs::rename(&index, &newer).expect("it can be moved");
    fs::remove_dir_all(&log).expect("it goes away");
    copy(&backup, &log);
    publish(["1", "7", "8"]);
    fs::remove_dir_all(&index).expect("it goes away");
    copy(&newer, &index);
    assert_eq!(says(store.path(), &["4"], 1)["outcome"], "never_arrived");
    let said = says(store.path(), &["1"], 0);
    assert_eq!(
        arrivals(&said, 0),
        [(1, "stored".to_owned()), (4, "duplicate".to_owned())]
    );
    let noted = why(store.path(), &["1"]).stderr;
    assert!(noted.contains("it does not agree with the log"), "{noted}");
}
