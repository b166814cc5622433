//! `--token-file`: who may come in, and that the token stays a secret.

use std::fs;
use std::path::Path;

use reqwest::blocking::{Client, RequestBuilder};

use crate::bodies::with_payload;
use crate::support::http::Answer;
use crate::support::process::{Oncelog, Starting, run_command, serve_command};
use crate::support::raw::RawClient;

const TOKEN: &str = "a-Token/of+visible~ASCII.0123456789=";

/// A server that says all that it can, and asks for the token.
fn guarded(directory: &Path) -> Oncelog {
    let file = directory.join("token");
    fs::write(&file, format!("{TOKEN}\n")).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let mut command = serve_command(&directory.join("data"), &["--token-file", file]);
    command.env("ONCELOG_LOG", "trace");
    Starting::spawn(command).ready()
}

#[test]
fn without_the_token_nothing_but_health_is_open() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = guarded(directory.path());
    let client = Client::new();
    let url = |path: &str| format!("http://{}{path}", server.address);
    let publish = || {
        let request = client.post(url("/publish?receipts=all"));
        request.body(with_payload("1", "1"))
    };
    let mut answers = Vec::new();
    let mut refused = |request: RequestBuilder, challenge: &str| {
        let answer = Answer::of(request.send());
        answer.assert_problem(401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
        answers.push(answer);
    };
    let missing = "Bearer realm=\"oncelog\"";
    let wrong = "Bearer realm=\"oncelog\", error=\"invalid_token\"";
    for path in [
        "/",
        "/stats",
        "/events",
        "/events/1",
        "/topics",
        "/nothing",
        "/healthz/",
        "/docs/errors.md",
    ] {
        refused(client.get(url(path)), missing);
        refused(client.get(url(path)).bearer_auth("wr0ng-token"), wrong);
    }
    refused(publish(), missing);
    for header in ["", "Basic dXNlcjp3cjBuZw==", "Bearer", TOKEN, "Token wr0ng"] {
        refused(publish().header("authorization", header), missing);
    }
    let doubled = format!("{TOKEN}{TOKEN}");
    let shorter = &TOKEN[..TOKEN.len() - 1];
    let lower = TOKEN.to_lowercase();
    for token in [shorter, &doubled, &lower, "wr0ng token", "*"] {
        refused(
            publish().header("authorization", format!("Bearer {token} ")),
            wrong,
        );
    }
    let long = "w".repeat(15 << 10);
    refused(publish().bearer_auth(long), wrong);

    for path in ["/healthz", "/readyz", "/healthz?token=none"] {
        assert_eq!(
            Answer::of(client.get(url(path)).send()).status,
            200,
            "{path}"
        );
    }
    let taken = Answer::of(publish().bearer_auth(TOKEN).send());
    assert_eq!(taken.status, 200, "{}", taken.text);
    let stats = Answer::of(client.get(url("/stats")).bearer_auth(TOKEN).send());
    assert_eq!(
        stats.json()["received"],
        1,
        "nothing of what was refused was kept"
    );
    answers.extend([taken, stats]);

    // Neither said in an answer, nor in anything that it logs.
    let mut broken = RawClient::connect(server.address);
    broken.send(format!(
        "GET /stats HTTP/1.1\r\nauthorization: Bearer {TOKEN}\r\nbroken\r\n\r\n"
    ));
    answers.push(broken.answer());
    broken.ends();
    broken.assert_closed();
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("DEBUG") || ended.stderr.contains("TRACE"),
        "{}",
        ended.stderr
    );
    for secret in [TOKEN, "wr0ng", shorter] {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
        for answer in &answers {
            let shown = format!("{:?}{}", answer.headers, answer.text);
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn a_token_file_without_a_token_is_no_open_door() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    let starts_with = |contents: Option<&[u8]>| {
        let _ = fs::remove_file(&file);
        if let Some(contents) = contents {
            fs::write(&file, contents).expect("a file");
        }
        let path = file.to_str().expect("UTF-8");
        run_command(serve_command(
            &directory.path().join("data"),
            &["--token-file", path],
        ))
    };
    for contents in [
        None,
        Some(&b""[..]),
        Some(b"\n"),
        Some(b" \t\r\n"),
        Some(b"s3cret-one\ns3cret-two\n"),
        Some(b"s3cret one"),
        Some("s3cret-ü".as_bytes()),
        Some(b"s3cret-\xff"),
        Some(b"s3cret-\0"),
    ] {
        let ended = starts_with(contents);
        assert_eq!(ended.code, Some(2), "{contents:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("--token-file"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    }
    assert!(!directory.path().join("data").exists(), "nothing was made");
}
