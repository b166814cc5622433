//! Answers that fail, or that nobody reads.

use std::io;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use hyper::body::Frame;

use super::super::super::options::HttpOptions;
use super::super::super::test_server::{LONG, SHORT, TestServer, patient};

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
