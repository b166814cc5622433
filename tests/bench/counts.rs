//! What it sends is as asked for, and what it counts is what the server has.

use std::collections::BTreeMap;

use crate::report::{Verdicts, bench};
use crate::support::process::{command, run_command};
use crate::support::publish::Store;

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
