//! A look at all that a running store shows, held against all that was done to it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::checker::check;
use crate::client::{Client, Stats};
use crate::dump::dump_events;
use crate::history::{Attempt, Figures, Logged};
use crate::process::Oncelog;

/// Looks over HTTP, or by a dump beside the running server.
pub(crate) fn look(
    server: &Oncelog,
    data_dir: &Path,
    history: &Mutex<Vec<Attempt>>,
    state: &str,
    by_dump: bool,
) -> Stats {
    let client = Client::new(server.address);
    let stats = client.settled();
    let shown = if by_dump {
        dump_events(data_dir, &[])
    } else {
        client.events("?verdict=all")
    };
    let log: Vec<Logged> = shown.into_iter().map(Logged::from).collect();
    let attempts = history.lock().unwrap_or_else(PoisonError::into_inner);
    let violations = check(&log, &attempts, Figures::from(&stats));
    assert!(
        violations.is_empty(),
        "{state}: {} violations, the first are {:?}",
        violations.len(),
        &violations[..violations.len().min(10)]
    );
    stats
}
