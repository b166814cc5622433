//! Everything that only looks: it leaves a stopped and a killed store byte for byte as it was, and
//! a server at work in peace.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, Shape, event};
use crate::process::{Ended, Oncelog};
use crate::run_tool;
use crate::store::wait_for_mark;
use crate::tree::{assert_same, tree};

/// All that can be asked. FILE stands for the receipts.
const LOOKS: &[&[&str]] = &[
    &["dump"],
    &["dump", "--json"],
    &["dump", "--frames"],
    &["dump", "--frames", "--json"],
    &["dump", "--raw"],
    &["dump", "--raw", "--json", "--segment", "1"],
    &["dump", "--from", "3", "--to", "40"],
    &["dump", "--topic", "t-1", "--id", "1-3"],
    &["dump", "--source", "s-0", "--verdict", "conflict"],
    &["dump", "--since", "1h", "--until", "0s", "--json"],
    &["dump", "--last", "7"],
    &["verify"],
    &["verify", "--json"],
    &["verify", "--log-only"],
    &["verify", "--receipts", "FILE"],
    &["why", "1-3"],
    &["why", "1-3", "--topic", "t-1", "--json"],
    &["why", "--seq", "5"],
    &["why", "--seq", "5", "--json"],
    &["info"],
    &["info", "--json", "--topics", "1"],
    &["repair"],
    &["repair", "--dry-run", "--json"],
];
const PUBLISHERS: u64 = 3;
const OPTIONS: [&str; 4] = ["--segment-size", "64KiB", "--delta-events", "1000"];

