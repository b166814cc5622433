//! Requests that are broken, come too early, too many or too large, and are answered all the same.

use std::net::Shutdown;
use std::thread;
use std::time::Instant;

use axum::Router;
use axum::routing::{get, post};

use super::super::super::options::HttpOptions;
use super::super::super::test_server::{LONG, SHORT, TestServer, patient};
use super::{assert_problem, hello};

#[test]
fn broken_heads_get_problem_documents() {
    let server = TestServer::start(
        hello(),
        HttpOptions {
            header_bytes: 4096,
            ..patient()
        },
    );
    let long = "a".repeat(6000);
    let many: String = (0..101).map(|number| format!("h{number}: x\r\n")).collect();
    for (head, status, code) in [
        (
            format!("GET / HTTP/1.1\r\nlong: {long}\r\n\r\n"),
            431,
            "headers_too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\n{many}\r\n"),
            431,
            "headers_too_large",
        ),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), 414, "uri_too_long"),
        (format!("GET /{long}"), 414, "uri_too_long"),
        (
            "GET  /  nonsense\r\n\r\n".to_owned(),
            400,
            "malformed_request",
        ),
        (
            "GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
            400,
            "malformed_request",
        ),
    ] {
        let mut client = server.connect();
        assert!(
            client.get("/").ends_with("hello"),
            "also on a connection that was in use"
        );
        client.send(head);
        let answer = client.answer();
        assert_problem(&answer, status, code);
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start(hello(), patient());
    let mut client = server.connect();
    let host = "HTTP/1.1\r\nhost: x\r\n";
    client.send(format!(
        "GET / {host}\r\nPOST / {host}content-length: 3\r\n\r\nabcGET /no {host}\r\n"
    ));
    assert!(client.answer().ends_with("hello"));
    assert!(client.answer().ends_with("\r\n3"));
    assert!(client.answer().starts_with("HTTP/1.1 404"));
}

#[test]
fn a_client_that_has_said_everything_still_gets_its_answer() {
    let slow = Router::new().route(
        "/",
        get(|| async {
            tokio::time::sleep(SHORT).await;
            "late"
        }),
    );
    let server = TestServer::start(slow, patient());
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    client
        .stream
        .shutdown(Shutdown::Write)
        .expect("half closed");
    assert!(client.rest().ends_with("late"));
}

#[test]
fn connections_over_the_limit_are_told_and_served_once_there_is_room() {
    let server = TestServer::start(
        hello(),
        HttpOptions {
            connections: 1,
            ..patient()
        },
    );
    let mut first = server.connect();
    assert!(first.get("/").ends_with("hello"));
    let mut second = server.connect();
    second.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    let refusal = second.rest();
    assert_problem(&refusal, 503, "overloaded");
    assert!(refusal.contains("retry-after: 1\r\n"), "{refusal}");
    assert!(
        first.get("/").ends_with("hello"),
        "the first is not disturbed"
    );
    drop(first);
    let until = Instant::now() + LONG;
    loop {
        let mut next = server.connect();
        if next.get("/").ends_with("hello") {
            break;
        }
        assert!(Instant::now() < until, "the place was never given back");
        thread::sleep(SHORT / 10);
    }
}

#[test]
fn a_panic_in_a_handler_is_a_500_and_the_connection_lives() {
    async fn broken() -> &'static str {
        panic!("a secret word")
    }
    let server = TestServer::start(hello().route("/panic", get(broken)), patient());
    let mut client = server.connect();
    let answer = client.get("/panic");
    assert_problem(&answer, 500, "internal");
    assert!(!answer.contains("secret"), "{answer}");
    assert!(client.get("/").ends_with("hello"));
}

#[test]
fn a_client_that_sends_a_large_body_reads_why_it_was_refused() {
    let refuse = Router::new().route(
        "/",
        post(|| async { axum::http::StatusCode::PAYLOAD_TOO_LARGE }),
    );
    let server = TestServer::start(refuse, patient());
    let mut client = server.connect();
    let bytes = 16 << 20;
    client.send(format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\n"
    ));
    client.send(vec![b'x'; bytes]);
    assert!(client.answer().starts_with("HTTP/1.1 413"));
}
