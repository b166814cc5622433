//! The server is told to stop.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;

use super::super::super::options::HttpOptions;
use super::super::super::test_server::{SHORT, TestServer, patient};
use super::hello;

#[test]
fn stopping_ends_idle_connections_at_once_and_lets_requests_end() {
    let slow = hello().route(
        "/slow",
        get(|| async {
            tokio::time::sleep(SHORT * 2).await;
            "late"
        }),
    );
    let server = TestServer::start(slow, patient());
    let (mut fresh, mut idle, mut busy) = (server.connect(), server.connect(), server.connect());
    assert!(idle.get("/").ends_with("hello"));
    busy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    thread::sleep(SHORT);
    let address = server.address;
    let begun = Instant::now();
    assert_eq!(server.stop().abandoned, 0);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(fresh.rest(), "");
    assert_eq!(idle.rest(), "");
    let answer = busy.rest();
    assert!(
        answer.contains("connection: close\r\n") && answer.ends_with("late"),
        "{answer}"
    );
    assert!(
        TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
}

#[test]
fn stopping_does_not_wait_for_ever() {
    let stuck = Router::new().route("/", get(|| async { std::future::pending::<&str>().await }));
    let server = TestServer::start(
        stuck,
        HttpOptions {
            drain: SHORT,
            ..patient()
        },
    );
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    thread::sleep(SHORT);
    assert_eq!(server.stop().abandoned, 1);
}
