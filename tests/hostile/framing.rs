//! Where a request ends is what its head and its chunks say, or the connection ends: what was sent
//! as a body is never read as a request.

use crate::bodies::with_payload;
use crate::support::http::Answer;
use crate::target::Target;

/// What an attacker would like to be read as a request.
const SMUGGLED: &str = "GET /stats HTTP/1.1\r\nhost: x\r\n\r\n";

fn publish(headers: &str, body: &str) -> String {
    format!("POST /publish HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    publish("transfer-encoding: chunked", body)
}

/// Sends this and what should not be a request, and gives the only answer.
fn only_answer(target: &Target, request: &str) -> Answer {
    let mut client = target.connect();
    // It may be refused before all of it is sent.
    let _ = client.try_send(format!("{request}{SMUGGLED}"));
    let answer = client.answer();
    client.ends();
    client.assert_closed();
    answer
}

#[test]
fn a_length_that_is_none_is_400_and_what_follows_is_no_request() {
    let target = Target::start();
    let before = target.contents();
    for headers in [
        "content-length: -1",
        "content-length: +5",
        "content-length: 0x5",
        "content-length: 5 5",
        "content-length: ",
        "content-length: five",
        "content-length: 5, 5",
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 99999999999999999999",
        "content-length : 5",
        "transfer-encoding: gzip",
        "transfer-encoding: xchunked",
        "transfer-encoding: identity",
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding:\r\n chunked",
        "transfer-encoding : chunked",
    ] {
        let answer = only_answer(&target, &publish(headers, "0\r\n\r\n"));
        answer.assert_problem(400, "malformed_request");
        assert_eq!(answer.header("connection"), Some("close"), "{headers}");
    }
    let old = "POST /publish HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    only_answer(&target, old).assert_problem(400, "malformed_request");
    // The last lengths that a u64 can hold are more than hyper can.
    let most = publish(&format!("content-length: {}", u64::MAX), "");
    only_answer(&target, &most).assert_problem(431, "headers_too_large");
    assert_eq!(target.contents(), before);
}

#[test]
fn with_a_length_and_chunks_the_chunks_count_and_the_connection_ends() {
    let target = Target::start();
    let event = with_payload("1", "1");
    let body = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
    ] {
        let answer = only_answer(&target, &publish(headers, &body));
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["received"], 1, "the chunks are the body");
        assert_eq!(answer.header("connection"), Some("close"), "{headers}");
    }
}

#[test]
fn the_same_length_twice_is_one_length() {
    let target = Target::start();
    let event = with_payload("1", "1");
    let length = format!("content-length: {}", event.len());
    let mut client = target.connect();
    client.send(publish(&format!("{length}\r\n{length}"), &event));
    assert_eq!(client.answer().json()["unique"], 1);
    assert_eq!(
        client.get("/healthz").status,
        200,
        "what follows is a request"
    );
}

#[test]
fn chunks_that_lie_are_refused_and_what_follows_is_no_request() {
    let target = Target::start();
    let before = target.contents();
    let mebibytes = "a".repeat(4 << 20);
    let trailers = "a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n".repeat(100_000);
    let extensions = "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n \r\n".repeat(50_000);
    for body in [
        "ffffffffffffffffff\r\n[]",
        "-1\r\n[]",
        "zz\r\n[]",
        "\r\n[]",
        "2\r\n[]",
        "2\r\n[]]\r\n0\r\n\r\n",
        "2\n[]\n0\n\n",
        "2 2\r\n[]\r\n0\r\n\r\n",
        &format!("2;{mebibytes}\r\n[]\r\n0\r\n\r\n"),
        &format!("{extensions}0\r\n\r\n"),
        &format!("2\r\n[]\r\n0\r\n{trailers}\r\n"),
        &format!("2\r\n[]\r\n0\r\na: {mebibytes}\r\n\r\n"),
    ] {
        let answer = only_answer(&target, &chunked(body));
        answer.assert_problem(400, "incomplete_body");
    }
    assert_eq!(target.contents(), before);
}

