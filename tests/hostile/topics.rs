//! `--max-topics`, when many ask at once and when the index knows nothing of it yet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use crate::target::Target;

fn event(topic: &str, id: u64) -> String {
    format!(r#"{{"topic":"{topic}","event_id":"{id}","payload":null}}"#)
}

#[test]
fn publishers_at_once_get_exactly_as_many_topics_as_there_may_be() {
    let target = Target::with(&["--max-topics", "50"]);
    let (taken, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for publisher in 0..20 {
            let (target, taken, refused) = (&target, &taken, &refused);
            scope.spawn(move || {
                for no in 0..6 {
                    let body = event(&format!("{publisher}-{no}"), no);
                    let mut answer = target.publish("", body.clone());
                    // Those on their way may take the last places, or give them back.
                    while answer.status == 503 {
                        answer.assert_problem(503, "not_written");
                        answer = target.publish("", body.clone());
                    }
                    let counter = if answer.status == 200 {
                        taken
                    } else {
                        answer.assert_problem(422, "too_many_topics");
                        refused
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    // One is the target's own.
    assert_eq!((taken.into_inner(), refused.into_inner()), (49, 71));
    assert_eq!(target.server().wait_until_well()["topics_total"], 50);
    // Known topics are still taken, and a batch with a new one is not, whole as it is.
    target.takes("", event("known", 2));
    let mixed = format!("[{},{}]", event("known", 3), event("new", 1));
    target.refuses("", mixed, 422, "too_many_topics");
}

#[test]
fn topics_that_the_index_has_not_reached_are_counted() {
    let target = Target::with(&["--max-topics", "10", "--delta-events", "1"]);
    target.server().wait_until_flushed();
    // Nothing can be flushed, so that almost nothing can be applied.
    let index = Connection::open(target.server().index_file()).expect("an index");
    index
        .busy_timeout(Duration::from_secs(5))
        .expect("a timeout");
    index.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    for no in 2..=10 {
        let answer = target.publish("wait=durable", event(&format!("t{no}"), no));
        assert_eq!(answer.status, 202, "{}", answer.text);
    }
    let stats = target.server().stats();
    let pending = stats["pending"].as_u64().expect("a number");
    assert!(pending > 5, "the index stands still: {stats:#}");
    let refused = target.publish("wait=durable", event("t11", 11));
    refused.assert_problem(422, "too_many_topics");
    let known = target.publish("wait=durable", event("t10", 12));
    assert_eq!(known.status, 202, "{}", known.text);
    index.execute_batch("ROLLBACK").expect("the lock goes back");
    assert_eq!(target.server().wait_until_well()["topics_total"], 10);
    target.refuses("", event("t11", 13), 422, "too_many_topics");
}
