//! A write or a sync fails under publishers. Whoever was written and not synced is told that
//! the outcome is unknown, whoever waits that nothing was written; nothing more is taken, the
//! process says why and ends with 1; and the restart decides from the disk.

#[path = "judge/checker.rs"]
mod checker;
#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "judge/history.rs"]
mod history;
#[path = "support/mount.rs"]
mod mount;
#[path = "support/operations.rs"]
mod operations;
#[path = "support/process.rs"]
mod process;
#[path = "judge/publisher.rs"]
mod publisher;
#[path = "support/random.rs"]
mod random;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "support/store.rs"]
mod store;
#[path = "support/strace.rs"]
mod strace;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use checker::{check, check_settled};
use client::{Answer, Client, Shape, event};
use dump::dump_events;
use history::{Attempt, Figures, Logged, Mark, Outcome, Sent, Span};
use mount::LoopDisk;
use operations::assert_documented;
use process::{Ended, Oncelog, PATIENCE, run_command, serve_command};
use publisher::{Gate, PUBLISHERS, Shut, publish, send};
use random::Random;
use store::{PAYLOAD_AT, frames, segments, wait_for_mark};
use strace::Plan;

/// Between a write and its failing sync, to notice the write and hold the sync.
const SYNC_DELAY: &str = ":delay_enter=1500ms";
const BLOCK_BYTES: usize = 4096;

/// Three events, of which all have the name of the batch in their ids.
fn batch(name: &str) -> String {
    let events: Vec<String> = (0..3)
        .map(|place| event("t", &format!("{name}-{place}"), r#"{"n":1}"#))
        .collect();
    Shape::Array.body(&events)
}

/// How many events of this batch are in a log that is well.
fn count(data_dir: &Path, name: &str) -> usize {
    let all = dump_events(data_dir, &[]);
    all.iter()
        .filter(|event| event.event_id.starts_with(&format!("{name}-")))
        .count()
}

/// Waits for bytes at this place of a segment; a write is seen through the page cache.
fn wait_for_bytes(segment: &Path, at: usize) {
    let file = fs::File::open(segment).expect("the segment");
    wait_for(|| {
        let mut bytes = [0; 64];
        file.read_exact_at(&mut bytes, at as u64).expect("room");
        bytes != [0; 64]
    });
}

/// Waits until so many requests are at work, and the one that asks.
fn wait_for_requests(client: &Client, count: u64) {
    wait_for(|| {
        let stats: serde_json::Value = client.get("/stats").ok().parse();
        stats["http"]["requests_in_flight"] == count + 1
    });
}

/// Publishes "first", then "second" while the call of "first" fails, then "third"; checks
/// what must be so in any case. Gives the answers to the first two, and the process's end.
/// None if no fault can be had here.
fn poisoned_by(call: &'static str, error: &str) -> Option<(Answer, Answer, Ended)> {
    let data_dir = tempfile::tempdir().expect("a directory");
    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    client.publish(batch("before"));
    let mark = wait_for_mark(data_dir.path());
    let segment = data_dir.path().join("log").join(&mark.segment);
    let is_sync = call == "fdatasync";
    let delay = if is_sync { SYNC_DELAY } else { "" };
    let plan = Plan::on(call, &format!("error={error}{delay}:when=1"));
    let strace = strace::attach(process.pid(), "committer", &plan)?;

    let answers = thread::scope(|threads| {
        let publish = |name| client.try_publish("", batch(name)).expect("an answer");
        if !is_sync {
            strace.hold();
        }
        let first = threads.spawn(move || publish("first"));
        if is_sync {
            wait_for_bytes(&segment, mark.end());
            strace.hold();
        }
        wait_for_requests(&client, 1);
        let second = threads.spawn(move || publish("second"));
        wait_for_requests(&client, 2);
        strace.let_go();
        (
            first.join().expect("an answer"),
            second.join().expect("an answer"),
        )
    });
    // The process may have ended meanwhile; it must not take anything.
    if let Ok(third) = client.try_publish("", batch("third")) {
        assert_eq!(third.status, 503, "{}", third.text);
        assert_eq!(third.problem_code(), "not_written");
    }
    let ended = process.ended();
    drop(strace);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_documented("Poisoned", &ended.stderr);

    let process = Oncelog::start(data_dir.path());
    let client = Client::new(process.address);
    client.settled();
    assert_eq!(count(data_dir.path(), "before"), 3);
    assert_eq!(count(data_dir.path(), "third"), 0);
    for name in ["first", "second"] {
        let kept = count(data_dir.path(), name);
        assert!(kept == 0 || kept == 3, "{kept} of {name}");
        let receipt = client.publish(batch(name));
        let known = kept as u64;
        assert_eq!((receipt.unique, receipt.duplicates), (3 - known, known));
    }
    let stats = client.settled();
    assert_eq!((stats.unique_processed, stats.conflicts), (9, 0));
    Some((answers.0, answers.1, ended))
}

fn assert_says(answer: &Answer, code: &str) {
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.problem_code(), code);
    assert!(answer.retry_after.is_some());
}

#[test]
fn a_sync_that_fails_leaves_the_group_unknown_and_the_queue_not_written() {
    for error in ["EIO", "ENOSPC"] {
        let Some((first, second, ended)) = poisoned_by("fdatasync", error) else {
            return;
        };
        assert_says(&first, "outcome_unknown");
        assert_says(&second, "not_written");
        assert!(ended.stderr.contains("cannot sync"), "{}", ended.stderr);
    }
}

#[test]
fn a_write_that_fails_poisons_even_for_want_of_room() {
    for error in ["EIO", "ENOSPC"] {
        let Some((first, second, ended)) = poisoned_by("pwrite64", error) else {
            return;
        };
        assert_says(&first, "outcome_unknown");
        // It may have come into the same group.
        assert!(["outcome_unknown", "not_written"].contains(&second.problem_code().as_str()));
        assert!(ended.stderr.contains("cannot write"), "{}", ended.stderr);
    }
}

#[test]
fn a_directory_that_cannot_be_synced_poisons_before_anything_is_in_the_new_segment() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let options = ["--segment-size", "64KiB"];
    let process = Oncelog::start_with(data_dir.path(), &options);
    let client = Client::new(process.address);
    client.publish(batch("before"));
    let plan = Plan::on("fsync", "error=EIO:when=1");
    let Some(strace) = strace::attach(process.pid(), "committer", &plan) else {
        return;
    };
    let large = |id: u32| {
        event(
            "t",
            &format!("{id}"),
            &format!("\"{}\"", "x".repeat(20_000)),
        )
    };
    let mut taken = 0;
    let refused = loop {
        let answer = client.try_publish("", large(taken)).expect("an answer");
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
        assert!(taken < 10, "no segment is begun");
    };
    assert_says(&refused, "not_written");
    let ended = process.ended();
    drop(strace);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_documented("Poisoned", &ended.stderr);
    let process = Oncelog::start_with(data_dir.path(), &options);
    let stats = Client::new(process.address).settled();
    assert_eq!(stats.unique_processed, u64::from(3 + taken));
}