#[test]
fn chunks_are_taken_however_they_are_cut_and_trailers_say_nothing() {
    let target = Target::start();
    let event = with_payload("1", "1");
    let bytes: String = event
        .chars()
        .map(|char| format!("1\r\n{char}\r\n"))
        .collect();
    for body in [
        format!("{bytes}0\r\n\r\n"),
        format!("{:x};a=b;c=\"d\"\r\n{event}\r\n0\r\n\r\n", event.len()),
        format!(
            "{:0>100}\r\n{event}\r\n000\r\n\r\n",
            format!("{:X}", event.len())
        ),
        format!(
            "{:x}\r\n{event}\r\n0\r\ncontent-length: 99\r\nhost: y\r\n\r\n",
            event.len()
        ),
    ] {
        let mut client = target.connect();
        client.send(chunked(&format!("{body}{SMUGGLED}")));
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{}", answer.text);
        // Here it is one, and it is answered as one.
        assert_eq!(client.answer().json()["unique_processed"], 2);
    }
}

#[test]
fn a_body_that_ends_early_is_400_and_nothing_of_it_is_kept() {
    let target = Target::start();
    let before = target.contents();
    let event = with_payload("1", "1");
    let longer = format!("content-length: {}", event.len() + 1);
    for request in [
        publish(&longer, &event),
        chunked(&format!("{:x}\r\n{event}\r\n", event.len())),
        chunked(&format!("{:x}\r\n{event}", event.len() + 1)),
        chunked(&format!("{:x}\r\n{event}\r\n0\r\n", event.len())),
        chunked(""),
    ] {
        let mut client = target.connect();
        client.send(request);
        client.ends();
        client.answer().assert_problem(400, "incomplete_body");
        client.assert_closed();
    }
    assert_eq!(target.contents(), before);
}

#[test]
fn the_body_of_a_refused_request_is_not_the_next_request() {
    let target = Target::start();
    let length = format!("content-length: {}", SMUGGLED.len());
    let typed = format!("{length}\r\ncontent-type: text/plain");
    for (request, status, code) in [
        (publish(&length, SMUGGLED), 400, "invalid_json"),
        (publish(&typed, SMUGGLED), 415, "unsupported_media_type"),
        (
            publish(&length, SMUGGLED).replacen("/publish", "/nothing", 1),
            404,
            "not_found",
        ),
        (
            publish(&length, SMUGGLED).replacen("POST", "GET", 1),
            405,
            "method_not_allowed",
        ),
    ] {
        let mut client = target.connect();
        client.send(&request);
        client.answer().assert_problem(status, code);
        // What was framed well does not end the connection: the next request is the next one.
        client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        assert_eq!(client.answer().text, r#"{"status":"ok"}"#);
    }
    // One that is larger than what is read of it.
    let large = format!("content-length: {}", 40 << 20);
    let answer = only_answer(&target, &publish(&large, ""));
    answer.assert_problem(413, "body_too_large");
}

#[test]
fn pipelined_requests_are_answered_in_order_up_to_the_first_that_is_broken() {
    let target = Target::start();
    let event = with_payload("1", "1");
    let length = format!("content-length: {}", event.len());
    let mut client = target.connect();
    client.send(format!(
        "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n{}GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n\0broken\r\n\r\n{SMUGGLED}",
        publish(&length, &event)
    ));
    assert_eq!(client.answer().text, r#"{"status":"ok"}"#);
    assert_eq!(client.answer().json()["unique"], 1);
    client.answer().assert_problem(404, "not_found");
    client.answer().assert_problem(400, "malformed_request");
    client.ends();
    client.assert_closed();
}

#[test]
fn who_expects_to_be_told_to_go_on_is_told_unless_the_body_is_refused() {
    let target = Target::start();
    let event = with_payload("1", "1");
    let expects = |headers: &str| publish(&format!("{headers}\r\nexpect: 100-continue"), "");
    let mut client = target.connect();
    client.send(expects(&format!("content-length: {}", event.len())));
    assert!(client.first_line().starts_with("HTTP/1.1 100"));
    client.send(&event);
    assert_eq!(client.answer().json()["unique"], 1);
    let refused = expects("content-length: 9\r\ncontent-type: text/plain");
    let mut client = target.connect();
    client.send(refused);
    assert!(
        client.first_line().starts_with("HTTP/1.1 415"),
        "without a 100 before"
    );
}
