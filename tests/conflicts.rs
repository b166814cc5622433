//! The same id for something else: the first stays, the publisher is told, and both can be
//! seen. The same payload spelled in another way is no conflict, and no number is rounded.

mod support {
    pub mod client;
    pub mod dump;
    pub mod process;
}

use std::path::Path;

use support::client::{Client, Judged, Receipt, Shape, ShownEvent, event};
use support::dump::dump_events;
use support::process::Oncelog;

fn judged(index: usize, verdict: &str, seq: u64, original_seq: u64) -> Judged {
    Judged {
        index,
        verdict: verdict.to_owned(),
        seq,
        original_seq: Some(original_seq),
    }
}

fn verdicts(events: &[ShownEvent]) -> Vec<(u64, &str, u64, &str)> {
    events
        .iter()
        .map(|event| {
            (
                event.seq,
                event.verdict.as_deref().unwrap_or("none"),
                event.original_seq.unwrap_or(0),
                event.payload.get(),
            )
        })
        .collect()
}

/// Looks with `check` at a store that runs, was restarted, was killed and has lost its index;
/// each time the dump of the log must say the same as the server.
fn in_every_state(data_dir: &Path, mut process: Oncelog, check: impl Fn(&Client, &str)) {
    let seen_by_all = |process: &Oncelog, state: &str| {
        let client = Client::new(process.address);
        client.settled();
        check(&client, state);
        let (shown, dumped) = (client.events("?verdict=all"), dump_events(data_dir, &[]));
        let (shown, dumped) = (verdicts(&shown), verdicts(&dumped));
        assert_eq!(shown.len(), dumped.len(), "{state}");
        for (shown, dumped) in shown.into_iter().zip(dumped) {
            // In a line, a break inside a payload is a space.
            let payload = shown.3.replace(['\r', '\n'], " ");
            assert_eq!((shown.0, shown.1, shown.2, &*payload), dumped, "{state}");
        }
        client.stats().fold_hash
    };
    let hash = seen_by_all(&process, "as published");
    for (state, is_killed, without_index) in [
        ("restarted", false, false),
        ("killed", true, false),
        ("rebuilt", false, true),
        ("killed and rebuilt", true, true),
    ] {
        if is_killed {
            process.kill();
        } else {
            assert_eq!(process.terminate().code, Some(0));
        }
        if without_index {
            std::fs::remove_dir_all(data_dir.join("index")).expect("the index goes away");
        }
        process = Oncelog::start(data_dir);
        assert_eq!(seen_by_all(&process, state), hash, "{state}");
    }
}

