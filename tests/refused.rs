//! What lies in the data directory is refused with exit code 3, so that no supervisor starts
//! into damage: it says what and where, in the words of docs/operations.md, and every byte
//! stays as it is.

mod support {
    pub mod client;
    pub mod dump;
    pub mod operations;
    pub mod process;
    pub mod skipped;
    pub mod store;
    pub mod strace;
}

use std::fs;
use std::path::Path;

use support::client::{Client, event};
use support::operations::assert_documented;
use support::process::{Ended, Oncelog, run_command, serve_command};
use support::store::{damage, files, segments, set_version, stopped_store, store_of_three_lives};
use support::strace;

/// Twice, since a supervisor may not have understood.
#[track_caller]
fn assert_refused(data_dir: &Path, heading: &str) {
    let before = files(data_dir);
    for _ in 0..2 {
        let ended = run_command(serve_command(data_dir, &[]));
        check(&ended, heading);
    }
    assert!(files(data_dir) == before, "something was changed");
}

#[track_caller]
fn check(ended: &Ended, heading: &str) {
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("nothing was changed"));
    assert_documented(heading, &ended.stderr);
}

#[test]
fn a_flipped_bit_in_what_was_acknowledged() {
    let store = stopped_store();
    damage(store.path(), 14);
    assert_refused(store.path(), "Damage in a segment");
}

#[test]
fn a_segment_missing_from_the_middle() {
    let store = store_of_three_lives();
    fs::remove_file(&segments(store.path())[1]).expect("it goes away");
    assert_refused(store.path(), "A segment is missing");
}

#[test]
fn the_first_segments_missing() {
    let store = store_of_three_lives();
    fs::remove_file(&segments(store.path())[0]).expect("it goes away");
    assert_refused(store.path(), "The first segments are missing");
}

#[test]
fn a_segment_of_another_log_mixed_in() {
    let (store, other) = (store_of_three_lives(), store_of_three_lives());
    let (mine, foreign) = (segments(store.path()), segments(other.path()));
    assert_eq!(mine[1].file_name(), foreign[1].file_name());
    fs::copy(&foreign[1], &mine[1]).expect("a copy");
    assert_refused(store.path(), "A segment of another log");
}

#[test]
fn a_log_that_ends_before_its_index() {
    let store = stopped_store();
    for segment in segments(store.path()) {
        fs::remove_file(segment).expect("it goes away");
    }
    assert_refused(store.path(), "The index is ahead of the log");
}

#[test]
fn a_log_of_a_later_format() {
    let store = stopped_store();
    set_version(&store.path().join("log/log.meta"), 8, 44);
    assert_refused(store.path(), "A later version wrote the log");
}

#[test]
fn a_segment_of_a_later_format_or_fold() {
    for at in [8, 10] {
        let store = stopped_store();
        set_version(&segments(store.path())[0], at, 60);
        assert_refused(store.path(), "A later version wrote a segment");
    }
}

#[test]
fn a_bad_sector_under_what_was_acknowledged() {
    let store = stopped_store();
    let before = files(store.path());
    let segment = segments(store.path()).remove(0);
    let plan = strace::Plan::on("pread64", "error=EIO").in_file(&segment);
    let Some(command) = strace::command(serve_command(store.path(), &[]), &plan) else {
        return;
    };
    check(&run_command(command), "A bad sector");
    assert!(files(store.path()) == before, "something was changed");
}

#[test]
fn an_index_of_another_log_is_made_anew_and_no_reason_to_refuse() {
    let (store, other) = (stopped_store(), stopped_store());
    let index = |of: &tempfile::TempDir| of.path().join("index/index.sqlite3");
    fs::copy(index(&other), index(&store)).expect("a copy");
    let process = Oncelog::start(store.path());
    let client = Client::new(process.address);
    assert_eq!(client.settled().received, 30);
    assert_eq!(
        client
            .publish(event("even", "0-0", r#"{"n":1}"#))
            .duplicates,
        1
    );
    process.wait_for_line("rebuilding is over");
    assert_documented("The index cannot be used", &process.stderr());
}

#[test]
fn a_missing_log_meta_is_made_anew_and_no_reason_to_refuse() {
    let store = stopped_store();
    let meta = store.path().join("log/log.meta");
    fs::remove_file(&meta).expect("it goes away");
    let process = Oncelog::start(store.path());
    assert_eq!(Client::new(process.address).settled().received, 30);
    assert!(meta.exists());
    assert_documented("log.meta was made anew", &process.stderr());
}
