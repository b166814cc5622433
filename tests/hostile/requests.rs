//! Requests for what is not there, and heads that are too large or malformed.

use crate::support::http::Answer;
use crate::target::Target;

/// The default of `--max-headers`.
const HEAD_BYTES_MAX: usize = 16 << 10;

#[test]
fn unknown_paths_are_404_and_lead_nowhere() {
    let target = Target::start();
    for path in [
        "/nothing/here",
        "/publish/",
        "/Stats",
        "//stats",
        "/%73tats",
        "/../../etc/passwd",
        "/docs/../src/main.rs",
        "/docs/%2e%2e/data",
        "/events/1/2",
        "/events/",
        "/grüße",
        "/%00",
        "/%zz",
        "/%c0%ae%c0%ae/",
        "*",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        target.raw(request).assert_problem(404, "not_found");
    }
    for seq in [
        "0",
        "2",
        "-1",
        "+1",
        "1.0",
        "x",
        "1%00",
        "%ff",
        "18446744073709551616",
    ] {
        let answer = target.server().get(&format!("/events/{seq}"));
        answer.assert_problem(404, "unknown_seq");
    }
    let long = "9".repeat(HEAD_BYTES_MAX / 2);
    target
        .server()
        .get(&format!("/events/{long}"))
        .assert_problem(404, "unknown_seq");
}

#[test]
fn wrong_methods_are_405_and_allow_says_what_works() {
    let target = Target::start();
    for (method, path, allow) in [
        ("GET", "/publish", "POST"),
        ("PUT", "/publish", "POST"),
        ("OPTIONS", "/publish", "POST"),
        ("POST", "/events", "GET,HEAD"),
        ("DELETE", "/events/1", "GET,HEAD"),
        ("PATCH", "/topics", "GET,HEAD"),
        ("OPTIONS", "/stats", "GET,HEAD"),
        ("TRACE", "/", "GET,HEAD"),
        ("get", "/", "GET,HEAD"),
        ("NONSENSE", "/receipts", "GET,HEAD"),
    ] {
        let answer = target.raw(format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        answer.assert_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    let head = reqwest::Method::HEAD;
    let request = target
        .server()
        .client
        .request(head, target.server().url("/publish"));
    assert_eq!(Answer::of(request.send()).status, 405);
}

#[test]
fn a_query_that_is_not_understood_is_refused() {
    let target = Target::start();
    let many: Vec<String> = (0..1_000).map(|no| format!("p{no}=1")).collect();
    let same = vec!["topic=known"; 1_000].join("&");
    for path in [
        "/events?topik=a",
        "/events?TOPIC=a",
        "/events?verdict=lost",
        "/events?order=down",
        "/events?after=-1",
        "/events?after=",
        "/events?after=+1",
        "/events?after=1e3",
        "/events?after=18446744073709551616",
        "/events?limit=0",
        "/events?limit=10001",
        "/events?limit=99999999999999999999",
        "/events?limit=1&limit=2",
        "/events?topic=%ff",
        "/events?topic=%zz",
        "/events?topic=%4",
        "/events?topic=%c0%ae",
        "/events?topic=%ed%a0%80",
        "/events?topic=a&topi%63=a",
        "/events/1?x=1",
        "/receipts",
        "/receipts?from=1",
        "/receipts?from=0&to=1",
        "/receipts?from=2&to=1",
        "/receipts?from=18446744073709551615&to=1",
        "/receipts?from=1&to=18446744073709551615",
        "/receipts?from=1&to=18446744073709551616",
        "/receipts?from=1&to=100001",
        "/topics?limit=0",
        "/topics?limit=10001",
        "/topics?after=-1",
        "/stats?x=1",
        "/stats?=",
        &format!("/events?{}", many.join("&")),
        &format!("/events?{same}"),
    ] {
        target
            .server()
            .get(path)
            .assert_problem(400, "invalid_query");
    }
    for query in [
        "wait=judged",
        "receipts=some",
        "receipts=all&receipts=all",
        "invalid=no",
        "x=1",
    ] {
        target.refuses(query, "[]", 400, "invalid_query");
    }
}

#[test]
fn a_query_at_the_edge_of_what_is_understood_is_answered() {
    let target = Target::start();
    let ids = |path: &str| {
        let answer = target.server().get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json().as_array().map(Vec::len).expect("an array")
    };
    let most = u64::MAX;
    let long = "a".repeat(HEAD_BYTES_MAX / 2);
    assert_eq!(ids("/events?"), 1);
    assert_eq!(ids("/events?&&&"), 1);
    assert_eq!(ids("/events?topic=%6bnown"), 1);
    assert_eq!(ids(&format!("/events?after={most}")), 0);
    assert_eq!(ids(&format!("/events?after={most}&order=desc")), 1);
    assert_eq!(ids(&format!("/events?after={most}&limit=10000")), 0);
    assert_eq!(ids("/events?topic="), 0);
    assert_eq!(ids("/events?topic=%00"), 0);
    assert_eq!(ids("/events?topic=../../etc"), 0);
    assert_eq!(ids("/events?topic=gr%C3%BC%C3%9Fe"), 0);
    assert_eq!(ids(&format!("/events?topic={long}")), 0);
    let beyond = format!("/receipts?from={most}&to={most}");
    target
        .server()
        .get(&beyond)
        .assert_problem(404, "unknown_seq");
    target
        .server()
        .get("/receipts?from=1&to=2")
        .assert_problem(404, "unknown_seq");
    let topics = target.server().get(&format!("/topics?after={most}"));
    assert_eq!(topics.json()["topics"].as_array().map(Vec::len), Some(0));
    assert_eq!(target.server().get("/healthz?any=%zz").status, 200);
}

#[test]
fn heads_over_the_limit_say_which_part_is_too_long() {
    let target = Target::start();
    let long = "a".repeat(64 << 10);
    let over = "a".repeat(17 << 10);
    let many: String = (0..101).map(|no| format!("h{no}: x\r\n")).collect();
    for (head, status, code) in [
        (
            format!("GET / HTTP/1.1\r\nhost: x\r\nx: {over}\r\n\r\n"),
            431,
            "headers_too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: x\r\n{over}: x\r\n\r\n"),
            431,
            "headers_too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}"),
            431,
            "headers_too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
            431,
            "headers_too_large",
        ),
        (
            format!("{}GET / HTTP/1.1\r\n\r\n", "\r\n".repeat(50_000)),
            431,
            "headers_too_large",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
            414,
            "uri_too_long",
        ),
        (
            format!("GET /events?topic={long} HTTP/1.1\r\nhost: x\r\n\r\n"),
            414,
            "uri_too_long",
        ),
        (
            format!("{long} / HTTP/1.1\r\nhost: x\r\n\r\n"),
            414,
            "uri_too_long",
        ),
        (format!("GET /{long}"), 414, "uri_too_long"),
    ] {
        let mut client = target.connect();
        assert_eq!(client.get("/healthz").status, 200, "in use before");
        // It may be refused before all of it is sent.
        let _ = client.try_send(&head);
        let answer = client.answer();
        answer.assert_problem(status, code);
        assert_eq!(answer.header("connection"), Some("close"));
        client.ends();
        client.assert_closed();
    }
    let fits = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "a".repeat(15 << 10)
    );
    assert_eq!(target.raw(fits).status, 200);
}

