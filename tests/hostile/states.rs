//! What a server says that cannot do what it is asked, because it is starting, stopping, or its
//! disk or its log is not well. None of it is the client's fault, and each has its own code.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bodies::with_payload;
use crate::support::process::PATIENCE;
use crate::support::raw::RawClient;
use crate::support::served::Served;
use crate::support::store::wait_for_mark;
use crate::support::strace::{Plan, attach};
use crate::target::Target;

/// Begins to publish an event, of which the last byte is missing, and waits until the server
/// reads its body. Gives that byte.
fn begin_to_publish(client: &mut RawClient, id: &str) -> String {
    let mut body = with_payload(id, "1");
    let length = body.len();
    let last = body.pop().expect("a byte");
    client.send(format!(
        "POST /publish HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    ));
    assert!(client.first_line().starts_with("HTTP/1.1 100"));
    client.send(body);
    last.to_string()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "never {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_server_that_stops_refuses_what_was_not_whole_before() {
    let target = Target::start();
    let mut client = target.connect();
    let last = begin_to_publish(&mut client, "1");
    target.server().ask_to_stop();
    let address = target.address();
    wait_until("stopping", || TcpStream::connect(address).is_err());
    client.send(last);
    let answer = client.answer();
    answer.assert_problem(503, "draining");
    assert_eq!(answer.header("connection"), Some("close"));
    client.assert_closed();
}

#[test]
fn without_room_on_the_disk_publishing_is_refused_and_reading_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Served::start(&directory.path().join("data"), &["--min-free", "1000TiB"]);
    let refused = server.publish(with_payload("1", "1"));
    refused.assert_problem(507, "disk_full");
    let ready = server.get("/readyz");
    let problem = ready.assert_problem(503, "not_ready");
    assert_eq!(problem["state"], "disk_full");
    assert_eq!(server.get("/events").text, "[]");
    assert_eq!(server.stats()["received"], 0);
}

#[test]
fn what_a_hole_has_taken_is_lost_for_good_and_said_to_be() {
    let directory = tempfile::tempdir().expect("a directory");
    copy_golden_log(&directory.path().join("log"));
    let server = Served::start(directory.path(), &[]);
    server.wait_until_well();
    for seq in 10..=12 {
        let answer = server.get(&format!("/events/{seq}"));
        answer.assert_problem(410, "lost");
    }
    assert_eq!(server.get("/events/16").status, 200);
}

fn copy_golden_log(to: &Path) {
    fs::create_dir(to).expect("a directory");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/log");
    for file in fs::read_dir(golden).expect("the golden log").flatten() {
        fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
    }
}

#[test]
fn damage_in_the_log_is_said_and_what_is_intact_is_served() {
    let target = Target::with(&["--segment-size", "64KiB"]);
    let large = format!("\"{}\"", "x".repeat(40_000));
    for id in 2..5 {
        target.takes("", with_payload(&id.to_string(), &large));
    }
    // The first segment is sealed by now.
    let first = target
        .server()
        .data_dir()
        .join("log/00000000000000000001.seg");
    let bytes = fs::read(&first).expect("a segment");
    let at = bytes
        .windows(9)
        .position(|part| part == b"{\"first\":")
        .expect("the payload");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&first)
        .expect("a segment");
    file.write_all_at(b"#", at as u64).expect("a byte");
    let answer = target.server().get("/events/1");
    answer.assert_problem(500, "log_unreadable");
    assert!(!answer.text.contains("known"), "{}", answer.text);
    assert_eq!(target.server().get("/events/4").status, 200);
    target.takes("", with_payload("5", "1"));
}

#[test]
fn a_sync_that_only_takes_long_is_not_said_to_have_failed() {
    // Longer than a busy disk takes for what goes well here, and shorter than the delay by far.
    let target = Target::with(&["--verdict-wait", "2s", "--durable-wait", "2s"]);
    let plan = Plan::on("fdatasync", "delay_enter=6000000");
    let Some(slow) = attach(target.server().pid(), "committer", &plan) else {
        return;
    };
    let event = with_payload("1", "1");
    let answer = target.publish("", event.clone());
    let problem = answer.assert_problem(503, "outcome_unknown");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("slow") && !detail.contains("failed"),
        "{detail}"
    );
    drop(slow);
    // As it was told to.
    let receipt = target.publish("", event).json();
    let stats = target.server().wait_until_well();
    assert_eq!(
        receipt["duplicates"], 1,
        "the first attempt was kept after all: {receipt}"
    );
    assert_eq!(
        (&stats["received"], &stats["unique_processed"]),
        (&3.into(), &2.into())
    );
}

#[test]
fn a_sync_that_fails_leaves_one_outcome_unknown_and_the_next_batch_unwritten() {
    let target = Target::start();
    let mut next = target.connect();
    let last = begin_to_publish(&mut next, "2");
    // Or the sync that fails is that of the mark behind the first event.
    wait_for_mark(target.server().data_dir());
    let plan = Plan::on("fdatasync", "error=EIO");
    let Some(_failing) = attach(target.server().pid(), "committer", &plan) else {
        return;
    };
    let answer = target.publish("", with_payload("1", "1"));
    let problem = answer.assert_problem(503, "outcome_unknown");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("failed"))
    );
    next.send(last);
    next.answer().assert_problem(503, "not_written");
}
