//! Connections that misbehave, over real sockets, against routes made for it.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream as StdStream};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use hyper::body::Frame;

use super::super::test_server::{LOG_ID, LONG, SHORT, TestServer, patient};
use super::*;

fn hello() -> Router {
    Router::new().route(
        "/",
        get(|| async { "hello" }).post(|body: Bytes| async move { body.len().to_string() }),
    )
}

fn assert_problem(answer: &str, status: u16, code: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    assert!(
        answer.contains("content-type: application/problem+json\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains(&format!("oncelog-log-id: {LOG_ID}\r\n")),
        "{answer}"
    );
    assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
}

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

/// A body of many bytes that ends with an error, or never; tells when it is dropped.
struct Endless {
    frames_left: usize,
    paused: bool,
    _dropped: mpsc::Sender<()>,
}

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.frames_left == 0 && !std::mem::replace(&mut self.paused, true) {
            // hyper sends what it has only when nothing more is ready.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(match self.frames_left.checked_sub(1) {
            None => Err(io::Error::other("the store cannot go on")),
            Some(left) => {
                self.frames_left = left;
                Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])))
            }
        }))
    }
}

fn endless(frames: usize) -> (Router, mpsc::Receiver<()>) {
    let (dropped, receiver) = mpsc::channel();
    let handler = get(move || {
        let dropped = dropped.clone();
        async move {
            Body::new(Endless {
                frames_left: frames,
                paused: false,
                _dropped: dropped,
            })
        }
    });
    (Router::new().route("/", handler), receiver)
}

#[test]
fn an_answer_that_fails_in_the_middle_never_looks_whole() {
    let (routes, _dropped) = endless(3);
    let server = TestServer::start(routes, patient());
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    let answer = client.rest();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("transfer-encoding: chunked"),
        "{answer}"
    );
    assert!(
        !answer.ends_with("0\r\n\r\n"),
        "ended as if it were complete"
    );
}

#[test]
fn a_client_that_never_reads_does_not_hold_its_connection() {
    let (routes, dropped) = endless(usize::MAX);
    let server = TestServer::start(
        routes,
        HttpOptions {
            write_timeout: SHORT,
            ..patient()
        },
    );
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    // The router has one sender, the body the other.
    let begun = Instant::now();
    assert_eq!(server.stop().abandoned, 0, "it ended before the drain time");
    assert!(begun.elapsed() < HttpOptions::default().drain);
    assert_eq!(
        dropped.recv_timeout(LONG),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
    drop(client);
}

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
        StdStream::connect(address).is_err(),
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
