//! Clients that are slow, or say nothing any more.

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;
use std::time::Instant;

use axum::Router;
use axum::routing::get;

use super::super::super::options::HttpOptions;
use super::super::super::test_server::{SHORT, TestServer, patient};
use super::{assert_problem, hello};

#[test]
fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let server = TestServer::start(
        hello(),
        HttpOptions {
            header_timeout: SHORT,
            ..patient()
        },
    );
    assert_eq!(server.connect().rest(), "");
}

#[test]
fn slow_headers_are_answered_408_however_steadily_they_trickle() {
    let server = TestServer::start(
        hello(),
        HttpOptions {
            header_timeout: SHORT,
            ..patient()
        },
    );
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\n");
    let mut trickle = client.stream.try_clone().expect("a second handle");
    let trickling = thread::spawn(move || {
        while trickle.write_all(b"x").is_ok() {
            thread::sleep(SHORT / 5);
        }
    });
    assert_problem(&client.answer(), 408, "header_timeout");
    drop(server);
    client.stream.shutdown(Shutdown::Both).expect("closed");
    trickling.join().expect("ends");
}

#[test]
fn headers_after_a_pause_have_their_own_deadline() {
    let server = TestServer::start(
        hello(),
        HttpOptions {
            header_timeout: SHORT,
            ..patient()
        },
    );
    let mut client = server.connect();
    assert!(client.get("/").ends_with("hello"));
    client.send("GET");
    assert_problem(&client.rest(), 408, "header_timeout");
}

#[test]
fn an_idle_connection_outlives_the_header_deadline_and_ends_at_its_own() {
    let options = HttpOptions {
        header_timeout: SHORT,
        idle_timeout: SHORT * 4,
        ..patient()
    };
    let server = TestServer::start(hello(), options);
    let mut client = server.connect();
    for _ in 0..2 {
        assert!(client.get("/").ends_with("hello"));
        thread::sleep(SHORT * 2);
    }
    let begun = Instant::now();
    assert_eq!(client.rest(), "");
    assert!(begun.elapsed() < SHORT * 4, "{:?}", begun.elapsed());
}

#[test]
fn the_idle_deadline_also_holds_after_an_answer_that_was_read_late() {
    let big = Router::new().route("/", get(|| async { vec![b'x'; 16 << 20] }));
    let options = HttpOptions {
        idle_timeout: SHORT * 2,
        ..patient()
    };
    let server = TestServer::start(big, options);
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    thread::sleep(SHORT * 3);
    assert!(
        client.rest().len() > 16 << 20,
        "the deadline does not run while an answer is sent"
    );
}
