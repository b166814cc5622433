//! Lives, one after the other, until so many rounds were lived; and what is kept of one that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use crate::Rounds;
use crate::clock::Clock;
use crate::containers::Containers;
use crate::index_gone::IndexGone;
use crate::keeping::{keep, say, seed_or_clock};
use crate::life::{Killed, Lived, Place, live};
use crate::network::Network;
use crate::pause::Paused;
use crate::power_cut::PowerCut;
use crate::random::Random;
use crate::recovery_cuts::RecoveryCuts;
use crate::twins::Twins;

/// A look reads all that a store has: with more rounds than this it takes longer than the rest.
const ROUNDS_OF_A_LIFE: u64 = 25;

/// How a store is crashed in rounds.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Engine {
    Kill,
    PowerCut,
    RecoveryCuts,
    Pause,
    Clock,
    Twins,
    IndexGone,
    Network,
    Containers,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Engine::Kill => "kill",
            Engine::PowerCut => "power-cut",
            Engine::RecoveryCuts => "recovery-cuts",
            Engine::Pause => "pause",
            Engine::Clock => "clock",
            Engine::Twins => "twins",
            Engine::IndexGone => "index-gone",
            Engine::Network => "network",
            Engine::Containers => "containers",
        }
    }

    fn place(self, dir: &Path) -> Option<Box<dyn Place + '_>> {
        match self {
            Engine::Kill => Some(Box::new(Killed(dir))),
            Engine::PowerCut => Some(Box::new(PowerCut::in_dir(dir)?)),
            Engine::RecoveryCuts => Some(Box::new(RecoveryCuts::in_dir(dir)?)),
            Engine::Pause => Some(Box::new(Paused(Killed(dir)))),
            Engine::Clock => Some(Box::new(Clock::in_dir(dir)?)),
            Engine::Twins => Some(Box::new(Twins(Killed(dir)))),
            Engine::IndexGone => Some(Box::new(IndexGone::in_dir(dir))),
            Engine::Network => Some(Box::new(Network::in_dir(dir))),
            Engine::Containers => Some(Box::new(Containers::new()?)),
        }
    }
}

/// Runs it, and says what came of it. Gives the exit code.
pub(crate) fn run(wanted: &Rounds, engine: Engine) -> u8 {
    let (seed, name) = (seed_or_clock(wanted.seed), engine.name());
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
            let kept = wanted.keep.join(format!("{name}-{seed}"));
            let kept = keep(&kept, place.data_dir(), &history);
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
