//! Connections that misbehave, over real sockets, against routes made for it.

mod answers;
mod deadlines;
mod requests;
mod stopping;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;

use super::super::test_server::LOG_ID;

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
