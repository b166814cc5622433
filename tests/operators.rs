//! What an operator goes by: the figures of `/stats`, and the log lines of the real binary.

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oncelog::http::HttpOptions;
use serde_json::Value;
use support::book::{Event, body};
use support::http::Server;
use support::served::Served;

const STATS_PAGE: &str = include_str!("../docs/stats.md");
/// Maps from statuses to counts: what they hold depends on what happened.
const MAPS: [&str; 2] = ["last_minute.answers", "http.answers"];

fn batch(first: u64, count: u64) -> String {
    let events: Vec<Event> = (first..first + count).map(Event::new).collect();
    body(&events)
}

/// The paths of all members that hold no further object, as `log.bytes`.
fn members(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(inner) if !MAPS.contains(&path) => {
            for (name, value) in inner {
                let dot = if path.is_empty() { "" } else { "." };
                members(value, &format!("{path}{dot}{name}"), found);
            }
        }
        _ => assert!(found.insert(path.to_owned()), "{path} is there twice"),
    }
}

/// The member at this path.
fn at<'v>(stats: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(stats, |value, name| {
        value
            .get(name)
            .unwrap_or_else(|| panic!("no {path}: {stats:#}"))
    })
}

fn number(stats: &Value, path: &str) -> f64 {
    let value = at(stats, path);
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{path} is no number: {value}"))
}

#[test]
fn every_member_of_the_stats_is_documented_and_every_documented_one_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let server = Served::start(directory.path(), &[]);
    let mut shown = BTreeSet::new();
    members(&server.stats(), "", &mut shown);
    let rows = STATS_PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<String> = rows
        .filter_map(|row| row.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(shown, documented);
}

#[test]
fn the_figures_of_a_young_store_are_typed_bounded_and_true() {
    let directory = tempfile::tempdir().unwrap();
    let server = Served::start(directory.path(), &[]);
    let empty = server.stats();
    assert_eq!(*at(&empty, "log.bytes_per_event"), Value::Null);
    assert_eq!(*at(&empty, "index.bytes_per_event"), Value::Null);
    let ready_since = at(&empty, "state.since").clone();
    assert!(ready_since.as_str().is_some_and(|time| time.ends_with('Z')));

    assert_eq!(server.publish(batch(0, 300)).status, 200);
    assert_eq!(server.publish(batch(200, 200)).status, 200);
    assert_eq!(server.publish("nonsense".to_owned()).status, 400);
    assert_eq!(server.get("/nowhere").status, 404);
    let stats = server.wait_until_flushed();

    let frames = number(&stats, "log.frame_bytes");
    let per_event = number(&stats, "log.bytes_per_event");
    assert!((per_event - frames / 500.0).abs() <= 0.05, "{stats:#}");
    let per_event = number(&stats, "index.bytes_per_event");
    assert!((per_event - number(&stats, "index.bytes") / 500.0).abs() <= 0.05);

    assert!(number(&stats, "disk.free_bytes") <= number(&stats, "disk.total_bytes"));
    // Both lie on one, and a minute has not passed.
    for path in [
        "disk.index_free_bytes",
        "disk.index_total_bytes",
        "disk.growth_measured_seconds",
        "disk.growth_bytes_per_day",
        "disk.days_left",
    ] {
        assert!(at(&stats, path).is_null() || number(&stats, "uptime") > 55.0);
    }

    let seconds = number(&stats, "last_minute.measured_seconds");
    assert!(seconds > 0.0 && seconds <= number(&stats, "uptime") + 1.0);
    let events = number(&stats, "last_minute.events_per_second") * seconds;
    assert!((490.0..=510.0).contains(&events), "{events}: {stats:#}");
    let duplicates = number(&stats, "last_minute.duplicates_per_second") * seconds;
    assert!((95.0..=105.0).contains(&duplicates), "{duplicates}");
    for rate in ["batches", "bytes", "syncs"] {
        let rate = format!("last_minute.{rate}_per_second");
        assert!(number(&stats, &rate) > 0.0, "{rate}: {stats:#}");
    }
    for answers in ["last_minute.answers", "http.answers"] {
        assert_eq!(at(&stats, answers)["400"], 1, "{stats:#}");
        assert_eq!(at(&stats, answers)["404"], 1, "{stats:#}");
        assert!(at(&stats, answers)["200"].as_u64() >= Some(2), "{stats:#}");
    }

    assert_eq!(*at(&stats, "http.requests_in_flight"), 1, "this one");
    assert_eq!(number(&stats, "http.body_bytes_in_flight"), 0.0);
    assert_eq!(*at(&stats, "http.body_bytes_max"), 256 << 20);
    let open = number(&stats, "http.connections");
    let seen = number(&stats, "http.connections_max_seen");
    assert!(1.0 <= open && open <= seen && seen <= number(&stats, "http.connections_max"));

    assert_eq!(number(&stats, "backlog.events"), 0.0);
    assert_eq!(number(&stats, "backlog.bytes"), 0.0);
    assert_eq!(*at(&stats, "backlog.bytes_max"), 16u64 << 30);
    assert_eq!(*at(&stats, "state.since"), ready_since, "ready ever since");
}

