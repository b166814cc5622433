//! At a rate of its own, it tells what was late and what was never sent.

use std::time::Duration;

use crate::report::{report, start};
use crate::support::publish::Store;

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
