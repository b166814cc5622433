//! kill -9 at random moments under publishers that repeat what was not acknowledged: nothing
//! acknowledged is lost, nothing is kept twice, nothing changes place.
//!
//! `ONCELOG_TEST_SEED` repeats a run as far as the seed decides it, `ONCELOG_TEST_ROUNDS` sets
//! how often it is killed.

#[path = "judge/checker.rs"]
mod checker;
#[path = "judge/checker_tests.rs"]
mod checker_tests;
#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "judge/history.rs"]
mod history;
#[path = "judge/honest.rs"]
mod honest;
#[path = "campaign/life.rs"]
mod life;
#[path = "campaign/look.rs"]
mod look;
#[path = "support/process.rs"]
mod process;
#[path = "judge/publisher.rs"]
mod publisher;
#[path = "support/random.rs"]
mod random;

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use life::{Killed, live};

const ROUNDS: u64 = 20;

fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

fn seed_of_the_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.subsec_nanos().into())
}

#[test]
fn nothing_acknowledged_is_lost_doubled_or_moved_by_kill_9() {
    let seed = number_of("ONCELOG_TEST_SEED").unwrap_or_else(seed_of_the_clock);
    let rounds = number_of("ONCELOG_TEST_ROUNDS").unwrap_or(ROUNDS);
    eprintln!("ONCELOG_TEST_SEED={seed} ONCELOG_TEST_ROUNDS={rounds}");
    let data_dir = tempfile::tempdir().expect("a directory");
    let mut place = Killed(data_dir.path());
    let lived = live(&mut place, seed, rounds, &Mutex::default());
    eprintln!("{lived:?}");
    assert!(
        lived.unknown > 0,
        "no kill hit a batch in flight: seed {seed}"
    );
    assert!(lived.rolled > 0, "no segment rolled: seed {seed}");
}
