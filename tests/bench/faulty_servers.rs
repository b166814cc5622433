//! Servers that lie, refuse, do not answer, or serve others meanwhile.

use std::collections::BTreeMap;

use crate::report::{Report, bench, start};
use crate::support::client::event;
use crate::support::faulty::{Act, Faulty};
use crate::support::process::Ended;
use crate::support::publish::Store;

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