/// A batch of a publisher: four new events, one of them again, and its id with something else.
fn batch(publisher: u64, number: u64) -> String {
    let topic = format!("t-{publisher}");
    let of = |id: u64, payload: &str| {
        let event = event(&topic, &format!("{publisher}-{id}"), payload);
        event.replacen('{', &format!(r#"{{"source":"s-{publisher}","#), 1)
    };
    let mut events: Vec<String> = (0..4).map(|place| of(number * 4 + place, "1")).collect();
    events.push(of(number * 4, "1.0"));
    events.push(of(number * 4 + 1, "2"));
    Shape::Array.body(&events)
}

/// Publishers at work on a server; each must be answered 200 to all that it sends, until it is told
/// that the server is about to be killed.
struct Traffic {
    may_fail: AtomicBool,
    is_over: AtomicBool,
    acknowledged: AtomicU64,
    /// A line for each answer.
    receipts: Mutex<String>,
}

impl Traffic {
    fn new() -> Traffic {
        Traffic {
            may_fail: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            receipts: Mutex::default(),
        }
    }

    fn publish(&self, client: &Client, publisher: u64) {
        for number in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            match client.try_publish("?receipts=all", batch(publisher, number)) {
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "{}", answer.text);
                    let mut receipts = self.receipts.lock().expect("lines");
                    *receipts += &(answer.text + "\n");
                    self.acknowledged.fetch_add(6, Ordering::SeqCst);
                }
                Err(error) => {
                    assert!(self.may_fail.load(Ordering::SeqCst), "{error}");
                    return;
                }
            }
        }
    }

    fn wait_for(&self, acknowledged: u64) {
        while self.acknowledged.load(Ordering::SeqCst) < acknowledged {
            thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// What was told so far, in a file.
    fn save(&self, file: &Path) {
        let receipts = self.receipts.lock().expect("lines").clone();
        fs::write(file, receipts).expect("a file");
    }

    /// Ends whoever publishes, also by a panic.
    fn end(&self) -> impl Drop {
        struct End<'t>(&'t AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        End(&self.is_over)
    }
}

fn look(data_dir: &Path, line: &[&str], receipts: &Path) -> Ended {
    let file = receipts.to_str().expect("UTF-8");
    let line: Vec<&str> = line
        .iter()
        .map(|word| if *word == "FILE" { file } else { word })
        .collect();
    run_tool(data_dir, &line)
}

/// A store that was killed under its publishers, or stopped, and what they were told.
fn store(is_killed: bool) -> (TempDir, TempDir) {
    let (store, files) = (tempfile::tempdir(), tempfile::tempdir());
    let (store, files) = (store.expect("a directory"), files.expect("a directory"));
    let traffic = Traffic::new();
    let server = Oncelog::start_with(store.path(), &OPTIONS);
    let client = Client::new(server.address);
    thread::scope(|threads| {
        let end = traffic.end();
        for publisher in 0..PUBLISHERS {
            let (traffic, client) = (&traffic, &client);
            threads.spawn(move || traffic.publish(client, publisher));
        }
        traffic.wait_for(3000);
        traffic.may_fail.store(true, Ordering::SeqCst);
        if is_killed {
            server.kill();
        } else {
            drop(end);
            client.settled();
            assert_eq!(server.terminate().code, Some(0));
        }
    });
    traffic.save(&files.path().join("receipts"));
    (store, files)
}

#[test]
fn nothing_changes_after_a_clean_stop_or_a_kill_whatever_is_asked() {
    for is_killed in [false, true] {
        let (store, files) = store(is_killed);
        let before = tree(store.path());
        for line in LOOKS {
            let ended = look(store.path(), line, &files.path().join("receipts"));
            assert_eq!(
                ended.code,
                Some(0),
                "killed {is_killed}: {line:?}: {}{}",
                String::from_utf8_lossy(&ended.stdout),
                ended.stderr
            );
            assert!(!ended.stdout.is_empty(), "{line:?}");
            assert_same(&before, store.path());
        }
    }
}

/// Whoever has seen enough: no failure, nothing on stderr, nothing changed.
#[test]
fn a_pipe_that_is_closed_early_is_no_failure_of_any_of_them() {
    let (store, files) = store(false);
    let receipts = files.path().join("receipts");
    let before = tree(store.path());
    for line in LOOKS {
        let file = receipts.to_str().expect("UTF-8");
        let line: Vec<&str> = line
            .iter()
            .map(|word| if *word == "FILE" { file } else { word })
            .collect();
        let mut command = crate::tool(store.path(), &line);
        command.stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{line:?}");
    }
    assert_same(&before, store.path());
}

#[test]
fn a_server_under_load_is_not_disturbed_by_any_of_them_and_all_answers_are_right() {
    let (store, files) = (tempfile::tempdir(), tempfile::tempdir());
    let (store, files) = (store.expect("a directory"), files.expect("a directory"));
    let receipts = files.path().join("receipts");
    let traffic = Traffic::new();
    let server = Oncelog::start_with(store.path(), &OPTIONS);
    let client = Client::new(server.address);
    thread::scope(|threads| {
        let _end = traffic.end();
        for publisher in 0..PUBLISHERS {
            let (traffic, client) = (&traffic, &client);
            threads.spawn(move || traffic.publish(client, publisher));
        }
        traffic.wait_for(600);
        for line in LOOKS {
            traffic.save(&receipts);
            let before = traffic.acknowledged.load(Ordering::SeqCst);
            let ended = look(store.path(), line, &receipts);
            let text = String::from_utf8_lossy(&ended.stdout);
            let case = format!("{line:?}: {text}{}", ended.stderr);
            if line[0] == "repair" {
                assert_eq!(ended.code, Some(2), "{case}");
                assert!(
                    ended.stderr.contains(&format!("pid {}", server.pid())),
                    "{case}"
                );
                continue;
            }
            assert_eq!(ended.code, Some(0), "{case}");
            check(line, &text, before);
            // They go on meanwhile and behind it.
            traffic.wait_for(before + 60);
        }
    });
    let sent = traffic.acknowledged.load(Ordering::SeqCst);
    let stats = client.settled();
    assert_eq!(stats.counts(), (sent, sent / 6 * 4, sent / 3, sent / 6));
    wait_for_mark(store.path());
    traffic.save(&receipts);
    let proved = look(
        store.path(),
        &["verify", "--json", "--receipts", "FILE"],
        &receipts,
    );
    let said: Value = serde_json::from_slice(&proved.stdout).expect("JSON");
    assert_eq!(said["receipts"]["proven"], sent, "{said}");
    assert_eq!(said["fold"]["fold_hash"], stats.fold_hash.as_str());
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines = ended.lines();
    assert!(
        lines.iter().all(|(level, _)| *level == "INFO"),
        "{}",
        ended.stderr
    );
}

/// What was said while so many events, or more, were acknowledged.
#[track_caller]
fn check(line: &[&str], text: &str, acknowledged: u64) {
    let json = || serde_json::from_str::<Value>(text).expect("JSON");
    match line {
        ["dump", "--json"] => {
            let seqs = text.lines().map(|line| {
                let event: Value = serde_json::from_str(line).expect("an event");
                event["seq"].as_u64().expect("a seq")
            });
            let seqs: Vec<u64> = seqs.collect();
            assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
            assert!(seqs.len() as u64 >= acknowledged, "{acknowledged}");
        }
        ["dump", "--from", ..] => assert_eq!(text.lines().count(), 38, "{text}"),
        ["dump", "--last", ..] => assert_eq!(text.lines().count(), 7, "{text}"),
        ["dump", "--topic", ..] => assert_eq!(text.lines().count(), 1, "{text}"),
        ["verify", "--json"] => {
            let said = json();
            assert_eq!(
                (&said["well"], &said["running"]),
                (&true.into(), &true.into())
            );
            assert!(
                said["log"]["last_seq"].as_u64() >= Some(acknowledged),
                "{said}"
            );
        }
        ["why", "1-3", .., "--json"] => {
            let said = json();
            assert_eq!(said["keys"][0]["arrivals_total"], 1, "{said}");
            assert_eq!(said["running"], true);
        }
        ["why", "--seq", "5", "--json"] => {
            let said = json();
            assert_eq!(said["outcome"], "found", "{said}");
            assert_eq!(said["keys"][0]["duplicates"], 1, "{said}");
        }
        ["info", "--json", ..] => {
            let said = json();
            assert_eq!(said["running"], true, "{said}");
            assert!(
                said["log"]["last_seq"].as_u64() >= Some(acknowledged),
                "{said}"
            );
        }
        _ => assert!(!text.is_empty() || line.contains(&"conflict"), "{line:?}"),
    }
}
