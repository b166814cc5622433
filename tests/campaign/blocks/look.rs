//! A store started on what a crash left, and held against what its publishers knew.

use std::path::Path;
use std::sync::Arc;

use crate::checker::check;
use crate::client::Client;
use crate::dump::dump_events;
use crate::history::{Attempt, Figures, Logged, Mark, Outcome, Sent, Span};
use crate::process::{Oncelog, command, run_command};
use crate::publisher::{PUBLISHERS, send};
use crate::random::Random;

use super::recording::OPTIONS;

/// What was there.
#[derive(Copy, Clone, Debug, Default)]
#[allow(dead_code, reason = "for who reads them as text")]
pub(crate) struct Seen {
    pub(crate) acknowledged: u64,
    pub(crate) unknown: u64,
    pub(crate) events: u64,
}

/// What publishers knew when so many operations were done. Whoever had no answer yet knows
/// nothing, and who had not begun has sent nothing.
pub(crate) fn known_at(attempts: &[Attempt], done: u64) -> Vec<Attempt> {
    attempts
        .iter()
        .filter(|attempt| attempt.span.begun < done)
        .cloned()
        .map(|mut attempt| {
            if attempt.span.ended > done {
                attempt.outcome = Outcome::Unknown;
            }
            attempt
        })
        .collect()
}

/// Panics when something is wrong. The store is left stopped.
pub(crate) fn look(data_dir: &Path, mut attempts: Vec<Attempt>, name: &str) -> Seen {
    let server = Oncelog::start_with(data_dir, &OPTIONS);
    let client = Client::new(server.address);
    let stats = client.settled();
    let log: Vec<Logged> = logged(client.events("?verdict=all"));
    hold(&log, &attempts, Figures::from(&stats), name, "restarted");

    // It goes on from there.
    let mark = Mark {
        publisher: PUBLISHERS,
        batch: 0,
        attempt: 0,
    };
    let events: Arc<[Sent]> = Arc::new([Sent {
        topic: "afterwards".to_owned(),
        event_id: "afterwards".to_owned(),
        payload: "0".to_owned(),
    }]);
    let outcome = send(&client, &mut Random::new(0), mark, &events);
    assert!(outcome.is_acknowledged(), "{name}: {outcome:?}");
    attempts.push(Attempt {
        mark,
        events,
        outcome,
        span: Span::default(),
    });
    let stats = client.settled();
    assert_eq!(server.terminate().code, Some(0), "{name}");
    let log = logged(dump_events(data_dir, &[]));
    hold(&log, &attempts, Figures::from(&stats), name, "stopped");

    let mut verify = command();
    verify.args(["verify", "--data-dir"]).arg(data_dir);
    let verified = run_command(verify);
    assert_eq!(verified.code, Some(0), "{name}: {verified:?}");

    let unknown = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Unknown);
    Seen {
        acknowledged: attempts
            .iter()
            .filter(|a| a.outcome.is_acknowledged())
            .count() as u64,
        unknown: attempts.iter().filter(unknown).count() as u64,
        events: stats.received,
    }
}

fn logged(shown: Vec<crate::client::ShownEvent>) -> Vec<Logged> {
    shown.into_iter().map(Logged::from).collect()
}

fn hold(log: &[Logged], attempts: &[Attempt], figures: Figures, name: &str, state: &str) {
    let violations = check(log, attempts, figures);
    assert!(
        violations.is_empty(),
        "{name}, {state}: {} violations, the first are {:?}",
        violations.len(),
        &violations[..violations.len().min(10)]
    );
}
