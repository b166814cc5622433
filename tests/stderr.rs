//! What is on stderr is one line for each event, and nothing that is secret; and whatever
//! becomes of stderr, the server goes on.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use reqwest::blocking::Client;
use support::http::Answer;
use support::process::{Owned, serve_command};
use support::served::Served;

#[test]
fn neither_tokens_nor_ids_nor_payloads_nor_queries_are_said_at_any_level() {
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    fs::write(&token_file, "secret-token-7\n").unwrap();
    let data_dir = directory.path().join("data");
    let mut command = serve_command(&data_dir, &["--token-file", token_file.to_str().unwrap()]);
    command.env("ONCELOG_LOG", "trace");
    let server = Served::spawn(&data_dir, &[], command);
    let answer = |body: &str, token: &str| {
        let request = server.client.post(server.url("/publish"));
        Answer::of(request.body(body.to_owned()).bearer_auth(token).send()).status
    };
    let event = |id: &str, payload: &str| {
        format!(r#"{{"topic":"secret-topic","event_id":"{id}","payload":{payload}}}"#)
    };
    let good = event("secret-id", r#""secret-payload""#);
    assert_eq!(answer(&good, "secret-token-7"), 200);
    assert_eq!(
        answer(
            &event("secret-id", r#""secret-conflict""#),
            "secret-token-7"
        ),
        200
    );
    assert_eq!(answer(&good, "secret-wrong-token"), 401);
    assert_eq!(
        answer(&event("secret\\u0000id", "1"), "secret-token-7"),
        422
    );
    assert_eq!(
        answer(&format!("{good} secret-rest"), "secret-token-7"),
        400
    );
    let read = |path: &str| {
        Answer::of(
            server
                .client
                .get(server.url(path))
                .bearer_auth("secret-token-7")
                .send(),
        )
        .status
    };
    assert_eq!(read("/events?topic=secret-topic"), 200);
    assert_eq!(read("/events?secret-query=1"), 400);
    let mut broken = TcpStream::connect(server.running().address).unwrap();
    broken
        .write_all(b"GET / secret\r\nsecret-header: secret\r\n\r\n")
        .unwrap();
    let mut rest = Vec::new();
    broken.read_to_end(&mut rest).unwrap();

    let ended = server.stop();
    let said = ended.lines();
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    let requests: Vec<&str> = said
        .iter()
        .filter_map(|(level, text)| (*level == "DEBUG").then_some(*text))
        .filter(|text| text.ends_with(" ms"))
        .collect();
    let posts = requests
        .iter()
        .filter(|text| text.starts_with("POST /publish "))
        .count();
    assert_eq!(posts, 5, "{requests:?}");
    assert!(
        requests
            .iter()
            .any(|text| text.starts_with("GET /events 400 in ")),
        "{requests:?}"
    );
}

#[test]
fn a_name_with_a_line_break_cannot_look_like_a_line_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory
        .path()
        .join("data\n2026-01-01T00:00:00.000000Z  INFO forged");
    let mut command = serve_command(&data_dir, &[]);
    command.env("ONCELOG_X\n2026-01-01T00:00:00.000000Z  INFO forged", "1");
    command.env("ONCELOG_LOG", "debug");
    let server = Served::spawn(&data_dir, &[], command);
    let path = "/a%0A2026-01-01T00:00:00.000000Z%20%20INFO%20forged%1B%5B1m";
    assert_eq!(server.get(path).status, 404);
    let ended = server.stop();
    for (_, text) in ended.lines() {
        assert!(!text.starts_with("forged"), "{}", ended.stderr);
    }
    assert!(ended.stderr.contains("\\n2026-01-01"), "{}", ended.stderr);
    assert!(
        !ended.stderr.contains('\x1b'),
        "no colours but on a terminal"
    );
}

/// A server whose stderr the test has in its hand, with a line for each request, and many
/// requests.
fn with_stderr_in_hand(after_start: impl FnOnce(BufReader<std::process::ChildStderr>)) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = serve_command(directory.path(), &[]);
    command.env("ONCELOG_LOG", "debug");
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut child = Owned(child);
    let address = loop {
        let mut line = String::new();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it did not start");
        if let Some((_, rest)) = line.split_once("http://") {
            break rest
                .split_whitespace()
                .next()
                .expect("an address")
                .to_owned();
        }
    };
    after_start(stderr);
    let client = Client::new();
    // A pipe takes 64 KiB.
    for _ in 0..600 {
        let url = format!("http://{address}/{}", "x".repeat(200));
        let answer = client.get(url).send().expect("an answer");
        assert_eq!(answer.status(), 404);
    }
    let url = format!("http://{address}/publish");
    let event = r#"{"topic":"t","event_id":"1","payload":1}"#;
    let answer = client
        .post(url)
        .body(event)
        .header("content-type", "application/json");
    assert_eq!(answer.send().expect("an answer").status(), 200);
    drop(client);
    child.signal(rustix::process::Signal::TERM);
    assert_eq!(child.wait(), Some(0));
}

#[test]
fn a_stderr_that_nobody_reads_holds_up_neither_requests_nor_the_stop() {
    let mut kept = None;
    with_stderr_in_hand(|stderr| kept = Some(stderr));
    drop(kept);
}

#[test]
fn a_stderr_that_was_closed_ends_nothing() {
    with_stderr_in_hand(drop);
}
