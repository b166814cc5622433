//! Many clients that take all they can get: connections, bodies, answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::bodies::{BODY_BYTES_MAX, with_payload};
use crate::bystander::Bystander;
use crate::support::http::PATIENCE;
use crate::support::raw::RawClient;
use crate::support::skipped::say_skipped;
use crate::target::Target;

const MIB: u64 = 1 << 20;
/// The defaults of `--max-connections` and `--in-flight`.
const CONNECTIONS_MAX: usize = 1024;
const IN_FLIGHT_BYTES: u64 = 256 * MIB;

/// Watches the server's memory while something goes on, and gives the most that it was above
/// what it was before.
fn memory_while<T>(target: &Target, work: impl FnOnce() -> T) -> (u64, T) {
    let before = target.anonymous_bytes();
    let (most, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(target.anonymous_bytes(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        // Also when the work fails, or the watcher would never end.
        let _ends = Ends(&done);
        work()
    });
    let more = most.into_inner().saturating_sub(before);
    (more, result)
}

struct Ends<'d>(&'d AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn connections_over_the_limit_are_told_and_those_within_are_served() {
    const CLIENTS: usize = 1_500;
    if !may_open(CLIENTS + 200) {
        return;
    }
    let target = Target::start();
    let bystander = Bystander::start(&target);
    let (more, served) = memory_while(&target, || {
        let mut served: Vec<RawClient> = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = target.connect();
            client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
            let answer = client.answer();
            if answer.status == 200 {
                served.push(client);
                continue;
            }
            let problem = answer.assert_problem(503, "overloaded");
            assert_eq!(problem["retry"], "same_ids");
            client.ends();
            client.assert_closed();
        }
        // All that were let in are still served, one after the other.
        for client in &mut served {
            assert_eq!(client.get("/healthz").status, 200);
        }
        bystander.wait_for_rounds(1);
        served
    });
    // The bystander has one, and the target's own client may have had another.
    assert!(
        (CONNECTIONS_MAX - 2..CONNECTIONS_MAX).contains(&served.len()),
        "{}",
        served.len()
    );
    assert!(
        more < CONNECTIONS_MAX as u64 * MIB / 8,
        "{} MiB",
        more / MIB
    );
    drop(served);
    let until = Instant::now() + PATIENCE;
    while target.connect().get("/healthz").status != 200 {
        assert!(Instant::now() < until, "the places were never given back");
    }
    bystander.end();
    let warnings = target
        .server()
        .said()
        .matches("connections are refused")
        .count();
    assert!(
        (1..=10).contains(&warnings),
        "{warnings}: no flood in the log"
    );
}

/// Raises this process's own limit of open files, if that is possible here.
fn may_open(files: usize) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let has = limit.maximum.is_none_or(|most| most >= files as u64);
    if !has || setrlimit(Resource::Nofile, raised).is_err() {
        let most = limit.maximum;
        say_skipped(&format!(
            "{files} open files are needed, the limit is {most:?}"
        ));
        return false;
    }
    true
}

/// A publish of an event of the largest size.
fn large_publish(id: usize) -> Vec<u8> {
    let empty = with_payload(&id.to_string(), "\"\"");
    let payload = format!("\"{}\"", "x".repeat(BODY_BYTES_MAX - empty.len()));
    let body = with_payload(&id.to_string(), &payload);
    assert_eq!(body.len(), BODY_BYTES_MAX);
    let head = "POST /publish HTTP/1.1\r\nhost: x\r\ncontent-length:";
    format!("{head} {BODY_BYTES_MAX}\r\n\r\n{body}").into_bytes()
}

#[test]
fn the_largest_bodies_by_the_dozen_stay_within_the_memory_for_bodies() {
    let target = Target::start();
    let bystander = Bystander::start(&target);
    let (more, ()) = memory_while(&target, || {
        std::thread::scope(|scope| {
            for id in 0..12 {
                let target = &target;
                scope.spawn(move || {
                    let request = large_publish(id);
                    // As a publisher does that is told to send the same ids again.
                    let until = Instant::now() + PATIENCE * 3;
                    loop {
                        let answer = target.raw(&request);
                        if answer.status == 200 {
                            return assert_eq!(answer.json()["received"], 1);
                        }
                        answer.assert_problem(503, "overloaded");
                        assert!(Instant::now() < until, "never taken");
                    }
                });
            }
        });
    });
    bystander.end();
    // A body, and its copy in the log's own form while it waits to be written.
    assert!(more < 2 * IN_FLIGHT_BYTES + 128 * MIB, "{} MiB", more / MIB);
}

