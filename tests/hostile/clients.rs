//! Clients that are slow, silent, or many. Each test with a shortened deadline has a twin with the
//! true one.

use std::time::{Duration, Instant};

use crate::bodies::with_payload;
use crate::bystander::Bystander;
use crate::support::http::PATIENCE;
use crate::support::raw::RawClient;
use crate::target::Target;

/// Sends a byte so often, until the server says something.
fn trickle(client: &mut RawClient, every: Duration) {
    let until = Instant::now() + PATIENCE * 3;
    while !client.has_answer() {
        assert!(Instant::now() < until, "it goes on for ever");
        // Once it has closed, that is what there is to see.
        let _ = client.try_send(b"x");
        std::thread::sleep(every);
    }
}

fn silent_connection(target: &Target) {
    let bystander = Bystander::start(target);
    let mut silent = target.connect();
    silent.assert_closed();
    // Also one that has begun, and then says nothing.
    let mut begun = target.connect();
    begun.send("GET /stats HT");
    begun.answer().assert_problem(408, "header_timeout");
    begun.assert_closed();
    bystander.end();
}

#[test]
fn a_client_that_sends_nothing_is_closed_without_a_word() {
    silent_connection(&Target::with(&["--header-timeout", "300ms"]));
}

#[test]
#[ignore = "waits for the true deadline, twice 10 s"]
fn a_client_that_sends_nothing_is_closed_without_a_word_by_default() {
    silent_connection(&Target::start());
}

fn slow_client(target: &Target, every: Duration) {
    let bystander = Bystander::start(target);
    let mut slow = target.connect();
    slow.send("GET /stats HTTP/1.1\r\nhost: x\r\nx: ");
    trickle(&mut slow, every);
    slow.answer().assert_problem(408, "header_timeout");
    bystander.end();

    let before = target.contents();
    let bystander = Bystander::start(target);
    let mut slow = target.connect();
    let event = with_payload("1", "\"");
    let head = "POST /publish HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    slow.send(format!("{head}{event}"));
    trickle(&mut slow, every);
    slow.answer().assert_problem(408, "body_timeout");
    slow.ends();
    slow.assert_closed();
    // A chunk that claims to be endless ends at the same deadline.
    let mut slow = target.connect();
    let head = "POST /publish HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    slow.send(format!("{head}ffffffffffffffff\r\n{event}"));
    slow.stream
        .set_read_timeout(Some(PATIENCE * 3))
        .expect("a timeout");
    slow.answer().assert_problem(408, "body_timeout");
    bystander.end();
    assert_eq!(target.server().get("/events?topic=a").text, "[]");
    assert_ne!(target.contents(), before, "the bystander was served");
}

#[test]
fn a_client_that_sends_byte_by_byte_is_told_that_it_is_too_slow() {
    let target = Target::with(&["--header-timeout", "300ms", "--body-timeout", "300ms"]);
    slow_client(&target, Duration::from_millis(10));
}

#[test]
#[ignore = "waits for the true deadlines, 10 s, 30 s and 30 s"]
fn a_client_that_sends_a_byte_a_second_is_told_so_by_default() {
    slow_client(&Target::start(), Duration::from_secs(1));
}

#[test]
fn an_idle_connection_outlives_the_header_deadline_and_is_used_again() {
    let target = Target::with(&["--header-timeout", "300ms"]);
    let mut idle = target.connect();
    assert_eq!(idle.get("/healthz").status, 200);
    for _ in 0..2 {
        // It takes as long as the header deadline.
        target.connect().assert_closed();
        assert_eq!(idle.get("/healthz").status, 200);
    }
}

#[test]
fn an_idle_connection_ends_at_its_own_deadline() {
    let target = Target::with(&["--idle-timeout", "300ms"]);
    let mut idle = target.connect();
    assert_eq!(idle.get("/healthz").status, 200);
    idle.assert_closed();
}

#[test]
#[ignore = "idles for 60 s, and then for 75 s"]
fn an_idle_connection_is_used_again_after_a_minute_by_default() {
    let target = Target::start();
    let mut idle = target.connect();
    assert_eq!(idle.get("/healthz").status, 200);
    std::thread::sleep(Duration::from_secs(60));
    assert_eq!(idle.get("/healthz").status, 200);
    idle.stream
        .set_read_timeout(Some(PATIENCE * 5))
        .expect("a timeout");
    let begun = Instant::now();
    idle.assert_closed();
    assert!(
        begun.elapsed() >= Duration::from_secs(74),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_client_that_leaves_in_the_middle_harms_nobody() {
    let target = Target::start();
    let bystander = Bystander::start(&target);
    let event = with_payload("1", "1");
    let whole = format!(
        "POST /publish HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{event}",
        event.len()
    );
    for cut in 0..whole.len() {
        target.connect().send(&whole[..cut]);
    }
    for _ in 0..50 {
        target
            .connect()
            .send("GET /events HTTP/1.1\r\nhost: x\r\n\r\n");
    }
    bystander.end();
    assert_eq!(target.server().get("/events?topic=a").text, "[]");
    assert!(
        !target.server().said().contains("panic"),
        "{}",
        target.server().said()
    );
}

#[test]
fn an_answer_to_a_publish_that_is_never_read_takes_of_the_room_for_bodies() {
    let target = Target::start();
    let taken = |stats: &serde_json::Value| {
        let bytes = &stats["http"]["body_bytes_in_flight"];
        bytes.as_u64().expect("a number")
    };
    let mut deaf = target.connect();
    let events: Vec<String> = (0..100_000)
        .map(|id| with_payload(&id.to_string(), "1"))
        .collect();
    let body = format!("[{}]", events.join(","));
    deaf.send(format!(
        "POST /publish?receipts=all HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let answered = |stats: &serde_json::Value| stats["unique_processed"] == 100_001;
    let server = target.server();
    server.wait_for("the batch is judged", answered);
    // The answer is longer than what sockets take, so it is not gone yet.
    let in_flight = |stats: &serde_json::Value| stats["http"]["requests_in_flight"] == 1;
    let stats = server.wait_for("only the question for figures is in flight", in_flight);
    assert!(
        taken(&stats) >= body.len() as u64,
        "the answer has no room: {stats}"
    );
    drop(deaf);
    server.wait_for("its room is given back", |stats| taken(stats) == 0);
}