#[test]
fn room_that_cannot_be_made_is_refused_and_made_again_and_no_poison() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let options = ["--segment-size", "64KiB"];
    let process = Oncelog::start_with(data_dir.path(), &options);
    let client = Client::new(process.address);
    client.publish(batch("before"));
    let plan = Plan::on("fdatasync", "error=EIO:when=1..2");
    let Some(strace) = strace::attach(process.pid(), "room", &plan) else {
        return;
    };
    let until = Instant::now() + PATIENCE;
    let mut refused = 0;
    for id in 0..10 {
        let large = event(
            "t",
            &format!("{id}"),
            &format!("\"{}\"", "x".repeat(20_000)),
        );
        loop {
            let answer = client.try_publish("", large.clone()).expect("an answer");
            if answer.status == 200 {
                break;
            }
            assert_says(&answer, "not_written");
            if refused == 0 {
                let not_ready = client.get("/readyz");
                assert_eq!(not_ready.status, 503, "{}", not_ready.text);
                let says = |text| not_ready.text.contains(text);
                assert!(says(r#""state":"disk_failing""#), "{}", not_ready.text);
                assert!(says("cannot make room"), "{}", not_ready.text);
            }
            refused += 1;
            assert!(Instant::now() < until, "no room is made any more");
            thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(refused > 0, "the fault was never met");
    drop(strace);
    assert_eq!(client.settled().unique_processed, 13);
    process.wait_for_line("disk_failing is over");
    let ended = process.terminate();
    assert_eq!(ended.code, Some(0));
    assert_documented("The disk fails while room is made", &ended.stderr);
    assert!(!ended.stderr.contains("disk_full"), "{}", ended.stderr);
}

#[test]
fn a_disk_that_is_gone_at_the_start_may_come_back() {
    let data_dir = tempfile::tempdir().expect("a directory");
    let plan = Plan::on("openat", "error=EIO").in_file(&data_dir.path().join("log"));
    let Some(command) = strace::command(serve_command(data_dir.path(), &[]), &plan) else {
        return;
    };
    let ended = run_command(command);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_documented("The disk is gone", &ended.stderr);
}

/// Publishes what makes the log end where a block of the disk does, and gives that place.
/// (A loop device takes a write of which a part was done for one that was done: seen on
/// Linux 6.18. So none may begin before what is taken away.)
fn end_at_a_block(data_dir: &Path, client: &Client, history: &Mutex<Vec<Attempt>>) -> usize {
    let mut random = Random::new(1);
    let mut publish = |batch, filling: usize| {
        let mark = Mark {
            publisher: PUBLISHERS,
            batch,
            attempt: 0,
        };
        let events: Arc<[Sent]> = Arc::new([Sent {
            topic: "filling".to_owned(),
            event_id: format!("filling-{batch}"),
            payload: format!("\"{}\"", "x".repeat(filling)),
        }]);
        let outcome = send(client, &mut random, mark, &events);
        assert!(outcome.is_acknowledged());
        history.lock().expect("attempts").push(Attempt {
            mark,
            events,
            outcome,
            span: Span::default(),
        });
        wait_for_mark(data_dir)
    };
    let mark_bytes = PAYLOAD_AT;
    let end = publish(0, 8).end();
    let frames = frames(data_dir);
    let [.., probe, _] = frames.as_slice() else {
        panic!("a frame and its mark");
    };
    let least = probe.end() - probe.offset;
    let left = (BLOCK_BYTES - (end + least + mark_bytes) % BLOCK_BYTES) % BLOCK_BYTES;
    let end = publish(1, 8 + left).end();
    assert_eq!(end % BLOCK_BYTES, 0);
    end
}

/// A real disk that has no room for what is written: the sync says so once, and would lie
/// after that.
#[test]
fn a_disk_that_loses_writes_for_want_of_room_costs_no_acknowledged_event() {
    loses_no_acknowledged_event("(os error 28)", LoopDisk::mount);
}

/// A real disk that fails: the sync says EIO once, and would lie after that.
#[test]
fn a_disk_that_loses_writes_with_an_io_error_costs_no_acknowledged_event() {
    loses_no_acknowledged_event("(os error 5)", LoopDisk::mount_on_another);
}

/// Publishers at work, blocks of the active segment taken away under them, a restart on the
/// disk as it then is.
fn loses_no_acknowledged_event(
    error: &str,
    mount: impl FnOnce(&Path, &Path, u64) -> Option<LoopDisk>,
) {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("data");
    let Some(disk) = mount(&data_dir, &directory.path().join("below"), 48) else {
        return;
    };
    let seed = 20;
    let (gate, history) = (Gate::default(), Mutex::new(Vec::new()));
    let process = thread::scope(|threads| {
        let process = Oncelog::start(&data_dir);
        let shut = Shut(&gate);
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|number| {
                let (gate, history) = (&gate, &history);
                threads.spawn(move || publish(number, seed, gate, history))
            })
            .collect();
        gate.open(process.address);
        wait_for(|| history.lock().expect("attempts").len() > 50);
        gate.close();
        let end = end_at_a_block(&data_dir, &Client::new(process.address), &history);
        let segment = segments(&data_dir).pop().expect("a segment");
        disk.take_away(&segment, end as u64);

        gate.open(process.address);
        let ended = process.ended();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert_documented("Poisoned", &ended.stderr);
        assert!(ended.stderr.contains("cannot sync"), "{}", ended.stderr);
        assert!(ended.stderr.contains(error), "{}", ended.stderr);
        gate.close();
        disk.give_back();

        let process = Oncelog::start(&data_dir);
        gate.last_call();
        gate.open(process.address);
        wait_for(|| publishers.iter().all(thread::ScopedJoinHandle::is_finished));
        drop(shut);
        process
    });
    let attempts = history.into_inner().expect("attempts");
    assert_eq!(check_settled(&attempts), []);
    let is_unknown = |attempt: &Attempt| matches!(attempt.outcome, Outcome::Unknown);
    assert!(attempts.iter().any(is_unknown), "nobody was hit");
    let stats = Client::new(process.address).settled();
    let log: Vec<Logged> = dump_events(&data_dir, &[])
        .into_iter()
        .map(Logged::from)
        .collect();
    let found = check(&log, &attempts, Figures::from(&stats));
    assert!(found.is_empty(), "{found:?}");
    drop((process, disk));
}

fn wait_for(is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it never comes");
        thread::sleep(Duration::from_millis(5));
    }
}
