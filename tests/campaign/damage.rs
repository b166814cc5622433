//! Damages to the log between a kill and the restart: where anything proves that what was damaged
//! had been durable, the start is refused and nothing is touched; where nothing does, all that
//! stands in front of it is served as it was sent, and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use crate::Rounds;
use crate::client::Client;
use crate::damages::{Damaged, Victim, bytes_of};
use crate::keeping::{keep, say, seed_or_clock};
use crate::process::{Ended, Oncelog, Starting, command, run_command, serve_command};
use crate::random::Random;

const SAID_EVERY: u64 = 25;

/// What was tried.
#[derive(Copy, Clone, Debug, Default)]
#[allow(dead_code, reason = "for who reads them as text")]
struct Tried {
    damages: u64,
    /// Something proves that what was damaged had been durable, and the start was refused.
    refused: u64,
    /// Nothing does, and the start was refused, or it was not.
    refused_in_doubt: u64,
    served: u64,
}

/// Runs it, and says what came of it. Gives the exit code.
pub(crate) fn run(wanted: &Rounds) -> u8 {
    let seed = seed_or_clock(wanted.seed);
    say(&format!("damage: seed {seed}, {} damages", wanted.rounds));
    let begun = Instant::now();
    let Ok(victim) = catch_unwind(Victim::new) else {
        say("damage: FAILED while the store was made");
        return 1;
    };
    let (mut random, mut tried) = (Random::new(seed), Tried::default());
    for round in 1..=wanted.rounds {
        let damaged = victim.damaged(&mut random);
        let with_index = random.percent(50);
        let dir = tempfile::tempdir().expect("a directory");
        victim.put(&damaged, dir.path(), with_index);
        let seen = catch_unwind(AssertUnwindSafe(|| {
            look(&victim, &damaged, with_index, dir.path(), &mut tried);
        }));
        if seen.is_err() {
            let kept = wanted.keep.join(format!("damage-{seed}-{round}"));
            let kept = keep(&kept, dir.path(), &Mutex::default());
            say(&format!(
                "damage: FAILED in round {round} of seed {seed}: {}; the store is in {}",
                damaged.how,
                kept.display()
            ));
            return 1;
        }
        tried.damages += 1;
        if tried.damages.is_multiple_of(SAID_EVERY) {
            let seconds = begun.elapsed().as_secs();
            say(&format!("damage: {seconds} s, {tried:?}"));
        }
    }
    let seconds = begun.elapsed().as_secs();
    say(&format!(
        "damage: nothing wrong. Seed {seed}, {seconds} s, {tried:?}"
    ));
    0
}

/// Starts a store on it. Panics when something is wrong.
fn look(victim: &Victim, damaged: &Damaged, with_index: bool, dir: &Path, tried: &mut Tried) {
    let flushed = if with_index { victim.flushed } else { 0 };
    let leaves_evidence = victim.leaves_evidence(damaged, flushed);
    match Starting::spawn(serve_command(dir, &[])).ready_or_ended() {
        Err(refused) => {
            assert_refused(&refused, damaged, dir);
            match leaves_evidence {
                true => tried.refused += 1,
                false => tried.refused_in_doubt += 1,
            }
        }
        Ok(server) => {
            assert!(
                !leaves_evidence,
                "it serves: {}, flushed {flushed}",
                damaged.how
            );
            assert_serves(server, victim, damaged, dir);
            tried.served += 1;
        }
    }
}

fn assert_refused(refused: &Ended, damaged: &Damaged, dir: &Path) {
    let how = &damaged.how;
    assert_eq!(refused.code, Some(3), "{how}: {}", refused.stderr);
    let is_as_it_was = bytes_of(dir) == damaged.bytes;
    assert!(is_as_it_was, "{how}: a start that was refused changed it");
}

fn assert_serves(server: Oncelog, victim: &Victim, damaged: &Damaged, dir: &Path) {
    let how = &damaged.how;
    let client = Client::new(server.address);
    let stats = client.settled();
    let kept = victim.last_in_front_of(damaged);
    assert_eq!(stats.counts(), (kept, kept, 0, 0), "{how}");
    let shown = client.events("?verdict=all");
    assert_eq!(shown.len() as u64, kept, "{how}");
    for event in &shown {
        let (id, payload) = &victim.sent[&event.seq];
        let seen = (event.event_id.as_str(), event.payload.get());
        assert_eq!(seen, (id.as_str(), payload.as_str()), "{how}");
    }
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{how}: {}", ended.stderr);
    let mut verify = command();
    verify.args(["verify", "--data-dir"]).arg(dir);
    let verified = run_command(verify);
    assert_eq!(verified.code, Some(0), "{how}: {verified:?}");
}