#[test]
fn bodies_that_are_only_announced_take_no_memory() {
    let target = Target::start();
    let bystander = Bystander::start(&target);
    let (more, held) = memory_while(&target, || {
        let held: Vec<RawClient> = (0..500)
            .map(|_| {
                let mut client = target.connect();
                client.send(format!(
                    "POST /publish HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY_BYTES_MAX}\r\n\r\n["
                ));
                client
            })
            .collect();
        bystander.wait_for_rounds(20);
        held
    });
    bystander.end();
    assert!(more < held.len() as u64 * MIB / 4, "{} MiB", more / MIB);
}

#[test]
fn large_bodies_that_never_end_do_not_starve_small_publishers() {
    // Their deadline would end it.
    let target = Target::with(&["--body-timeout", "10m"]);
    let bystander = Bystander::start(&target);
    let request = large_publish(0);
    let all_but_the_last_byte = &request[..request.len() - 1];
    let (more, held) = memory_while(&target, || {
        let mut holders: Vec<RawClient> = (0..16).map(|_| target.connect()).collect();
        std::thread::scope(|scope| {
            for holder in &mut holders {
                // It may be told that there is no room before all is sent.
                scope.spawn(|| holder.try_send(all_but_the_last_byte));
            }
        });
        bystander.wait_for_rounds(20);
        let told = holders.iter_mut().filter_map(|holder| {
            let answered = holder.has_answer();
            answered.then(|| holder.answer().assert_problem(503, "overloaded"))
        });
        let told = told.count();
        holders.len() - told
    });
    assert!((1..=8).contains(&held), "{held} are held");
    assert!(more < IN_FLIGHT_BYTES + 128 * MIB, "{} MiB", more / MIB);
    bystander.end();
}

#[test]
fn bodies_wait_for_their_turn_when_those_in_flight_take_all_the_memory() {
    let options = [
        "--max-body",
        "1000",
        "--in-flight",
        "1000",
        "--body-timeout",
        "500ms",
    ];
    let target = Target::with(&options);
    let half = "POST /publish HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n[";
    let mut holders: Vec<RawClient> = (0..2).map(|_| target.connect()).collect();
    for holder in &mut holders {
        holder.send(half);
    }
    // One has the room until its deadline; the other is told, or gets the room just in time.
    let mut told: Vec<u16> = Vec::new();
    for holder in &mut holders {
        let answer = holder.answer();
        match answer.status {
            408 => answer.assert_problem(408, "body_timeout"),
            other => answer.assert_problem(other, "overloaded"),
        };
        told.push(answer.status);
    }
    assert!(told.contains(&408), "{told:?}");
    target.takes("", with_payload("1", "1"));
}

fn who_never_reads(target: &Target) {
    const CLIENTS: usize = 50;
    // More than any kernel buffers for a connection.
    let payload = format!("\"{}\"", "x".repeat(1 << 10));
    for batch in 0..48 {
        let id = |no: usize| format!("{batch}-{no}");
        let events: Vec<String> = (0..500).map(|no| with_payload(&id(no), &payload)).collect();
        target.takes("", format!("[{}]", events.join(",")));
    }
    target.server().wait_until_well();
    let bystander = Bystander::start(target);
    let before = sockets(target);
    let (more, clients) = memory_while(target, || {
        let clients: Vec<RawClient> = (0..CLIENTS)
            .map(|_| {
                let mut client = target.connect();
                client.send("GET /events HTTP/1.1\r\nhost: x\r\n\r\n");
                client
            })
            .collect();
        // One that was not let in yet is not let go either.
        let are_answered = || clients.iter().all(RawClient::has_answer);
        let until = Instant::now() + PATIENCE * 3;
        while !are_answered() || sockets(target) > before {
            assert!(Instant::now() < until, "they stay for ever");
            std::thread::sleep(Duration::from_millis(20));
        }
        clients
    });
    bystander.end();
    // For each two pages of text, and what hyper holds of it.
    assert!(
        more < CLIENTS as u64 * 2 * MIB + 32 * MIB,
        "{} MiB",
        more / MIB
    );
    for mut client in clients {
        let mut answer = Vec::new();
        // Closed or reset, as long as it does not look whole.
        let _ = std::io::Read::read_to_end(&mut client.stream, &mut answer);
        assert!(!answer.ends_with(b"0\r\n\r\n"), "it is not a whole answer");
    }
}

/// How many sockets the server has.
fn sockets(target: &Target) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", target.server().pid()));
    files
        .expect("it runs")
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}

#[test]
fn clients_that_never_read_are_let_go_and_their_answers_are_not_kept() {
    who_never_reads(&Target::with(&["--write-timeout", "1s"]));
}

#[test]
#[ignore = "waits for the true deadline, 30 s"]
fn clients_that_never_read_are_let_go_by_default() {
    who_never_reads(&Target::start());
}
