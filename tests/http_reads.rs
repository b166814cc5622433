//! Reading over HTTP: filters, pages, single events, figures.

mod support;

use serde_json::{Value, json};
use support::http::{Answer, Server};

fn seqs(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let events = answer.json();
    let events = events.as_array().expect("an array");
    events
        .iter()
        .map(|event| event["seq"].as_u64().expect("a seq"))
        .collect()
}

/// Seqs 1 to 6: stored a/1, stored b/1, duplicate a/1, conflict a/1, stored a/2 with a
/// source, stored "c&d"/1.
fn filled() -> Server {
    let server = Server::start();
    server.publish_one("a", "1", r#"{ "x":1.0,"x":2 }"#);
    server.publish_one("b", "1", "[]");
    server.publish_one("a", "1", r#"{ "x":1.0,"x":2 }"#);
    server.publish_one("a", "1", "false");
    let sourced = r#"{"topic":"a","event_id":"2","source":"s","timestamp":"2024-01-02T03:04:05","payload":null}"#;
    assert_eq!(server.publish("", sourced).status, 200);
    server.publish_one("c&d", "1", "0");
    server
}

#[test]
fn events_come_as_sent_in_the_shape_of_the_contract() {
    let server = filled();
    let answer = server.get("/events?limit=1");
    let json = answer.json();
    let received_at = json[0]["received_at"].as_str().expect("a time");
    assert_eq!(
        received_at.len(),
        "2024-01-02T03:04:05.000000Z".len(),
        "{received_at}"
    );
    assert_eq!(
        answer.text,
        format!(
            r#"[{{"seq":1,"topic":"a","event_id":"1","source":"","timestamp":null,"payload":{{ "x":1.0,"x":2 }},"received_at":"{received_at}"}}]"#
        )
    );
    let fifth = server.get("/events/5").json();
    assert_eq!(
        (&fifth["source"], &fifth["timestamp"]),
        (&json!("s"), &json!("2024-01-02T03:04:05"))
    );
    assert_eq!(fifth["payload"], Value::Null);
}

#[test]
fn filters_and_order_select() {
    let server = filled();
    for (query, expected) in [
        ("", vec![1, 2, 5, 6]),
        ("?order=asc&verdict=stored", vec![1, 2, 5, 6]),
        ("?order=desc", vec![6, 5, 2, 1]),
        ("?topic=a", vec![1, 5]),
        ("?topic=a&order=desc", vec![5, 1]),
        ("?topic=c%26d", vec![6]),
        ("?topic=nobody", vec![]),
        ("?source=s", vec![5]),
        ("?verdict=duplicate", vec![3]),
        ("?verdict=conflict", vec![4]),
        ("?verdict=all", vec![1, 2, 3, 4, 5, 6]),
        ("?verdict=all&topic=a", vec![1, 3, 4, 5]),
        ("?after=2", vec![5, 6]),
        ("?after=5&order=desc", vec![2, 1]),
        ("?after=99", vec![]),
    ] {
        assert_eq!(
            seqs(&server.get(&format!("/events{query}"))),
            expected,
            "{query}"
        );
    }
    let conflict = server.get("/events?verdict=conflict").json();
    assert_eq!(
        (&conflict[0]["verdict"], &conflict[0]["original_seq"]),
        (&json!("conflict"), &json!(1))
    );
    assert_eq!(conflict[0]["payload"], false);
}

#[test]
fn pages_lead_through_everything_once_and_then_end() {
    let server = filled();
    for (start, expected) in [
        ("/events?limit=3", vec![1, 2, 5, 6]),
        ("/events?limit=2&order=desc", vec![6, 5, 2, 1]),
        ("/events?limit=1&verdict=all&topic=a", vec![1, 3, 4, 5]),
        ("/events?limit=4", vec![1, 2, 5, 6]),
    ] {
        let (mut path, mut found) = (Some(start.to_owned()), Vec::new());
        while let Some(next) = path {
            let answer = server.get(&next);
            let page = seqs(&answer);
            assert!(!page.is_empty(), "{start}: a link to an empty page");
            found.extend(page);
            path = answer.next();
        }
        assert_eq!(found, expected, "{start}");
    }
    assert_eq!(server.get("/events").next(), None);
}

#[test]
fn a_long_answer_is_streamed_whole() {
    let server = Server::start();
    let payload = format!("\"{}\"", "x".repeat(1_000));
    for batch in 0..10 {
        let events: Vec<String> = (0..500)
            .map(|id| format!(r#"{{"topic":"a","event_id":"{batch}-{id}","payload":{payload}}}"#))
            .collect();
        assert_eq!(
            server.publish("", format!("[{}]", events.join(","))).status,
            200
        );
    }
    let answer = server.get("/events");
    assert_eq!(
        answer.header("content-length"),
        None,
        "it is not collected first"
    );
    assert_eq!(seqs(&answer), (1..=5_000).collect::<Vec<u64>>());
    let page = server.get("/events?limit=4999");
    assert_eq!(seqs(&page).len(), 4_999);
    assert!(page.next().is_some());
}

#[test]
fn pages_that_end_within_a_batch_go_on_where_they_ended() {
    let server = Server::start();
    let (count, topics) = (20_000, 50);
    let id = |number: u64| format!("{number}-{}", "i".repeat(number as usize % 250));
    let text = |number: u64| "x".repeat(number as usize * 37 % 600);
    let events: Vec<String> = (1..=count)
        .map(|number| {
            format!(
                r#"{{"topic":"t{}","event_id":"{}","payload":"{}"}}"#,
                number % topics,
                id(number),
                text(number)
            )
        })
        .collect();
    server.publish_one("before", "1", "1");
    assert_eq!(
        server.publish("", format!("[{}]", events.join(","))).status,
        200
    );
    server.publish_one("behind", "1", "1");
    let is_whole = |answer: &Answer, expected: Vec<u64>| {
        assert_eq!(seqs(answer), expected);
        for event in answer.json().as_array().expect("an array") {
            // The event before it took seq 1.
            let number = event["seq"].as_u64().expect("a seq") - 1;
            if (1..=count).contains(&number) {
                assert_eq!(event["event_id"], id(number));
                assert_eq!(event["payload"], text(number));
            }
        }
    };
    is_whole(&server.get("/events"), (1..=count + 2).collect());
    is_whole(
        &server.get("/events?order=desc"),
        (1..=count + 2).rev().collect(),
    );
    let of_topic = |topic: u64| (1..=count).filter(move |number| number % topics == topic);
    for topic in [0, 7, 49] {
        let expected: Vec<u64> = of_topic(topic).map(|number| number + 1).collect();
        is_whole(
            &server.get(&format!("/events?topic=t{topic}")),
            expected.clone(),
        );
        let (mut path, mut found) = (
            Some(format!("/events?topic=t{topic}&order=desc&limit=30")),
            Vec::new(),
        );
        while let Some(next) = path {
            let answer = server.get(&next);
            let page = seqs(&answer);
            is_whole(&answer, page.clone());
            found.extend(page);
            path = answer.next();
        }
        found.reverse();
        assert_eq!(found, expected);
    }
    for seq in [1, 2, 3, count / 2, count, count + 1, count + 2] {
        let event = server.get(&format!("/events/{seq}")).json();
        assert_eq!(event["seq"], seq);
        if (2..=count + 1).contains(&seq) {
            assert_eq!(event["event_id"], id(seq - 1));
        }
    }
}

#[test]
fn a_page_too_large_to_keep_is_the_same_page() {
    let server = Server::start();
    let payload = format!("\"{}\"", "x".repeat(1 << 20));
    for id in 0..12 {
        server.publish_one("a", &id.to_string(), &payload);
    }
    for (query, expected, next) in [
        (
            "?limit=11",
            (1..=11).collect::<Vec<u64>>(),
            Some("/events?after=11&limit=11"),
        ),
        ("?limit=12", (1..=12).collect(), None),
        (
            "?limit=11&order=desc",
            (2..=12).rev().collect(),
            Some("/events?order=desc&after=2&limit=11"),
        ),
    ] {
        let answer = server.get(&format!("/events{query}"));
        assert_eq!(seqs(&answer), expected, "{query}");
        assert_eq!(answer.next().as_deref(), next, "{query}");
    }
}

#[test]
fn an_event_that_is_sent_in_parts_is_byte_for_byte_what_came_in() {
    let server = Server::start();
    let payload = |letter: &str| format!("[\"{}\"]", letter.repeat(5 << 20));
    server.publish_one("a", "1", "1");
    server.publish_one("a", "2", &payload("é"));
    server.publish_one("a", "3", &payload("x"));
    server.publish_one("a", "4", "4");
    let large = server.get("/events/2").text;
    assert!(large.contains(&payload("é")), "the payload is not whole");
    let each: Vec<String> = (1..=4)
        .map(|seq| server.get(&format!("/events/{seq}")).text)
        .collect();
    let mut reversed = each.clone();
    reversed.reverse();
    for (query, expected) in [
        ("", each.join(",")),
        ("?order=desc", reversed.join(",")),
        ("?limit=3", each[..3].join(",")),
        ("?after=1&limit=1", each[1].clone()),
        ("?after=2&limit=1", each[2].clone()),
    ] {
        let answer = server.get(&format!("/events{query}"));
        assert!(answer.text == format!("[{expected}]"), "{query} is not it");
    }
}

#[test]
fn a_single_seq_is_an_event_or_its_fate() {
    let server = filled();
    let stored = server.get("/events/2").json();
    assert_eq!(
        (&stored["topic"], &stored["payload"]),
        (&json!("b"), &json!([]))
    );
    assert_eq!(stored.get("verdict"), None);
    for (seq, verdict) in [(3, "duplicate"), (4, "conflict")] {
        let json = server.get(&format!("/events/{seq}")).json();
        assert_eq!(json["verdict"], verdict);
        assert_eq!(
            (&json["seq"], &json["original_seq"]),
            (&json!(seq), &json!(1))
        );
        assert_eq!(
            (&json["topic"], &json["event_id"]),
            (&json!("a"), &json!("1"))
        );
        assert_eq!(json.get("payload"), None);
    }
    for seq in [
        "0",
        "7",
        "18446744073709551615",
        "18446744073709551616",
        "x",
        "+1",
        "-1",
    ] {
        server
            .get(&format!("/events/{seq}"))
            .assert_problem(404, "unknown_seq");
    }
    server
        .get("/receipts?from=5&to=7")
        .assert_problem(404, "unknown_seq");
}

#[test]
fn stats_conserve_every_event() {
    let server = filled();
    let stats = server.get("/stats").json();
    let number = |name: &str| {
        stats[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name} in {stats}"))
    };
    assert_eq!(number("received"), 6);
    assert_eq!(
        number("received"),
        number("unique_processed")
            + number("duplicate_dropped")
            + number("lost")
            + number("pending")
    );
    assert_eq!((number("duplicate_dropped"), number("conflicts")), (2, 1));
    assert_eq!(stats["topics"], json!(["a", "b", "c&d"]));
    assert_eq!(number("topics_total"), 3);
    assert!(stats["uptime"].is_f64());
    assert_eq!(stats["fold_hash"].as_str().map(str::len), Some(64));
    for (group, figure) in [
        ("log", "durable"),
        ("index", "applied"),
        ("index", "flushed"),
        ("index", "apply_retries"),
        ("index", "apply_failures"),
        ("index", "degraded_since"),
        ("disk", "free_bytes"),
        ("state", "state"),
    ] {
        assert!(
            stats[group].get(figure).is_some(),
            "{group}.{figure} in {stats}"
        );
    }
}

#[test]
fn topics_are_paged_with_their_counts() {
    let server = filled();
    let first = server.get("/topics?limit=2");
    assert_eq!(
        first.json(),
        json!({"topics": [
            {"no": 1, "name": "a", "stored": 2, "first_seq": 1},
            {"no": 2, "name": "b", "stored": 1, "first_seq": 2},
        ]})
    );
    let second = server.get(&first.next().expect("a next page"));
    assert_eq!(second.json()["topics"][0]["name"], "c&d");
    assert_eq!(second.next(), None);
    assert_eq!(server.get("/topics?limit=3").next(), None);
}

#[test]
fn health_and_the_root_tell_the_state() {
    let server = Server::start();
    assert_eq!(server.get("/healthz").json(), json!({"status": "ok"}));
    let ready = server.get("/readyz?nocache=1");
    assert_eq!(ready.status, 200);
    assert_eq!(
        (&ready.json()["ready"], &ready.json()["durable"]),
        (&json!(true), &json!(0))
    );
    let root = server.get("/").json();
    assert_eq!(root["name"], "oncelog");
    for link in root["links"].as_object().expect("links").values() {
        let answer = server.get(link.as_str().expect("a path"));
        assert_ne!(answer.status, 404, "{link}");
    }
}

#[test]
fn head_is_get_without_a_body() {
    let server = filled();
    for path in [
        "/",
        "/events?limit=1",
        "/events",
        "/events/1",
        "/stats",
        "/topics",
        "/healthz",
        "/readyz",
    ] {
        let answer = Answer::of(server.request("HEAD", path).send());
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.text, "", "{path}");
    }
    let answer = Answer::of(server.request("HEAD", "/events?limit=1").send());
    assert_eq!(answer.next().as_deref(), Some("/events?after=1&limit=1"));
}
