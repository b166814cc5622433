//! What the real binary says on stderr of its own life and states: what an operator must know,
//! in one line each, and no more than that.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use support::http::Answer;
use support::mount::SmallDisk;
use support::process::Owned;
use support::served::Served;

fn publish(server: &Served, id: usize, payload_bytes: usize) -> Answer {
    let payload = "x".repeat(payload_bytes);
    server.publish(format!(
        r#"{{"topic":"t","event_id":"{id}","payload":"{payload}"}}"#
    ))
}

/// Waits until the clock of the server has looked at its state a few times.
fn let_it_look(server: &Served) {
    let uptime = |stats: &Value| stats["uptime"].as_f64().expect("a number");
    let until = uptime(&server.stats()) + 2.5;
    server.wait_for("older", |stats| uptime(stats) > until);
}

/// Another process takes the index's lock.
fn lock_index(server: &Served) -> Connection {
    let connection = Connection::open(server.index_file()).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[test]
fn a_quiet_life_is_told_in_a_line_for_each_event_and_none_for_a_request() {
    let directory = tempfile::tempdir().unwrap();
    let server = Served::start(directory.path(), &["--max-topics", "9"]);
    for id in 0..20 {
        assert_eq!(publish(&server, id, 10).status, 200);
    }
    assert_eq!(server.get("/nowhere?secret=1").status, 404);
    let_it_look(&server);
    let dir = directory.path().display().to_string();
    let ended = server.stop();
    assert_eq!(ended.code, Some(0));
    let said = ended.lines();
    let begins = [
        ("INFO", "options: "),
        ("INFO", "a new log "),
        ("INFO", "oncelog "),
        ("INFO", "draining: SIGTERM was received"),
        ("INFO", "draining is over: 0 requests"),
        ("INFO", "stopped, the log is clean"),
    ];
    assert_eq!(said.len(), begins.len(), "{}", ended.stderr);
    for ((level, text), (expected, begin)) in said.iter().zip(begins) {
        assert!(*level == expected && text.starts_with(begin), "{text}");
    }
    assert!(said[0].1.ends_with("--max-topics 9"), "{}", said[0].1);
    assert!(said[2].1.contains(&dir) && said[2].1.contains("a new store"));
    assert!(said[5].1.ends_with("exit code 0"));

    let mut again = Served::start(directory.path(), &[]);
    let start = again.wait_for_line(" serves log ");
    assert!(start.contains("20 events in 1 segments"), "{start}");
    assert!(start.ends_with("the log was clean"), "{start}");
    assert_eq!(publish(&again, 20, 10).status, 200);
    again.kill();

    fs::remove_dir_all(directory.path().join("index")).unwrap();
    let recovered = Served::start(directory.path(), &[]);
    let start = recovered.wait_for_line(" serves log ");
    assert!(start.ends_with("the log was not clean"), "{start}");
    let unclean = recovered.wait_for_line("did not stop cleanly");
    assert!(unclean.contains(" WARN "), "{unclean}");
    let begun = recovered.wait_for_line("rebuilding: ");
    assert!(begun.contains("the index is at seq 0; the log is replayed up to 21"));
    let over = recovered.wait_for_line("rebuilding is over after ");
    assert!(
        over.ends_with("the index is complete up to seq 21"),
        "{over}"
    );
}

#[test]
fn a_full_disk_is_told_with_what_is_free_what_is_needed_and_where_and_so_is_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let Some(disk) = SmallDisk::mount(&data_dir, 24 << 10) else {
        return;
    };
    let options = ["--segment-size", "1MiB", "--reserve", "64KiB"];
    let server = Served::start(&data_dir, &options);
    disk.fill();
    let mut id = 0;
    let refused = loop {
        let answer = publish(&server, id, 50_000);
        if answer.status != 200 {
            break answer;
        }
        id += 1;
        assert!(id < 1000, "it never gets full");
    };
    refused.assert_problem(507, "disk_full");
    let line = server.wait_for_line(" disk_full: ");
    let why = format!("the disk of {} has ", data_dir.join("log").display());
    for words in [
        " ERROR ",
        &why,
        " bytes free, and ",
        "are needed",
        "get 507",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }
    let problem = server.get("/readyz").assert_problem(503, "not_ready");
    assert_eq!(problem["state"], "disk_full");
    let reason = problem["reasons"][0].as_str().expect("a sentence");
    assert!(
        reason.starts_with(&why) && reason.contains("are needed"),
        "{reason}"
    );
    let since = problem["since"].clone();
    assert_eq!(server.stats()["state"]["since"], since);
    assert!(server.stats()["http"]["answers"]["507"].as_u64() >= Some(1));

    fs::remove_file(disk.filler()).unwrap();
    let over = server.wait_for_line("disk_full is over after ");
    assert!(
        over.contains(" INFO ") && over.ends_with(" s; the store is ready"),
        "{over}"
    );
    let now = server.stats()["state"].clone();
    assert_eq!(now["state"], "ready");
    assert!(now["since"].as_str() > since.as_str(), "{now} {since}");
    let ended = server.stop();
    let told = |words: &str| ended.stderr.matches(words).count();
    assert_eq!(
        told(" disk_full: "),
        told("disk_full is over"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.code, Some(0));
    drop(disk);
}

#[test]
fn an_index_that_fails_and_heals_is_told_once_each_way() {
    let directory = tempfile::tempdir().unwrap();
    let server = Served::start(directory.path(), &["--delta-events", "300"]);
    assert_eq!(publish(&server, 0, 10).status, 200);
    let locked = lock_index(&server);
    assert_eq!(publish(&server, 1, 10).status, 200);
    let line = server.wait_for_line(" degraded: ");
    assert!(
        line.contains(" WARN ") && line.contains("the index fails: "),
        "{line}"
    );
    assert!(line.contains("publishes are taken"), "{line}");
    let ready = server.get("/readyz");
    assert_eq!(
        (ready.status, ready.json()["state"].clone()),
        (200, "degraded".into())
    );
    drop(locked);
    let over = server.wait_for_line("degraded is over after ");
    assert!(over.ends_with(" s; the store is ready"), "{over}");
    let ended = server.stop();
    assert_eq!(
        ended.stderr.matches("degraded").count(),
        2,
        "{}",
        ended.stderr
    );
}

#[test]
fn a_backlog_in_bytes_is_counted_and_neither_estimated_too_low_nor_too_high() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--delta-events", "300", "--backlog-size", "1MiB"];
    let server = Served::start(directory.path(), &options);
    // A life of small events, so that large ones are far from the average.
    let small = |from: usize, to: usize| {
        let event = |id| format!(r#"{{"topic":"t","event_id":"s{id}","payload":1}}"#);
        let events: Vec<String> = (from..to).map(event).collect();
        server.publish(format!("[{}]", events.join(","))).status
    };
    for from in (0..20_000).step_by(100) {
        assert_eq!(small(from, from + 100), 200);
    }
    let locked = lock_index(&server);
    // The delta becomes full, and nothing more is applied.
    let mut next = 20_000;
    while small(next, next + 100) != 202 {
        next += 100;
        assert!(next < 30_000, "the delta is never full");
    }
    let before = server.stats()["backlog"]["bytes"].as_u64().expect("bytes");
    let mut id = 0;
    let refused = loop {
        let answer = publish(&server, id, 50_000);
        if answer.status != 202 {
            break answer;
        }
        id += 1;
        assert!(id < 100, "it is never full");
    };
    let problem = refused.assert_problem(503, "backlog_full");
    let why = problem["detail"].as_str().expect("a sentence");
    assert!(why.contains("at most 1048576 bytes may be"), "{why}");
    let bytes = server.stats()["backlog"]["bytes"].as_u64().expect("bytes");
    assert!(bytes > 1 << 20 && bytes < (1 << 20) + 51_000, "{bytes}");
    let large = bytes - before;
    let taken = u64::try_from(id).expect("a number");
    assert!(
        (50_000 * taken..50_200 * taken).contains(&large),
        "{taken}: {large}"
    );
    let line = server.wait_for_line(" backlog_full: ");
    assert!(
        line.contains(" ERROR ") && line.contains("get 503"),
        "{line}"
    );
    let ready = server.get("/readyz").assert_problem(503, "not_ready");
    assert_eq!(ready["state"], "backlog_full");

    drop(locked);
    server.wait_for_line("backlog_full is over after ");
    // Small events after large ones: as many bytes, not as many events.
    assert_eq!(small(next + 100, next + 200), 200);
    let stats = server.stats();
    assert_eq!(stats["backlog"]["bytes"], 0, "{stats:#}");
}

#[test]
fn a_request_that_is_in_flight_at_a_stop_is_answered_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let server = Served::start(directory.path(), &[]);
    let body = r#"{"topic":"t","event_id":"1","payload":1}"#;
    let mut stream = TcpStream::connect(server.running().address).unwrap();
    let head = format!(
        "POST /publish HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    server.wait_for("in flight", |stats| {
        stats["http"]["requests_in_flight"] == 2
    });
    let address = server.running().address;
    let stopping = std::thread::spawn(move || server.stop());
    // It has been told to stop once it takes no more connections.
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(r#""code":"draining""#), "{answer}");
    let ended = stopping.join().unwrap();
    assert_eq!(ended.code, Some(0));
    let words = "draining is over: 1 requests were in flight and are answered";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
}

