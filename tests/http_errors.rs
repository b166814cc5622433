//! Requests that are refused: each with its status, its code and words that help.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use oncelog::event::EventLimits;
use oncelog::http::{HttpOptions, Token};
use support::http::{Answer, PATIENCE, Server};

const SHORT: Duration = Duration::from_millis(200);

fn limited(body_bytes: usize) -> HttpOptions {
    HttpOptions {
        limits: EventLimits {
            body_bytes,
            ..EventLimits::default()
        },
        ..HttpOptions::default()
    }
}

#[test]
fn unknown_paths_and_methods_are_problems_and_allow_says_what_works() {
    let server = Server::start();
    server.get("/nothing/here").assert_problem(404, "not_found");
    server.get("/events/1/2").assert_problem(404, "not_found");
    for (method, path, allow) in [
        ("GET", "/publish", "POST"),
        ("PUT", "/publish", "POST"),
        ("POST", "/events", "GET,HEAD"),
        ("DELETE", "/events/1", "GET,HEAD"),
        ("OPTIONS", "/stats", "GET,HEAD"),
    ] {
        let answer = Answer::of(server.request(method, path).send());
        answer.assert_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[test]
fn every_answer_names_the_log() {
    let server = Server::start();
    let id = server
        .get("/")
        .header("oncelog-log-id")
        .expect("a log id")
        .to_owned();
    assert_eq!(id.len(), 32);
    for answer in [
        server.get("/stats"),
        server.get("/nothing"),
        server.publish("", "["),
        server.publish("", r#"{"topic":"a","event_id":"1","payload":1}"#),
        Answer::of(server.request("PUT", "/publish").send()),
    ] {
        assert_eq!(
            answer.header("oncelog-log-id"),
            Some(id.as_str()),
            "{}",
            answer.text
        );
    }
}

#[test]
fn a_query_that_is_not_understood_is_refused() {
    let server = Server::start();
    for path in [
        "/events?topik=a",
        "/events?verdict=lost",
        "/events?order=down",
        "/events?after=-1",
        "/events?limit=0",
        "/events?limit=1&limit=2",
        "/events?topic=%ff",
        "/events/1?x=1",
        "/receipts",
        "/receipts?from=0&to=1",
        "/receipts?from=2&to=1",
        "/receipts?from=1&to=100001",
        "/topics?limit=10001",
        "/stats?x=1",
    ] {
        server.get(path).assert_problem(400, "invalid_query");
    }
    for query in ["?wait=judged", "?receipts=some", "?invalid=no", "?x=1"] {
        server
            .publish(query, "[]")
            .assert_problem(400, "invalid_query");
    }
}

#[test]
fn other_types_and_encodings_are_415_and_curl_users_are_told_what_to_add() {
    let server = Server::start();
    let send = |name: &str, value: &str| {
        Answer::of(
            server
                .request("POST", "/publish")
                .header(name, value)
                .body("{}")
                .send(),
        )
    };
    let form = send("content-type", "application/x-www-form-urlencoded");
    let problem = form.assert_problem(415, "unsupported_media_type");
    assert_eq!(form.header("accept"), Some("application/json"));
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("-H 'content-type: application/json'"),
        "{detail}"
    );
    send("content-type", "application/json; charset=latin1")
        .assert_problem(415, "unsupported_media_type");
    let packed = send("content-encoding", "gzip");
    packed.assert_problem(415, "unsupported_encoding");
    assert_eq!(packed.header("accept-encoding"), Some("identity"));
}

#[test]
fn a_body_that_says_it_is_too_large_is_refused_before_it_is_sent() {
    let server = Server::with(limited(1_000));
    let answer = server.raw(
        "POST /publish HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 1001\r\n\r\n",
    );
    assert!(
        answer.starts_with("HTTP/1.1 413"),
        "no 100 Continue first: {answer}"
    );
    assert!(answer.contains("\"code\":\"body_too_large\""), "{answer}");
}

#[test]
fn a_chunked_body_is_refused_as_soon_as_it_is_too_large() {
    let server = Server::with(limited(1_000));
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let head = "POST /publish HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    // The last chunk never comes.
    let answer = server.raw(&format!("{head}{chunk}{chunk}{chunk}"));
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn a_body_of_exactly_the_limit_is_taken() {
    let event = r#"{"topic":"a","event_id":"1","payload":1}"#;
    let server = Server::with(limited(event.len()));
    assert_eq!(server.publish("", event).status, 200);
    server
        .publish("", format!("{event} "))
        .assert_problem(413, "body_too_large");
}

#[test]
fn event_limits_are_413_with_the_events_named() {
    let limits = EventLimits {
        event_bytes: 100,
        events_per_batch: 2,
        ..EventLimits::default()
    };
    let server = Server::with(HttpOptions {
        limits,
        ..HttpOptions::default()
    });
    let large = format!(
        r#"[{{"topic":"a","event_id":"1","payload":"{}"}}]"#,
        "x".repeat(200)
    );
    let problem = server
        .publish("", large)
        .assert_problem(413, "event_too_large");
    assert_eq!(problem["errors"][0]["index"], 0);
    let event = r#"{"topic":"a","event_id":"1","payload":1}"#;
    server
        .publish("", format!("[{event},{event},{event}]"))
        .assert_problem(413, "too_many_events");
}

#[test]
fn a_body_that_does_not_come_is_408() {
    let server = Server::with(HttpOptions {
        body_timeout: SHORT,
        ..HttpOptions::default()
    });
    let answer = server.raw("POST /publish HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n[");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"body_timeout\""), "{answer}");
    assert_eq!(server.get("/stats").json()["received"], 0);
}

#[test]
fn bodies_that_would_take_too_much_memory_wait_and_are_then_told() {
    let options = HttpOptions {
        in_flight_bytes: 1_000,
        body_timeout: SHORT * 2,
        ..limited(1_000)
    };
    let server = Server::with(options);
    let mut holder = TcpStream::connect(server.address).expect("a connection");
    holder
        .write_all(b"POST /publish HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n[")
        .expect("sent");
    std::thread::sleep(SHORT);
    let begun = Instant::now();
    // It begins to wait later than the holder, so the room comes back in time for it.
    assert_eq!(
        server
            .publish("", r#"{"topic":"a","event_id":"1","payload":1}"#)
            .status,
        200
    );
    assert!(begun.elapsed() < PATIENCE);
    let mut answer = [0; 12];
    holder.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");

    // Room is taken in the order of asking: two at the same moment, one is told.
    let head = b"POST /publish HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n[";
    let mut both: Vec<TcpStream> = (0..2)
        .map(|_| TcpStream::connect(server.address).expect("a connection"))
        .collect();
    for stream in &mut both {
        stream.write_all(head).expect("sent");
    }
    let mut statuses: Vec<String> = both
        .iter_mut()
        .map(|stream| {
            stream.read_exact(&mut answer).expect("an answer");
            String::from_utf8_lossy(&answer[9..]).into_owned()
        })
        .collect();
    statuses.sort();
    assert!(
        statuses == ["408", "503"] || statuses == ["408", "408"],
        "{statuses:?}"
    );
}

#[test]
fn a_token_guards_everything_but_health() {
    let token = Token::new("s3cret");
    assert!(token.is_some());
    let server = Server::with(HttpOptions {
        token,
        ..HttpOptions::default()
    });
    for path in ["/", "/stats", "/events", "/nothing"] {
        let answer = server.get(path);
        answer.assert_problem(401, "unauthorized");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer realm=\"oncelog\"")
        );
    }
    server.publish("", "[]").assert_problem(401, "unauthorized");
    let shown = |token: &str| Answer::of(server.request("GET", "/stats").bearer_auth(token).send());
    assert_eq!(shown("s3cret").status, 200);
    let answer = shown("wrong");
    answer.assert_problem(401, "unauthorized");
    assert!(
        answer
            .header("www-authenticate")
            .is_some_and(|text| text.contains("invalid_token"))
    );
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn the_page_that_type_leads_to_is_there() {
    let server = Server::start();
    let problem = server.get("/nothing").assert_problem(404, "not_found");
    let (page, code) = problem["type"]
        .as_str()
        .and_then(|text| text.split_once('#'))
        .expect("a reference");
    let answer = server.get(page);
    assert_eq!(answer.status, 200);
    assert!(
        answer.text.contains(&format!("### {code}\n")),
        "{}",
        answer.text
    );
}

#[test]
fn health_from_the_command_line_says_what_the_server_says() {
    let server = Server::start();
    let options = |ready| oncelog::cli::health::HealthOptions {
        ready,
        url: format!("http://{}", server.address),
    };
    assert_eq!(oncelog::cli::health::run(&options(false)), 0);
    assert_eq!(oncelog::cli::health::run(&options(true)), 0);
}
