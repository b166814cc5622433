//! `oncelog publish` before a server that fails, lies still, answers half or is another one:
//! the same events go on until they are acknowledged, and nothing is doubled for nothing.

mod support {
    pub mod client;
    pub mod faulty;
    pub mod process;
    pub mod publish;
}

use rustix::process::Signal;
use support::client::Client;
use support::faulty::{Act, Faulty};
use support::process::{Starting, address_of_its_own, serve_on_command};
use support::publish::{Files, Store, Summary, ids, ndjson, publish_command, publish_stdin, start};

/// Publishes twenty events in batches of ten through a server that does these first.
fn publish_through(
    store: &Store,
    acts: &[Act],
    arguments: &[&str],
    code: i32,
) -> (Faulty, Summary, String) {
    let faulty = Faulty::start(store.process.address, acts.iter().cloned());
    let arguments = [&["--batch", "10"], arguments].concat();
    let (summary, ended) = publish_stdin(&faulty.url, &arguments, ndjson(1..=20), code);
    (faulty, summary, ended.stderr)
}

#[test]
fn whatever_goes_wrong_first_the_same_bytes_are_sent_until_they_are_acknowledged() {
    let html = "<html>bad gateway</html>";
    let cases = [
        (Act::again(503, "draining"), "waiting: 503 draining ("),
        (Act::again(507, "disk_full"), "waiting: 507 disk_full ("),
        (Act::again(500, "internal"), "waiting: 500 internal ("),
        (
            Act::again(408, "body_timeout"),
            "waiting: 408 body_timeout (",
        ),
        (
            Act::again(400, "incomplete_body"),
            "waiting: 400 incomplete_body (",
        ),
        (Act::answer(502, "", html), "waiting: status 502 ("),
        (
            Act::answer(503, "retry-after: 1\r\n", html),
            "waiting: status 503 (",
        ),
        (
            Act::answer(503, "", r#"{"code":"no_upstream","detail":"d"}"#),
            "waiting: status 503 (",
        ),
        (Act::answer(425, "", ""), "waiting: status 425 ("),
        (Act::Close, "waiting: "),
        (Act::Cut(0), "waiting: "),
        (Act::Cut(20), "waiting: the answer broke off ("),
        (Act::Cut(250), "waiting: the answer broke off ("),
        (Act::Swallow, "waiting: "),
        (
            Act::Say("SSH-2.0-x\r\n\r\n".into()),
            "waiting: the answer is not HTTP (",
        ),
        (Act::Stall, "waiting: no answer within 0.3 s ("),
    ];
    std::thread::scope(|threads| {
        for (act, told) in cases {
            threads.spawn(move || goes_on_after(&act, told));
        }
    });
}

fn goes_on_after(act: &Act, told: &str) {
    let store = Store::start();
    let timeout = match act {
        Act::Stall => "300ms",
        _ => "60s",
    };
    let acts = [act.clone(), act.clone()];
    let (faulty, summary, said) = publish_through(&store, &acts, &["--answer-timeout", timeout], 0);
    assert_eq!(summary.retries, 2, "{act:?}: {said}");
    assert!(said.contains(told), "{act:?}: {said}");
    let lines = match act {
        // Each attempt is given longer than the one before.
        Act::Stall => {
            assert!(said.contains("no answer within 0.6 s ("), "{said}");
            2
        }
        _ => 1,
    };
    assert_eq!(said.matches("waiting: ").count(), lines, "{act:?}: {said}");
    assert_eq!(
        said.matches("going on after ").count(),
        1,
        "{act:?}: {said}"
    );
    let published = faulty.published();
    assert_eq!(published.len(), 4, "{act:?}");
    assert!(
        published[0] == published[1] && published[1] == published[2],
        "{act:?}"
    );
    assert_eq!(store.stored(), ids(1..=20), "{act:?}");
    // What the server had got, and could not say so, is a duplicate, and no conflict.
    let got_before = matches!(act, Act::Cut(_) | Act::Swallow);
    let received = if got_before { 40 } else { 20 };
    let counts = (received, 20, received - 20, 0);
    assert_eq!(store.client.settled().counts(), counts, "{act:?}");
    let duplicates = if got_before { 10 } else { 0 };
    assert_eq!(
        summary.counts(),
        (20, 20 - duplicates, duplicates, 0, 0),
        "{act:?}"
    );
}

#[test]
fn verdicts_that_are_pending_are_asked_for_and_nothing_is_published_twice() {
    let store = Store::start();
    let files = Files::new();
    let receipts = files.name("receipts");
    let acts = [
        Act::PassDurable,
        Act::answer(202, "", r#"{"status":"pending"}"#),
        Act::again(503, "index_unavailable"),
        Act::answer(404, "", "no"),
        Act::answer(200, "", "<html>"),
        Act::Close,
        Act::Pass,
        Act::PassDurable,
    ];
    let arguments = ["--receipts", receipts.as_str()];
    let (faulty, summary, said) = publish_through(&store, &acts, &arguments, 0);
    assert_eq!(summary.counts(), (20, 20, 0, 0, 0), "{said}");
    assert_eq!(summary.retries, 0, "{said}");
    let told = "waiting: verdicts; the events are durable";
    assert!(said.contains(told), "{said}");
    assert_eq!(store.client.settled().received, 20);
    assert_eq!(faulty.published().len(), 2);
    let text = std::fs::read_to_string(&receipts).expect("the file");
    let stored = text.matches(r#""verdict":"stored""#).count();
    assert_eq!(stored, 20, "{text}");
}

/// A 202 for ten events at these seqs, by this log.
fn pending(log_id: &str, first_seq: u64) -> Act {
    let receipts: Vec<String> = (0..10)
        .map(|index| {
            let seq = first_seq + index;
            format!(r#"{{"index":{index},"verdict":"pending","seq":{seq},"original_seq":null}}"#)
        })
        .collect();
    let (receipts, last_seq) = (receipts.join(","), first_seq + 9);
    Act::answer(
        202,
        &format!(
            "oncelog-log-id: {log_id}\r\nlocation: /receipts?from={first_seq}&to={last_seq}\r\n"
        ),
        &format!(
            r#"{{"received":10,"unique":0,"duplicates":0,"conflicts":0,"first_seq":{first_seq},"last_seq":{last_seq},"receipts":[{receipts}]}}"#
        ),
    )
}

#[test]
fn events_whose_promised_verdicts_nobody_knows_are_published_again() {
    let store = Store::start();
    let (known, _) = publish_stdin(&store.url, &[], ndjson([0]), 0);
    let log_id = known.log_id.expect("a log");
    let (faulty, summary, said) = publish_through(&store, &[pending(&log_id, 9001)], &[], 0);
    assert_eq!(summary.counts(), (20, 20, 0, 0, 0), "{said}");
    assert_eq!(faulty.published().len(), 3);
    assert_eq!(store.stored(), ids(0..=20));

    // Promised by another log: what stands at those seqs here is something else.
    let store = Store::start();
    publish_stdin(&store.url, &[], ndjson(101..=110), 0);
    let (_, summary, said) = publish_through(&store, &[pending("00ff", 1)], &[], 1);
    assert_eq!(summary.counts(), (20, 20, 0, 0, 0), "{said}");
    assert!(said.contains("another log answers now"), "{said}");
    assert_eq!(store.stored(), ids((101..=110).chain(1..=20)));
}

#[test]
fn another_log_in_mid_run_is_told_loudly_and_is_no_success() {
    let (first, second) = (Store::start(), Store::start());
    let acts = [Act::Pass, Act::PassTo(second.process.address)];
    // So that the seqs of the two differ.
    publish_stdin(&first.url, &[], ndjson([0]), 0);
    let (_, summary, said) = publish_through(&first, &acts, &[], 1);
    assert_eq!(summary.counts(), (20, 20, 0, 0, 0));
    assert!(summary.log_changed);
    assert_eq!((summary.first_seq, summary.last_seq), (Some(1), Some(10)));
    assert_eq!(
        (first.stored(), second.stored()),
        (ids(0..=10), ids(11..=20))
    );
    assert_eq!(
        said.matches("warning: another log answers now").count(),
        1,
        "{said}"
    );
}

/// What may stand at an address where no store is, or where it is away for a while.
fn foreign_answers() -> Vec<(Act, &'static str)> {
    vec![
        (Act::answer(200, "", "{}"), "this is no oncelog"),
        (
            Act::answer(301, "location: /x\r\n", ""),
            "give its own address as --url",
        ),
        (
            Act::answer(403, "", "no"),
            "something before the store forbids it",
        ),
        (Act::answer(404, "", "no"), "look at --url"),
        (Act::answer(405, "", "no"), "look at --url"),
        (Act::answer(415, "", "no"), "concerns every batch"),
    ]
}

#[test]
fn an_address_where_no_store_ever_answered_is_given_up_at_once() {
    let store = Store::start();
    for (act, told) in foreign_answers() {
        let (faulty, summary, said) = publish_through(&store, &[act], &[], 2);
        assert!(said.contains(told), "{told}: {said}");
        assert!(
            said.contains(
                "not acknowledged: 10 events of the last batch, stdin line 1 to stdin line 10"
            ),
            "{said}"
        );
        assert_eq!((summary.stored, summary.unacknowledged), (0, 10));
        assert_eq!(faulty.published().len(), 1);
    }
    assert_eq!(store.stored(), ids([]));
}

#[test]
fn a_store_that_answered_before_is_waited_for_whatever_answers_in_its_place() {
    let acts = foreign_answers().into_iter().map(|(act, _)| act);
    // The first batch, then all of these for the second.
    let acts: Vec<Act> = std::iter::once(Act::Pass).chain(acts).collect();
    let store = Store::start();
    let (faulty, summary, said) = publish_through(&store, &acts, &[], 0);
    assert_eq!(summary.counts(), (20, 20, 0, 0, 0), "{said}");
    assert_eq!(summary.retries, 6, "{said}");
    for status in [200, 301, 403, 404, 405, 415] {
        let told = format!("waiting: status {status}, not from the store (");
        assert!(said.contains(&told), "{told}: {said}");
    }
    assert_eq!(faulty.published().len(), 8);
    assert_eq!(store.client.settled().counts(), (20, 20, 0, 0));
}

#[test]
fn what_a_store_says_of_every_batch_stops_it_at_once() {
    let body = r#"{"type":"x","title":"x","status":415,"detail":"d","code":"unsupported_media_type","retry":"after_fix"}"#;
    let acts = [Act::Pass, Act::answer(415, "", body)];
    let store = Store::start();
    let (faulty, summary, said) = publish_through(&store, &acts, &[], 2);
    assert!(said.contains("concerns every batch"), "{said}");
    assert!(
        said.contains(
            "not acknowledged: 10 events of the last batch, stdin line 11 to stdin line 20"
        ),
        "{said}"
    );
    assert_eq!((summary.stored, summary.unacknowledged), (10, 10));
    assert_eq!(faulty.published().len(), 2);
}

#[test]
fn an_attempt_that_was_too_late_is_followed_by_longer_ones_until_something_is_acknowledged() {
    let store = Store::start();
    let late = || [Act::Stall, Act::Stall, Act::Stall];
    let acts: Vec<Act> = late()
        .into_iter()
        .chain([Act::Pass])
        .chain(late())
        .collect();
    let (faulty, summary, said) = publish_through(&store, &acts, &["--answer-timeout", "300ms"], 0);
    let waits: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split_once("no answer within ")?.1.split_once(" s ("))
        .map(|(seconds, _)| seconds)
        .collect();
    assert_eq!(waits, ["0.3", "0.6", "1.2", "0.3", "0.6", "1.2"], "{said}");
    assert_eq!(summary.retries, 6, "{said}");
    assert_eq!(faulty.published().len(), 8);
}

#[test]
fn patience_ends_where_it_was_limited_and_what_is_acknowledged_is_told() {
    let store = Store::start();
    let arguments = ["--give-up-after", "400ms"];
    let acts = [Act::Pass, Act::Stall];
    let (_, summary, said) = publish_through(&store, &acts, &arguments, 1);
    assert_eq!((summary.stored, summary.unacknowledged), (10, 10), "{said}");
    assert!(said.contains("--give-up-after"), "{said}");
    assert!(said.contains("stdin line 11 to stdin line 20"), "{said}");

    let nobody = format!("http://{}", address_of_its_own());
    let (summary, ended) = publish_stdin(&nobody, &arguments, ndjson(1..=3), 1);
    assert_eq!((summary.stored, summary.unacknowledged), (0, 3));
    assert!(
        ended.stderr.contains("connection refused"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_store_that_is_not_there_yet_is_waited_for() {
    let address = address_of_its_own();
    let files = Files::new();
    let events = files.write("events", ndjson(1..=20));
    let mut waiting = start(publish_command(&format!("http://{address}"), &[&events]));
    waiting.wait_for_line(&format!("waiting: connection refused (http://{address})"));
    let data_dir = tempfile::tempdir().expect("a directory");
    let store = Starting::spawn(serve_on_command(&address, data_dir.path(), &[])).ready();
    let ended = waiting.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("going on after"), "{}", ended.stderr);
    assert_eq!(Summary::of(&ended).counts(), (20, 20, 0, 0, 0));
    assert_eq!(
        Client::new(store.address).settled().counts(),
        (20, 20, 0, 0)
    );
}

#[test]
fn quiet_says_nothing_about_waiting() {
    let store = Store::start();
    let (_, summary, said) = publish_through(&store, &[Act::Close], &["--quiet"], 0);
    assert_eq!((summary.retries, said.as_str()), (1, ""));
}

#[test]
fn the_batch_in_flight_at_a_signal_may_still_be_acknowledged_and_no_other_is_sent() {
    let store = Store::start();
    let faulty = Faulty::start(store.process.address, [Act::Pass, Act::Hold]);
    let files = Files::new();
    let events = files.write("events", ndjson(1..=30));
    let mut publishing = start(publish_command(&faulty.url, &["--batch", "10", &events]));
    faulty.wait_for_requests(2);
    publishing.signal(Signal::TERM);
    publishing.wait_for_line("stopping: the batch in flight may still be acknowledged");
    faulty.release();
    let ended = publishing.end();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    let summary = Summary::of(&ended);
    assert_eq!((summary.stored, summary.unacknowledged), (20, 0));
    assert_eq!(store.stored(), ids(1..=20));
}