#[test]
fn a_poisoned_log_is_told_with_its_cause_and_its_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let server = Served::start(directory.path(), &[]);
    assert_eq!(publish(&server, 0, 10).status, 200);
    let Some(_tracer) = fail_syncs_of_the_committer(server.running().pid()) else {
        return;
    };
    let answer = publish(&server, 1, 10);
    answer.assert_problem(503, "outcome_unknown");
    let ended = server.ended();
    assert_eq!(ended.code, Some(1));
    let said = ended.lines();
    let errors: Vec<&str> = said
        .iter()
        .filter_map(|(level, text)| (*level == "ERROR").then_some(*text))
        .collect();
    let [poisoned, stopped] = errors[..] else {
        panic!("{}", ended.stderr);
    };
    assert!(poisoned.starts_with("poisoned: ") && poisoned.contains("Input/output error"));
    assert!(
        stopped.starts_with("stopped: ") && stopped.ends_with("exit code 1"),
        "{stopped}"
    );
}

/// From now on its syncs fail; none when they cannot be made to.
fn fail_syncs_of_the_committer(pid: u32) -> Option<Owned> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let committer = tasks.map(|task| task.path()).find(|task| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "committer")
    });
    let thread = committer.expect("a committer");
    let tracer = Command::new("strace")
        .args(["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"])
        .arg("-p")
        .arg(thread.file_name().expect("a number"))
        .stderr(Stdio::piped())
        .spawn();
    let mut said = String::new();
    if let Ok(mut tracer) = tracer {
        let stderr = tracer.stderr.take().expect("a pipe");
        let tracer = Owned(tracer);
        let mut stderr = BufReader::new(stderr);
        stderr.read_line(&mut said).unwrap();
        if said.contains("attached") {
            // Else what it writes would end it.
            std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
            return Some(tracer);
        }
    }
    // Not with a macro, whose output of a test that passes is not shown.
    let why = format!("SKIPPED: no system call can be made to fail here: {said}\n");
    std::io::stderr().write_all(why.as_bytes()).expect("stderr");
    None
}
