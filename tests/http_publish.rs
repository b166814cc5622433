//! Publishing over HTTP: what a publisher is told, and that it is true.

mod support;

use serde_json::json;
use support::http::Server;

fn event(topic: &str, id: &str, payload: &str) -> String {
    format!(r#"{{"topic":"{topic}","event_id":"{id}","payload":{payload}}}"#)
}

#[test]
fn a_batch_gets_the_receipt_of_the_contract() {
    let server = Server::start();
    server.publish_one("a", "1", "1");
    let batch = format!(
        "[{},{},{}]",
        event("a", "2", "2"),
        event("a", "1", "1"),
        event("a", "1", "9")
    );
    let answer = server.publish("", batch);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.text,
        concat!(
            r#"{"status":"ok","message":"Processed 1 events, dropped 2 duplicates","received":3,"unique":1,"#,
            r#""duplicates":2,"conflicts":1,"first_seq":2,"last_seq":4,"receipts":["#,
            r#"{"index":1,"verdict":"duplicate","seq":3,"original_seq":1},"#,
            r#"{"index":2,"verdict":"conflict","seq":4,"original_seq":1}]}"#
        )
    );
}

#[test]
fn all_three_forms_of_a_body_are_taken_with_or_without_a_content_type() {
    let server = Server::start();
    for (id, form) in [("1", "{}"), ("2", "[{}]"), ("3", r#"{"events":[{}]}"#)] {
        let body = form.replacen("{}", &event("a", id, "null"), 1);
        let answer = server
            .request("POST", "/publish")
            .body(body)
            .send()
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{form}");
    }
    assert_eq!(server.get("/stats").json()["unique_processed"], 3);
}

#[test]
fn full_receipts_name_every_event_and_its_payload_digest() {
    let server = Server::start();
    let answer = server.publish(
        "?receipts=all",
        format!("[{},{}]", event("a", "1", "1"), event("b", "1", "1")),
    );
    let receipts = answer.json()["receipts"].clone();
    let digest = receipts[0]["payload_digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    assert_eq!(digest.len(), 32);
    assert_eq!(
        receipts,
        json!([
            {"index": 0, "verdict": "stored", "seq": 1, "original_seq": 1,
             "topic": "a", "event_id": "1", "payload_digest": digest},
            {"index": 1, "verdict": "stored", "seq": 2, "original_seq": 2,
             "topic": "b", "event_id": "1", "payload_digest": digest},
        ])
    );
}

#[test]
fn waiting_for_durability_only_is_202_with_the_place_of_the_verdicts() {
    let server = Server::start();
    let answer = server.publish(
        "?wait=durable",
        format!("[{},{}]", event("a", "1", "1"), event("a", "1", "1")),
    );
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("location"), Some("/receipts?from=1&to=2"));
    let json = answer.json();
    assert_eq!(
        (&json["status"], &json["received"]),
        (&json!("pending"), &json!(2))
    );
    assert_eq!(
        (&json["first_seq"], &json["last_seq"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(json["receipts"][1]["verdict"], "pending");

    let receipts = loop {
        let answer = server.get("/receipts?from=1&to=2");
        match answer.status {
            202 => assert!(answer.header("retry-after").is_some()),
            _ => break answer,
        }
    };
    assert_eq!(
        receipts.json(),
        json!({
            "status": "ok", "from": 1, "to": 2,
            "received": 2, "unique": 1, "duplicates": 1, "conflicts": 0, "lost": 0,
            "receipts": [
                {"seq": 1, "verdict": "stored", "original_seq": 1},
                {"seq": 2, "verdict": "duplicate", "original_seq": 1},
            ],
        })
    );
}

#[test]
fn a_large_batch_takes_the_same_way_as_a_small_one() {
    let server = Server::start();
    let events: Vec<String> = (0..5_000)
        .map(|id| event("a", &id.to_string(), &format!("\"{}\"", "x".repeat(200))))
        .collect();
    let body = format!("[{}]", events.join(","));
    assert!(body.len() > 1 << 20);
    let json = server.publish("", body.clone()).json();
    assert_eq!(
        (&json["unique"], &json["last_seq"]),
        (&json!(5_000), &json!(5_000))
    );
    let json = server.publish("", body).json();
    assert_eq!(json["duplicates"], 5_000);
    assert_eq!(json["receipts"].as_array().map(Vec::len), Some(5_000));
}

#[test]
fn the_batch_goes_on_when_its_client_does_not() {
    use std::io::Write;

    let server = Server::start();
    let body = event("a", "1", "1");
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    let head = format!(
        "POST /publish HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .expect("sent");
    drop(stream);
    let until = std::time::Instant::now() + support::http::PATIENCE;
    while server.get("/stats").json()["unique_processed"] != 1 {
        assert!(
            std::time::Instant::now() < until,
            "the batch was lost with its client"
        );
    }
}
