//! Bodies that are no batch at all, and bodies of the largest size.

use crate::bystander::Bystander;
use crate::support::http::Answer;
use crate::target::Target;

/// The defaults of `--max-body` and `--max-events`.
pub const BODY_BYTES_MAX: usize = 32 << 20;
pub const EVENTS_MAX: usize = 100_000;

const GOOD: &str = r#"{"topic":"a","event_id":"1","payload":1}"#;

/// An event whose payload this is.
pub fn with_payload(id: &str, payload: &str) -> String {
    format!(r#"{{"topic":"a","event_id":"{id}","payload":{payload}}}"#)
}

#[test]
fn what_is_no_json_is_refused_by_its_cause_and_nothing_of_it_is_kept() {
    let target = Target::start();
    for (body, status, code) in [
        (String::new(), 400, "empty_body"),
        (" \r\n\t".into(), 400, "empty_body"),
        ("[".into(), 400, "invalid_json"),
        (format!("[{GOOD}"), 400, "invalid_json"),
        (format!("[{GOOD},]"), 400, "invalid_json"),
        (format!("[{GOOD} {GOOD}]"), 400, "invalid_json"),
        (format!("{GOOD}{GOOD}"), 400, "invalid_json"),
        (format!("{GOOD}\n{GOOD}"), 400, "invalid_json"),
        (format!("[{GOOD}] x"), 400, "invalid_json"),
        (format!("[{GOOD}]]"), 400, "invalid_json"),
        (format!("[{GOOD}]\0"), 400, "invalid_json"),
        (format!("\u{feff}[{GOOD}]"), 400, "invalid_json"),
        (format!("[{GOOD}/* why */]"), 400, "invalid_json"),
        (GOOD.replace('"', "'"), 400, "invalid_json"),
        (GOOD.replace("\"1\"", "\"\t\""), 400, "invalid_json"),
        (GOOD.replace("\"1\"", r#""\x31""#), 400, "invalid_json"),
        (GOOD.replace("\"1\"", r#""\u00g0""#), 400, "invalid_json"),
        ("nonsense".into(), 400, "invalid_json"),
        (with_payload("2", "NaN"), 400, "invalid_json"),
        (with_payload("2", "-Infinity"), 400, "invalid_json"),
        (with_payload("2", "01"), 400, "invalid_json"),
        (with_payload("2", "1."), 400, "invalid_json"),
        (with_payload("2", "True"), 400, "invalid_json"),
        (with_payload("2", ""), 400, "invalid_json"),
        (
            GOOD.replace("\"a\"", r#""a","topic":"a""#),
            400,
            "duplicate_member",
        ),
        (
            GOOD.replace("\"a\"", r#""a","\u0074opic":"b""#),
            400,
            "duplicate_member",
        ),
        (
            GOOD.replace("\"a\"", r#""a","x":1,"x":1"#),
            400,
            "duplicate_member",
        ),
        (
            format!(r#"{{"events":[{GOOD}],"events":[]}}"#),
            400,
            "duplicate_member",
        ),
    ] {
        target.refuses("", body.clone(), status, code);
        // What is malformed has no good part.
        target.refuses("invalid=skip", body, status, code);
    }
}

#[test]
fn what_is_not_utf8_is_refused_wherever_it_stands() {
    let target = Target::start();
    for bytes in [
        &b"\xff"[..],
        b"\x80",
        b"\xc3",
        b"\xc0\xaf",         // overlong
        b"\xed\xa0\x80",     // a surrogate
        b"\xf4\x90\x80\x80", // beyond Unicode
        b"\xfe\xff",
    ] {
        for place in ["\"a\"", "\"1\"", ":1}", "topic"] {
            let (before, after) = GOOD.split_once(place).expect("a place");
            let quoted = [b"\"", bytes, b"\""].concat();
            let body = [before.as_bytes(), &quoted, after.as_bytes()].concat();
            target.refuses("", body, 400, "invalid_utf8");
        }
    }
    target.refuses("", b"\xff\xfe[\0]\0".to_vec(), 400, "invalid_utf8");
}

#[test]
fn depth_costs_no_stack_wherever_it_is() {
    let target = Target::start();
    let bystander = Bystander::start(&target);
    let nested = |open: &str, depth: usize, close: &str| {
        let (opens, closes) = (open.repeat(depth), close.repeat(depth));
        format!("{opens}1{closes}")
    };
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        target.takes(
            "",
            with_payload(&format!("128{close}"), &nested(open, 128, close)),
        );
        for depth in [129, 1_000_000] {
            let body = with_payload("129", &nested(open, depth, close));
            let problem = target
                .publish("", body)
                .assert_problem(422, "invalid_events");
            assert_eq!(problem["errors"][0]["code"], "payload_too_deep");
            assert_eq!(problem["errors"][0]["pointer"], "/payload");
        }
        // In a member that is unknown, as the body itself, and never closed.
        let unknown = GOOD.replace(
            "\"a\"",
            &format!(r#""a","x":{}"#, nested(open, 1_000_000, close)),
        );
        let problem = target
            .publish("", unknown)
            .assert_problem(422, "invalid_events");
        assert_eq!(problem["errors"][0]["code"], "unknown_field");
        let alone = target.publish("", nested(open, 1_000_000, close));
        alone.assert_problem(422, "invalid_events");
        target
            .publish("", open.repeat(5_000_000))
            .assert_problem(400, "invalid_json");
    }
    bystander.end();
}

#[test]
fn a_body_is_taken_up_to_the_limit_and_not_a_byte_further() {
    let target = Target::start();
    let bystander = Bystander::start(&target);
    let frame = with_payload("large", r#""""#);
    let large = with_payload(
        "large",
        &format!("\"{}\"", "x".repeat(BODY_BYTES_MAX - frame.len())),
    );
    assert_eq!(large.len(), BODY_BYTES_MAX);
    let receipt = target.takes("", large.clone());
    assert_eq!(receipt["unique"], 1);
    let over = target.publish("", format!("{large} "));
    let problem = over.assert_problem(413, "body_too_large");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("33554433"))
    );
    bystander.end();
}

#[test]
fn a_body_that_says_it_is_too_large_is_refused_before_it_is_sent() {
    let target = Target::start();
    for expect in ["", "expect: 100-continue\r\n"] {
        for length in [BODY_BYTES_MAX as u64 + 1, u64::MAX >> 1] {
            let mut client = target.connect();
            client.send(format!(
                "POST /publish HTTP/1.1\r\nhost: x\r\n{expect}content-length: {length}\r\n\r\n"
            ));
            let head = client.answer();
            head.assert_problem(413, "body_too_large");
            client.ends();
            client.assert_closed();
        }
    }
}

#[test]
fn a_chunked_body_is_refused_as_soon_as_it_is_too_large() {
    let target = Target::start();
    let bystander = Bystander::start(&target);
    let mut client = target.connect();
    client.send("POST /publish HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let mebibyte = [
        b"100000\r\n".to_vec(),
        vec![b' '; 1 << 20],
        b"\r\n".to_vec(),
    ]
    .concat();
    // It may close while we send: that is what the answer is about.
    while client.try_send(&mebibyte).is_ok() && !client.has_answer() {}
    client.answer().assert_problem(413, "body_too_large");
    bystander.end();
}

#[test]
fn as_many_events_as_allowed_are_taken_and_not_one_more() {
    let target = Target::start();
    let bystander = Bystander::start(&target);
    let events = |count: usize| {
        let events: Vec<String> = (0..count)
            .map(|id| with_payload(&id.to_string(), "0"))
            .collect();
        format!("[{}]", events.join(","))
    };
    for query in ["", "invalid=skip"] {
        let before = target.server().get("/events?topic=a&limit=1").text;
        let refused = target.publish(query, events(EVENTS_MAX + 1));
        refused.assert_problem(413, "too_many_events");
        assert_eq!(target.server().get("/events?topic=a&limit=1").text, before);
    }
    let receipt = target.takes("", events(EVENTS_MAX));
    assert_eq!(receipt["unique"], EVENTS_MAX);
    bystander.end();
}

#[test]
fn other_types_and_encodings_are_refused_with_the_header_to_send() {
    let target = Target::start();
    let before = target.contents();
    let send = |name: &str, value: &str| {
        let url = target.server().url("/publish");
        let request = target.server().client.post(url).header(name, value);
        Answer::of(request.body(GOOD).send())
    };
    let form = send("content-type", "application/x-www-form-urlencoded");
    let problem = form.assert_problem(415, "unsupported_media_type");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("-H 'content-type: application/json'"),
        "{detail}"
    );
    for media_type in [
        "text/plain",
        "text/json",
        "application/json; charset=latin1",
        "application/x-ndjson",
        "multipart/form-data; boundary=x",
        "json",
        "\u{ff}",
    ] {
        let answer = send("content-type", media_type);
        answer.assert_problem(415, "unsupported_media_type");
        assert_eq!(answer.header("accept"), Some("application/json"));
    }
    for encoding in [
        "gzip",
        "br",
        "zstd",
        "deflate, gzip",
        "identity, gzip",
        "\u{ff}",
    ] {
        let answer = send("content-encoding", encoding);
        answer.assert_problem(415, "unsupported_encoding");
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
    }
    assert_eq!(target.contents(), before);
    assert_eq!(send("content-encoding", "identity").status, 200);
}