#[test]
fn malformed_heads_are_400_and_the_connection_is_closed() {
    let target = Target::start();
    for head in [
        "GET  /  nonsense\r\n\r\n",
        "GET /stats\r\n\r\n",
        "GET ?x HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /stats HTTP/1.2\r\nhost: x\r\n\r\n",
        "GET /stats HTTP/2.0\r\nhost: x\r\n\r\n",
        "GET /st\0ats HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /stats HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n",
        "GET /stats HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
        "GET /stats HTTP/1.1\r\nhost: x\r\nx: a\rb\r\n\r\n",
        "GET /stats HTTP/1.1\r\nhost: x\r\nx: a\r\n folded\r\n\r\n",
        "GET /stats HTTP/1.1\r\nhost: x\r\nx : a\r\n\r\n",
        "GET /stats HTTP/1.1\r\nhost: x\r\n\u{fc}: a\r\n\r\n",
        "GET /stats HTTP/1.1\r\n\r\n",
        "GET /stats HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET http://a/stats HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x03\x03 hello over TLS",
    ] {
        let mut client = target.connect();
        client.send(head);
        let answer = client.answer();
        answer.assert_problem(400, "malformed_request");
        assert_eq!(answer.header("connection"), Some("close"), "{head:?}");
        client.ends();
        client.assert_closed();
    }
    let mut client = target.connect();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0");
    client.assert_closed();
}

#[test]
fn unusual_heads_that_are_well_formed_are_answered() {
    let target = Target::start();
    for head in [
        "GET /healthz HTTP/1.0\r\n\r\n",
        "GET http://elsewhere.example/healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost:\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n",
        "GET /healthz#part HTTP/1.1\r\nhost: x\r\n\r\n",
        "\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /healthz HTTP/1.1\nhost: x\n\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nexpect: nothing\r\n\r\n",
    ] {
        let answer = target.raw(head);
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (200, r#"{"status":"ok"}"#),
            "{head:?}"
        );
    }
    let answer = target.raw("GET /healthz HTTP/1.1\r\nhost: x\r\nx: \u{fc}\r\n\r\n");
    assert_eq!(answer.status, 200);
}

#[test]
fn every_answer_names_the_log_also_those_to_broken_requests() {
    let target = Target::start();
    let id = target
        .server()
        .get("/")
        .header("oncelog-log-id")
        .expect("a log id")
        .to_owned();
    assert_eq!(id.len(), 32);
    for answer in [
        target.server().get("/stats"),
        target.server().get("/nothing"),
        target.publish("", "["),
        target.publish("", with_one_event()),
        target.raw("nonsense\r\n\r\n"),
        target.raw(format!(
            "GET /{} HTTP/1.1\r\n\r\n",
            "a".repeat(HEAD_BYTES_MAX)
        )),
    ] {
        assert_eq!(
            answer.header("oncelog-log-id"),
            Some(id.as_str()),
            "{}",
            answer.text
        );
    }
}

fn with_one_event() -> String {
    crate::bodies::with_payload("1", "1")
}

#[test]
fn the_page_that_type_leads_to_is_there() {
    let target = Target::start();
    let problem = target
        .server()
        .get("/nothing")
        .assert_problem(404, "not_found");
    let reference = problem["type"]
        .as_str()
        .and_then(|text| text.split_once('#'));
    let (page, code) = reference.expect("a reference");
    let answer = target.server().get(page);
    assert_eq!(answer.status, 200);
    assert!(
        answer.text.contains(&format!("### {code}\n")),
        "{}",
        answer.text
    );
}
