//! Risk: `oncelog dump --follow` shows an event twice or not at all, or one that is not there any
//! more after a crash; it ends when it should not, or not when it should.

mod support {
    pub mod client;
    pub mod dump;
    pub mod process;
    pub mod store;
}

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use support::client::{Client, ShownEvent, event};
use support::dump::dump_events;
use support::process::{Oncelog, PATIENCE, Starting};
use support::store::{segments, wait_for_mark};

fn verdicts(events: &[ShownEvent]) -> Vec<(u64, Option<String>, Option<u64>)> {
    let verdict = |event: &ShownEvent| (event.seq, event.verdict.clone(), event.original_seq);
    events.iter().map(verdict).collect()
}

/// What a dump that follows has shown so far.
fn follow(data_dir: &Path, output: &Path, options: &[&str]) -> Starting {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"exec "$@" > "$OUT""#, "sh"])
        .arg(support::process::command().get_program())
        .args(["dump", "--follow", "--json", "--data-dir"])
        .arg(data_dir)
        .args(options)
        .env("OUT", output);
    Starting::spawn(command)
}

#[track_caller]
fn wait_for_seqs(output: &Path, expected: std::ops::RangeInclusive<u64>) {
    let until = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(output).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let seqs: Vec<u64> = whole
            .lines()
            .map(|line| {
                let event: ShownEvent = serde_json::from_str(line).expect("an event");
                assert!(!event.unproven, "{line}");
                event.seq
            })
            .collect();
        if seqs.iter().copied().eq(expected.clone()) {
            return;
        }
        assert!(Instant::now() < until, "{expected:?}, not {seqs:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_follower_sees_each_event_once_over_segments_a_stop_and_a_kill_until_ctrl_c() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let output = data_dir.path().join("followed");
    let small = ["--segment-size", "64KiB"];
    let store = data_dir.path().join("data");
    let process = Oncelog::start_with(&store, &small);
    let client = Client::new(process.address);
    let large = format!("\"{}\"", "x".repeat(30_000));
    client.publish(event("t", "0", "0"));
    wait_for_mark(&store);
    let mut follower = follow(&store, &output, &[]);
    wait_for_seqs(&output, 1..=1);
    for id in 1..8 {
        client.publish(event("t", &(id % 6).to_string(), &large));
    }
    wait_for_seqs(&output, 1..=8);
    process.kill();
    let process = Oncelog::start_with(&store, &small);
    let client = Client::new(process.address);
    client.publish(event("t", "8", &large));
    wait_for_seqs(&output, 1..=9);
    assert_eq!(process.terminate().code, Some(0));
    let process = Oncelog::start_with(&store, &small);
    Client::new(process.address).publish(event("t", "9", "9"));
    wait_for_seqs(&output, 1..=10);
    follower.signal(rustix::process::Signal::INT);
    let ended = follower.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let shown = fs::read_to_string(&output).expect("what it showed");
    let followed: Vec<ShownEvent> = shown
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect();
    let served = Client::new(process.address).events("?verdict=all");
    assert_eq!(verdicts(&followed), verdicts(&served));
    assert!(segments(&store).len() > 3);
    // One that begins with the last ones, and ends by itself.
    let mut last = follow(&store, &output, &["--last", "3", "--to", "10"]);
    assert_eq!(last.end().code, Some(0));
    wait_for_seqs(&output, 8..=10);
}

#[test]
fn a_follower_shows_what_nothing_proves_yet_only_if_it_is_asked_to() {
    let store = tempfile::tempdir().expect("a directory");
    // The last batch is killed before a mark proves it, sooner or later; those before it are not.
    let count = (1..100).find(|id| {
        let process = Oncelog::start(store.path());
        let client = Client::new(process.address);
        client.publish(event("t", &id.to_string(), "1"));
        process.kill();
        let last = dump_events(store.path(), &["--last", "1"]).pop();
        *id > 1 && last.expect("an event").unproven
    });
    let count = count.expect("a mark takes a while");
    let last = count.to_string();
    let output = store.path().join("followed");
    let mut all = follow(store.path(), &output, &["--unproven", "--to", &last]);
    assert_eq!(all.end().code, Some(0));
    let text = fs::read_to_string(&output).expect("what it showed");
    assert_eq!(text.lines().count() as u64, count);
    let output = store.path().join("followed-proven");
    let mut proven = follow(store.path(), &output, &[]);
    // What it has looked through it writes at once.
    wait_for_seqs(&output, 1..=count - 1);
    proven.signal(rustix::process::Signal::INT);
    assert_eq!(proven.end().code, Some(0));
    wait_for_seqs(&output, 1..=count - 1);
}