#[test]
fn counters_of_the_store_survive_a_kill_and_those_of_the_process_begin_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Served::start(directory.path(), &[]);
    assert_eq!(server.publish(batch(0, 300)).status, 200);
    assert_eq!(server.publish(batch(200, 200)).status, 200);
    let before = server.wait_until_flushed();
    server.kill_and_restart();
    let after = server.wait_until_well();
    for path in [
        "received",
        "unique_processed",
        "duplicate_dropped",
        "fold_hash",
    ] {
        assert_eq!(at(&after, path), at(&before, path), "{path}");
    }
    assert_eq!(*at(&after, "log.batches"), 0);
    assert_eq!(number(&after, "last_minute.events_per_second"), 0.0);
    assert_eq!(number(&after, "backlog.bytes"), 0.0);
    assert!(number(&after, "log.bytes_per_event") > 0.0);
}

/// With samples so often, the last minute is over in a quarter of a second.
fn quick() -> HttpOptions {
    HttpOptions {
        sample_every: Duration::from_millis(20),
        ..HttpOptions::default()
    }
}

/// Asks until the figures are such.
fn wait_for(server: &Server, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let stats = server.get("/stats").json();
        if is_so(&stats) {
            return stats;
        }
        assert!(
            begun.elapsed() < support::process::PATIENCE,
            "not {what}: {stats:#}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn rates_rise_with_traffic_and_fall_back_to_nothing_and_the_days_left_are_told() {
    let server = Server::with(quick());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                // Half of each is known already.
                let answer = server.publish("", batch(round * 50, 100));
                assert_eq!(answer.status, 200, "{}", answer.text);
                assert_eq!(server.get("/nowhere").status, 404);
                round += 1;
            }
        });
        let busy = |stats: &Value| {
            number(stats, "last_minute.events_per_second") > 0.0
                && at(stats, "last_minute.duplicates_per_second").as_f64() > Some(0.0)
                && number(stats, "last_minute.syncs_per_second") > 0.0
                && at(stats, "last_minute.answers")["404"].as_u64() > Some(0)
                && number(stats, "disk.growth_bytes_per_day") > 0.0
        };
        // Growth is told when a minute was measured: null before that.
        let told = |stats: &Value| !at(stats, "disk.growth_bytes_per_day").is_null();
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(&server, "busy", |stats| told(stats) && busy(stats))
        }));
        stop.store(true, Ordering::Relaxed);
        let stats = seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let days = number(&stats, "disk.days_left");
        let a_day = number(&stats, "disk.growth_bytes_per_day");
        let expected = number(&stats, "disk.free_bytes") / a_day;
        assert!((days - expected).abs() <= 0.01, "{days} or {expected}");
        assert!(number(&stats, "disk.growth_measured_seconds") > 0.0);
    });
    wait_for(&server, "quiet", |stats| {
        number(stats, "last_minute.events_per_second") == 0.0
            && number(stats, "last_minute.bytes_per_second") == 0.0
            && number(stats, "last_minute.syncs_per_second") == 0.0
            && at(stats, "last_minute.duplicates_per_second") == 0.0
            && at(stats, "last_minute.answers").get("404").is_none()
    });
    let answers = server.get("/stats").json();
    assert!(at(&answers, "http.answers")["404"].as_u64() > Some(0));
}
