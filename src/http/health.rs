//! `GET /`, `/healthz` and `/readyz`, for people, supervisors and load balancers. They
//! take any query: some monitors add one so that no cache answers.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::app::{App, json_text, to_json};
use super::error::{ErrorCode, Problem};
use crate::store::StateReport;

pub(super) async fn root(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(json_text(to_json(&json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "state": app.store.state().state,
        "links": {
            "publish": "/publish",
            "events": "/events",
            "receipts": "/receipts",
            "topics": "/topics",
            "stats": "/stats",
            "health": "/healthz",
            "ready": "/readyz",
            "errors": "/docs/errors.md",
        },
    }))?))
}

pub(super) async fn healthz() -> Response {
    json_text("{\"status\":\"ok\"}")
}

pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    readiness(&app.store.state())
}

/// While the store is being opened.
pub(super) async fn opening_readyz() -> Problem {
    let detail = "the store is being opened: its log is checked, and recovered if need be";
    let members = [
        ("state", json!("opening")),
        ("ready", json!(false)),
        ("reasons", json!([detail])),
    ];
    let members = members.map(|(name, value)| (name.to_owned(), value));
    Problem::new(ErrorCode::Opening, detail).with_members(Map::from_iter(members))
}

fn readiness(report: &StateReport) -> Result<Response, Problem> {
    if report.ready {
        return Ok(json_text(to_json(report)?));
    }
    let detail = match report.reasons.as_slice() {
        [] => String::from("the store takes no events"),
        reasons => reasons.join("; "),
    };
    Err(Problem::new(ErrorCode::NotReady, detail).with_members(members(report)))
}

fn members(report: &StateReport) -> Map<String, Value> {
    match serde_json::to_value(report) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Seq;
    use crate::http::routes::opening_routes;
    use crate::http::test_server::{TestServer, patient};
    use crate::store::State as StoreState;

    fn report(state: StoreState, ready: bool) -> StateReport {
        let reasons = vec![
            String::from("the disk is full"),
            String::from("the index fails"),
        ];
        StateReport {
            state,
            ready,
            reasons,
            since: 0,
            durable: Seq::new(9),
            applied: Seq::new(7),
        }
    }

    #[test]
    fn a_store_that_is_being_opened_says_so_as_its_state() {
        let server = TestServer::start(opening_routes(), patient());
        let answer = server.connect().get("/readyz");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        for member in [
            r#""code":"opening""#,
            r#""state":"opening""#,
            r#""ready":false"#,
        ] {
            assert!(answer.contains(member), "{answer}");
        }
        assert!(
            answer.contains(r#""reasons":["the store is being opened"#),
            "{answer}"
        );
        for line in ["GET /stats", "GET /events", "GET /nothing", "POST /publish"] {
            let mut client = server.connect();
            client.send(format!(
                "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            ));
            let answer = client.rest();
            for part in [
                "HTTP/1.1 503 ",
                r#""code":"opening""#,
                r#""retry":"same_ids""#,
            ] {
                assert!(answer.contains(part), "{line}: {answer}");
            }
        }
        assert!(
            server
                .connect()
                .get("/healthz")
                .starts_with("HTTP/1.1 200 ")
        );
        server.stop();
    }

    #[test]
    fn readiness_is_whether_a_publish_would_be_taken() {
        assert!(
            readiness(&report(StoreState::Degraded, true))
                .is_ok_and(|answer| answer.status() == 200)
        );
        let problem = readiness(&report(StoreState::DiskFull, false)).expect_err("not ready");
        assert_eq!(problem.code().status(), 503);
        let document: Value = serde_json::from_slice(&problem.to_json()).expect("JSON");
        assert_eq!(document["state"], "disk_full");
        assert_eq!(document["detail"], "the disk is full; the index fails");
        assert_eq!(
            (&document["durable"], &document["applied"]),
            (&json!(9), &json!(7))
        );
        assert_eq!(document["reasons"].as_array().map(Vec::len), Some(2));
    }
}