#[test]
fn another_payload_under_a_known_id_is_a_conflict_and_the_first_stays() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    client.publish(event("orders", "1", r#"{"amount":10}"#));
    let receipt = client.publish(event("orders", "1", r#"{"amount":11}"#));
    assert_eq!(
        (receipt.unique, receipt.duplicates, receipt.conflicts),
        (0, 1, 1)
    );
    assert_eq!(receipt.receipts, [judged(0, "conflict", 2, 1)]);
    // A retry of the second is a conflict again, a retry of the first a duplicate.
    client.publish(event("orders", "1", r#"{"amount":11}"#));
    client.publish(event("orders", "1", r#"{"amount":10}"#));

    in_every_state(data_dir.path(), process, |client, state| {
        assert_eq!(client.stats().counts(), (4, 1, 3, 2), "{state}");
        let kept = client.events("");
        assert_eq!(kept.len(), 1, "{state}");
        assert_eq!(kept[0].payload.get(), r#"{"amount":10}"#, "{state}");
        assert_eq!(
            verdicts(&client.events("?verdict=conflict")),
            [
                (2, "conflict", 1, r#"{"amount":11}"#),
                (3, "conflict", 1, r#"{"amount":11}"#)
            ],
            "{state}"
        );
        assert_eq!(
            verdicts(&client.events("?verdict=duplicate")),
            [(4, "duplicate", 1, r#"{"amount":10}"#)],
            "{state}"
        );
    });
}

#[test]
fn the_same_payload_spelled_in_another_way_is_a_duplicate() {
    let spellings = [
        r#"{"a":1,"b":[true,null,"é"],"c":{"d":100}}"#,
        r#"{ "a" : 1 , "b" : [ true , null , "é" ] , "c" : { "d" : 100 } }"#,
        r#"{"c":{"d":100},"b":[true,null,"é"],"a":1}"#,
        r#"{"a":1.0,"b":[true,null,"é"],"c":{"d":1e2}}"#,
        r#"{"a":10e-1,"b":[true,null,"\u00e9"],"c":{"d":100.00}}"#,
        "{\n\t\"\\u0061\": 1,\r\n\t\"b\": [true, null, \"\\u00E9\"], \"c\": {\"d\": 1.00E+2}}",
    ];
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    for spelling in spellings {
        client.publish(event("t", "1", spelling));
    }
    let total = spellings.len() as u64;

    in_every_state(data_dir.path(), process, |client, state| {
        assert_eq!(
            client.stats().counts(),
            (total, 1, total - 1, 0),
            "{state}: {:?}",
            verdicts(&client.events("?verdict=conflict"))
        );
        assert_eq!(client.events("")[0].payload.get(), spellings[0], "{state}");
    });
}

#[test]
fn what_only_looks_alike_is_a_conflict() {
    let pairs = [
        // Equal as floating point numbers.
        ("12345678901234567890121", "12345678901234567890122"),
        ("0.1", "0.1000000000000000055511151231257827"),
        ("1e400", "1e401"),
        ("1", r#""1""#),
        ("[1,2]", "[2,1]"),
        ("{}", "[]"),
        (r#"{"a":null}"#, "{}"),
        (r#""é""#, r#""e\u0301""#),
        ("false", "0"),
    ];
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    for (id, (first, second)) in pairs.iter().enumerate() {
        let id = format!("{id}");
        client.publish(event("t", &id, first));
        let receipt = client.publish(event("t", &id, second));
        assert_eq!(receipt.conflicts, 1, "{first} and {second}");
    }
    let count = pairs.len() as u64;

    in_every_state(data_dir.path(), process, |client, state| {
        assert_eq!(
            client.stats().counts(),
            (2 * count, count, count, count),
            "{state}"
        );
        for (events, side) in [
            (client.events(""), pairs.map(|pair| pair.0)),
            (client.events("?verdict=conflict"), pairs.map(|pair| pair.1)),
        ] {
            let payloads: Vec<&str> = events.iter().map(|event| event.payload.get()).collect();
            assert_eq!(payloads, side, "{state}");
        }
    });
}

#[test]
fn an_id_twice_in_one_batch_is_judged_in_the_order_sent() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    let receipt: Receipt = client.publish(Shape::Envelope.body(&[
        event("t", "1", "1"),
        event("t", "2", "1"),
        event("t", "1", "1.0"),
        event("t", "1", "2"),
        event("t", "2", "1"),
    ]));
    assert_eq!(
        receipt.receipts,
        [
            judged(2, "duplicate", 3, 1),
            judged(3, "conflict", 4, 1),
            judged(4, "duplicate", 5, 2)
        ]
    );

    in_every_state(data_dir.path(), process, |client, state| {
        assert_eq!(client.stats().counts(), (5, 2, 3, 1), "{state}");
        assert_eq!(
            verdicts(&client.events("?verdict=all")),
            [
                (1, "stored", 1, "1"),
                (2, "stored", 2, "1"),
                (3, "duplicate", 1, "1.0"),
                (4, "conflict", 1, "2"),
                (5, "duplicate", 2, "1")
            ],
            "{state}"
        );
    });
}

#[test]
fn the_same_id_in_another_topic_is_stored_whatever_its_payload() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    // Fields that run together to the same text must not make the same key.
    for (topic, id, payload) in [
        ("a", "1", "1"),
        ("b", "1", "1"),
        ("c", "1", "2"),
        ("ab", "c", "1"),
        ("a", "bc", "1"),
        ("A", "1", "1"),
    ] {
        assert_eq!(client.publish(event(topic, id, payload)).unique, 1);
    }

    in_every_state(data_dir.path(), process, |client, state| {
        assert_eq!(client.stats().counts(), (6, 6, 0, 0), "{state}");
        assert!(client.events("?verdict=conflict").is_empty(), "{state}");
    });
}

#[test]
fn another_source_or_time_is_a_retry() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    for host in ["container-1", "container-2"] {
        client.publish(format!(
            r#"{{"topic":"t","event_id":"1","source":"{host}","payload":1}}"#
        ));
    }
    client
        .publish(r#"{"topic":"t","event_id":"1","timestamp":"2026-01-01T00:00:00Z","payload":1}"#);

    in_every_state(data_dir.path(), process, |client, state| {
        assert_eq!(client.stats().counts(), (3, 1, 2, 0), "{state}");
        assert_eq!(client.events("")[0].source, "container-1", "{state}");
    });
}
