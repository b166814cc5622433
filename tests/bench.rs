//! `oncelog bench`: what it says is what was, and a server that does other than it says is
//! found out.

mod support {
    pub mod client;
    pub mod faulty;
    pub mod process;
    pub mod publish;
}

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;
use support::client::{Client, event};
use support::faulty::{Act, Faulty};
use support::process::{
    Ended, Oncelog, Starting, address_of_its_own, command, run_command, serve_on_command,
};
use support::publish::{Files, Store};

/// What `--json` prints, and nothing that is not known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is read whole")]
struct Report {
    version: String,
    url: String,
    batch: u64,
    connections: u64,
    rate: Option<u64>,
    duplicates: f64,
    ids: String,
    topics: u64,
    event_bytes: u64,
    payload_bytes: u64,
    seed: u64,
    sent_before: u64,
    sent_in_all: u64,
    seconds: f64,
    requests: u64,
    events: u64,
    bytes: u64,
    events_per_second: f64,
    requests_per_second: f64,
    megabytes_per_second: f64,
    latency_ms: LatencyMs,
    statuses: BTreeMap<u16, u64>,
    verdicts: Verdicts,
    pending: u64,
    refused: u64,
    unknown: u64,
    errors: BTreeMap<String, u64>,
    errors_total: u64,
    late: u64,
    late_most_ms: f64,
    not_sent: u64,
    bench_cpu_seconds_per_million: f64,
    bench_busy: f64,
    server_cpu_seconds_per_million: Option<f64>,
    intervals: Vec<Interval>,
    differences: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct LatencyMs {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Verdicts {
    unique: u64,
    duplicates: u64,
    conflicts: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Interval {
    events: u64,
}

fn bench_command(url: &str, arguments: &[&str]) -> Command {
    let mut command = command();
    command.args(["bench", "--json", "--url", url]);
    command.args(arguments);
    command
}

fn report(ended: &Ended) -> Report {
    let text = String::from_utf8_lossy(&ended.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{}", ended.stderr))
}

/// Measures, which must end with this code.
fn bench(url: &str, arguments: &[&str], code: i32) -> (Report, Ended) {
    let ended = run_command(bench_command(url, arguments));
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    (report(&ended), ended)
}

#[test]
fn what_it_counts_is_what_the_server_has() {
    let store = Store::start();
    let arguments = [
        "--events",
        "2000",
        "--batch",
        "30",
        "--connections",
        "5",
        "--duplicates",
        "0.2",
        "--report-every",
        "500",
    ];
    let (report, ended) = bench(&store.url, &arguments, 0);
    // One batch more, so that there was something to repeat.
    let counts = store.client.settled().counts();
    assert_eq!(counts, (2030, 1630, 400, 0), "{}", ended.stderr);
    let verdicts = Verdicts {
        unique: 1600,
        duplicates: 400,
        conflicts: 0,
    };
    assert_eq!((report.events, &report.verdicts), (2000, &verdicts));
    assert_eq!(report.statuses, BTreeMap::from([(200, 67)]));
    assert_eq!((report.requests, report.errors_total), (67, 0));
    assert!(report.bytes > 2000 * 260 && report.server_cpu_seconds_per_million.is_some());
    let latency = report.latency_ms;
    assert!(latency.p50 <= latency.p99 && latency.p999 <= latency.max);
    let ends: Vec<u64> = report
        .intervals
        .iter()
        .map(|interval| interval.events)
        .collect();
    assert!(
        ends.len() > 1 && ends.is_sorted() && ends.ends_with(&[2000]),
        "{ends:?}"
    );
    let lines = ended
        .stderr
        .lines()
        .filter(|line| line.contains(" events/s, p50 "));
    assert_eq!(lines.count(), ends.len(), "{}", ended.stderr);
}

#[test]
fn ids_of_an_earlier_run_are_repeated_or_gone_on_from() {
    let store = Store::start();
    let seed = ["--seed", "7", "--events", "1000", "--batch", "100"];
    bench(&store.url, &seed, 0);
    let with = |more: &[&'static str]| [&seed[..], more].concat();
    // Whoever does not say so is told.
    let (_, ended) = bench(&store.url, &seed, 1);
    let told = "sent for the first time was not stored";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let storm = [
        "--sent-before",
        "1000",
        "--duplicates",
        "1",
        "--duplicate-age",
        "any",
    ];
    let (report, _) = bench(&store.url, &with(&storm), 0);
    assert_eq!(
        (report.verdicts.duplicates, report.sent_in_all),
        (1000, 1000)
    );
    let (report, _) = bench(&store.url, &with(&["--sent-before", "1000"]), 0);
    assert_eq!((report.verdicts.unique, report.sent_in_all), (1000, 2000));
    assert_eq!(store.client.settled().counts(), (4000, 2000, 2000, 0));
}

#[test]
fn shapes_are_as_asked_for() {
    let store = Store::start();
    let arguments = [
        "--events",
        "30",
        "--batch",
        "10",
        "--ids",
        "ordered",
        "--payload-bytes",
        "100",
        "--topics",
        "3",
        "--connections",
        "1",
    ];
    bench(&store.url, &arguments, 0);
    let events = store.client.events("");
    assert_eq!(events.len(), 30);
    assert!(events.is_sorted_by(|one, next| one.event_id < next.event_id));
    assert!(events.iter().all(|event| event.payload.get().len() == 100));
    assert_eq!(store.client.stats().topics_total, 3);
}

/// Starts to measure, and waits until the server has something of it.
fn start(store: &Store, arguments: &[&str]) -> Starting {
    let started = Starting::spawn(bench_command(&store.url, arguments));
    store.wait_for_received(20);
    started
}

#[test]
fn an_open_loop_does_not_hide_a_stall() {
    let store = Store::start();
    let arguments = [
        "--rate",
        "400",
        "--batch",
        "1",
        "--connections",
        "2",
        "--events",
        "2000",
    ];
    let mut measuring = start(&store, &arguments);
    store.process.pause();
    std::thread::sleep(Duration::from_millis(1500));
    store.process.resume();
    let ended = measuring.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = report(&ended);
    // Two requests were in flight and waited. 600 were due meanwhile, and two thirds of them
    // waited for more than 500 ms: a fifth of all. Nothing but the stall can have been so long.
    let latency = &report.latency_ms;
    assert!(latency.max > 1400.0, "{latency:?}");
    assert!(latency.p90 > 500.0, "{latency:?}");
    assert!(
        report.late > 400 && report.late_most_ms > 1400.0,
        "{report:?}"
    );
    assert_eq!((report.events, report.not_sent), (2000, 0));
}

#[test]
fn what_was_due_and_never_sent_is_told() {
    let store = Store::start();
    let arguments = [
        "--rate",
        "100",
        "--batch",
        "1",
        "--connections",
        "1",
        "--duration",
        "2s",
    ];
    let mut measuring = start(&store, &arguments);
    store.process.pause();
    std::thread::sleep(Duration::from_millis(2500));
    store.process.resume();
    let ended = measuring.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = report(&ended);
    assert!(report.not_sent > 0, "{report:?}");
    assert_eq!(report.events + report.not_sent, 200);
}

#[test]
fn what_cannot_be_begun_ends_with_2_and_says_why() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nowhere = format!("http://{}", nobody.local_addr().expect("its address"));
    drop(nobody);
    let store = Store::start();
    let foreign = Faulty::start(store.process.address, [Act::answer(200, "", "{}")]);
    let files = Files::new();
    let token = files.write("token", "s3cret\n");
    let closed = Store::with(&["--token-file", &token]);
    let prefixed = format!("{}/elsewhere", store.url);
    for (url, arguments, named) in [
        (nowhere.as_str(), &[][..], "refused"),
        ("https://localhost", &[], "https is not spoken"),
        (&foreign.url, &[], "look at --url"),
        (&prefixed, &[], "404"),
        (&closed.url, &[], "--token-file FILE"),
        (&store.url, &["--batch", "0"], "--batch"),
        (&store.url, &["--payload-bytes", "5"], "--payload-bytes"),
        (&store.url, &["--duplicates", "2"], "--duplicates"),
        (&store.url, &["--rate", "0"], "--rate"),
        (
            &store.url,
            &["--events", "1", "--duration", "1s"],
            "--duration",
        ),
    ] {
        let ended = run_command(bench_command(url, arguments));
        assert_eq!(ended.code, Some(2), "{url} {arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(named), "{named}: {}", ended.stderr);
    }
    assert_eq!(store.client.stats().received, 0);
    bench(&closed.url, &["--token-file", &token, "--events", "10"], 0);
}

#[test]
fn a_server_that_is_killed_ends_it_with_1_and_is_told() {
    let store = Store::start();
    let mut measuring = start(&store, &["--duration", "1h", "--batch", "1"]);
    store.process.kill();
    let ended = measuring.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the server is gone"),
        "{}",
        ended.stderr
    );
    let report = report(&ended);
    assert!(report.unknown > 0 && report.errors_total > 0, "{report:?}");
    assert!(
        report
            .differences
            .iter()
            .any(|told| told.contains("nothing to compare"))
    );
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_gone_on_with() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let address = address_of_its_own();
    let serve =
        |data_dir: &Path| Starting::spawn(serve_on_command(&address, data_dir, &[])).ready();
    let first: Oncelog = serve(data_dir.path());
    let client = Client::new(first.address);
    let arguments = [
        "--events",
        "3000",
        "--rate",
        "1000",
        "--batch",
        "5",
        "--duplicates",
        "0.5",
    ];
    let url = format!("http://{address}");
    let mut measuring = Starting::spawn(bench_command(&url, &arguments));
    while client.stats().received < 500 {
        std::thread::sleep(Duration::from_millis(1));
    }
    first.kill();
    let second = serve(data_dir.path());
    let ended = measuring.end();
    let report = report(&ended);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    // What had no answer may be there or not; all else agrees.
    assert_eq!(report.differences, [""; 0], "{}", ended.stderr);
    assert_eq!(report.events + report.unknown + report.refused, 3000);
    assert!(second.address.port() > 0 && report.errors_total > 0);
}

/// The server that stands before the store closes after an answer of its own.
fn answer_and_close(status: u16, body: &str) -> Act {
    Act::answer(status, "connection: close\r\n", body)
}

/// Answers such a request falsely, and everything else as the store does.
fn bench_with_answer(store: &Store, answer: Act, code: i32) -> (Report, Ended) {
    // The counters are asked for twice before.
    let acts = [Act::Pass, Act::Pass, answer];
    let faulty = Faulty::start(store.process.address, acts);
    let arguments = ["--events", "6", "--batch", "2", "--connections", "1"];
    bench(&faulty.url, &arguments, code)
}

#[test]
fn a_server_that_lies_about_its_counts_is_found_out() {
    let store = Store::start();
    let answer = |received: u64, unique: u64, duplicates: u64, receipts: &str| {
        let body = format!(
            r#"{{"received":{received},"unique":{unique},"duplicates":{duplicates},"conflicts":0,"first_seq":1,"last_seq":2,"receipts":[{receipts}]}}"#
        );
        answer_and_close(200, &body)
    };
    let receipt = r#"{"index":0,"verdict":"duplicate","seq":1,"original_seq":1}"#;
    for (lie, told) in [
        (
            answer(2, 2, 0, ""),
            "received of /stats has grown by 4, sent were 6",
        ),
        (answer(3, 3, 0, ""), "sent 2 events, and the answer says 3"),
        (
            answer(2, 1, 1, ""),
            "the answer says 1 unique, 1 duplicates",
        ),
        (answer(2, 2, 0, receipt), "was not stored"),
        (answer_and_close(200, "ok"), "not understood"),
    ] {
        let (_, ended) = bench_with_answer(&store, lie, 1);
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
    }
}

#[test]
fn refusals_and_missing_answers_are_counted_and_not_sent_again() {
    let store = Store::start();
    let refusal = answer_and_close(503, r#"{"code":"backlog_full","detail":"d"}"#);
    let (report, _) = bench_with_answer(&store, refusal, 1);
    assert_eq!(report.statuses, BTreeMap::from([(200, 2), (503, 1)]));
    assert_eq!((report.events, report.refused), (4, 2));
    assert_eq!(
        report.errors,
        BTreeMap::from([("503: backlog_full: d".to_owned(), 1)])
    );
    assert_eq!(store.client.settled().received, 4);

    // It is there, and that was not heard.
    let (report, _) = bench_with_answer(&store, Act::Swallow, 1);
    assert_eq!((report.events, report.unknown), (4, 2));
    assert_eq!(report.differences, [""; 0]);
    assert_eq!(store.client.settled().received, 10);

    let (report, _) = bench_with_answer(&store, Act::PassDurable, 0);
    assert_eq!(
        (report.events, report.verdicts.unique, report.pending),
        (6, 4, 2)
    );
}

#[test]
fn others_that_publish_meanwhile_are_noticed() {
    let store = Store::start();
    let mut measuring = start(
        &store,
        &["--events", "200", "--rate", "200", "--batch", "1"],
    );
    store.client.publish(event("t", "of-another", "1"));
    let ended = measuring.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let told = "received of /stats has grown by 201, sent were 200";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("do others publish"),
        "{}",
        ended.stderr
    );
}

#[test]
fn ctrl_c_ends_it_with_what_was_seen_so_far() {
    let store = Store::start();
    let mut measuring = start(&store, &["--duration", "1h"]);
    measuring.signal(Signal::INT);
    let ended = measuring.end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let report = report(&ended);
    assert_eq!(report.events, store.client.settled().received);
    assert_eq!((report.unknown, report.differences.len()), (0, 0));
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_answers() {
    let store = Store::start();
    let faulty = Faulty::start(store.process.address, [Act::Pass, Act::Pass, Act::Stall]);
    let arguments = ["--duration", "1h", "--connections", "1"];
    let mut measuring = Starting::spawn(bench_command(&faulty.url, &arguments));
    faulty.wait_for_requests(3);
    measuring.signal(Signal::INT);
    // The first is heard before the second comes, or both end it alike.
    std::thread::sleep(Duration::from_millis(100));
    measuring.signal(Signal::TERM);
    let ended = measuring.end();
    assert!(
        [Some(143), Some(130)].contains(&ended.code),
        "{:?}",
        ended.code
    );
}

#[test]
fn people_are_told_in_lines() {
    let store = Store::start();
    let mut command = command();
    command.args(["bench", "--url", &store.url, "--events", "100"]);
    let ended = run_command(command);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    for words in [
        "batches of 100 over 16 connections",
        "p99.9",
        "200: 1",
        "100 unique, 0 dup",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
