//! Lives, one after the other, until so many rounds were lived; and what is kept of one that fails.

use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::Rounds;
use crate::history::Attempt;
use crate::life::{Killed, Lived, Place, live};
use crate::power_cut::PowerCut;
use crate::random::Random;

/// A look reads all that a store has: with more rounds than this it takes longer than the rest.
const ROUNDS_OF_A_LIFE: u64 = 25;

/// How a store is crashed in rounds.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Engine {
    Kill,
    PowerCut,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Engine::Kill => "kill",
            Engine::PowerCut => "power-cut",
        }
    }

    fn place(self, dir: &Path) -> Option<Box<dyn Place + '_>> {
        match self {
            Engine::Kill => Some(Box::new(Killed(dir))),
            Engine::PowerCut => Some(Box::new(PowerCut::in_dir(dir)?)),
        }
    }
}

/// Runs it, and says what came of it. Gives the exit code.
pub(crate) fn run(wanted: &Rounds, engine: Engine) -> u8 {
    let (seed, name) = (wanted.seed(), engine.name());
    say(&format!("{name}: seed {seed}, {} rounds", wanted.rounds));
    let begun = Instant::now();
    let (mut random, mut sum, mut done) = (Random::new(seed), Lived::default(), 0);
    while done < wanted.rounds {
        let rounds = ROUNDS_OF_A_LIFE.min(wanted.rounds - done);
        // A life alone is repeated by its own seed.
        let seed = if done == 0 { seed } else { random.next() };
        let dir = tempfile::tempdir().expect("a directory");
        let Some(mut place) = engine.place(dir.path()) else {
            return 2;
        };
        let history = Mutex::default();
        let lived = catch_unwind(AssertUnwindSafe(|| {
            live(&mut *place, seed, rounds, &history)
        }));
        let Ok(lived) = lived else {
            let kept = keep(wanted, name, seed, place.data_dir(), &history);
            say(&format!(
                "{name}: FAILED in round {done} to {} with {rounds} rounds of seed {seed}; \
                 the store and its history are in {}",
                done + rounds,
                kept.display()
            ));
            return 1;
        };
        sum.add(lived);
        done += rounds;
        let seconds = begun.elapsed().as_secs();
        say(&format!("{name}: {done} rounds, {seconds} s, {lived:?}"));
    }
    let seconds = begun.elapsed().as_secs();
    say(&format!(
        "{name}: nothing wrong. Seed {seed}, {seconds} s, {sum:?}"
    ));
    0
}

fn keep(
    wanted: &Rounds,
    name: &str,
    seed: u64,
    data_dir: &Path,
    history: &Mutex<Vec<Attempt>>,
) -> PathBuf {
    let attempts = history.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = keep_history(wanted, name, seed, &attempts);
    let copied = Command::new("cp")
        .arg("-a")
        .arg(data_dir)
        .arg(&dir)
        .status();
    if !copied.is_ok_and(|status| status.success()) {
        say("the store could not be copied");
    }
    dir
}

/// Keeps what publishers know, and gives the directory where it is.
pub(crate) fn keep_history(
    wanted: &Rounds,
    name: &str,
    seed: u64,
    attempts: &[Attempt],
) -> PathBuf {
    let dir = wanted.keep.join(format!("{name}-{seed}"));
    std::fs::create_dir_all(&dir).expect("a directory");
    let mut told = String::new();
    for attempt in attempts {
        writeln!(told, "{attempt:?}").expect("a string");
    }
    std::fs::write(dir.join("history"), told).expect("a file");
    dir
}

pub(crate) fn say(line: &str) {
    // Whoever has stopped reading is not to stop it.
    let _ = writeln!(std::io::stdout(), "{line}");
}
