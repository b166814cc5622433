//! kill -9 at random moments under publishers that repeat what was not acknowledged: nothing
//! acknowledged is lost, nothing is kept twice, nothing changes place.
//!
//! `ONCELOG_TEST_SEED` repeats a run as far as the seed decides it, `ONCELOG_TEST_ROUNDS` sets
//! how often it is killed.

#[path = "kill_loop/checker.rs"]
mod checker;
#[path = "support/client.rs"]
mod client;
#[path = "support/dump.rs"]
mod dump;
#[path = "kill_loop/history.rs"]
mod history;
#[path = "support/process.rs"]
mod process;
#[path = "kill_loop/publisher.rs"]
mod publisher;
#[path = "support/random.rs"]
mod random;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use checker::{check, check_settled};
use client::{Client, Stats};
use dump::dump_events;
use history::{Attempt, Figures, Logged};
use process::{Oncelog, Starting, serve_command};
use publisher::{Gate, PUBLISHERS, Shut, publish};
use random::Random;

const ROUNDS: u64 = 20;
/// Small, so that in every round segments roll and runs are merged, whose filters do not
/// all fit into memory.
const OPTIONS: [&str; 6] = [
    "--segment-size",
    "256KiB",
    "--delta-events",
    "500",
    "--index-filter-memory",
    "4KiB",
];

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
    let (gate, history) = (Gate::default(), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        let shut = Shut(&gate);
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|number| {
                let (gate, history) = (&gate, &history);
                threads.spawn(move || publish(number, seed, gate, history))
            })
            .collect();
        let mut kills = KillLoop {
            data_dir: data_dir.path(),
            seed,
            random: Random::new(seed),
            gate: &gate,
            history: &history,
            rolled: 0,
        };
        let mut process = start(data_dir.path());
        for round in 1..=rounds {
            process = kills.round(round, process);
        }
        // What was begun is settled.
        gate.last_call();
        gate.open(process.address);
        for publisher in publishers {
            publisher.join().expect("a publisher does not panic");
        }
        kills.look(&process, "at the end", true);
        kills.look(&process, "at the end", false);
        let attempts = lock(&history);
        assert_eq!(check_settled(&attempts), [], "seed {seed}");
        let unknown = attempts.iter().filter(|a| !a.outcome.is_acknowledged());
        let unknown = unknown.count();
        eprintln!(
            "{} attempts, {unknown} of them unknown, {} segments rolled",
            attempts.len(),
            kills.rolled
        );
        assert!(unknown > 0, "no kill hit a batch in flight: seed {seed}");
        assert!(kills.rolled > 0, "no segment rolled: seed {seed}");
        drop(attempts);
        drop(shut);
        assert_eq!(process.terminate().code, Some(0));
    });
}

fn start(data_dir: &Path) -> Oncelog {
    Oncelog::start_with(data_dir, &OPTIONS)
}

fn lock(history: &Mutex<Vec<Attempt>>) -> std::sync::MutexGuard<'_, Vec<Attempt>> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

struct KillLoop<'t> {
    data_dir: &'t Path,
    seed: u64,
    random: Random,
    gate: &'t Gate,
    history: &'t Mutex<Vec<Attempt>>,
    /// Segments that were sealed because they were full.
    rolled: usize,
}

impl KillLoop<'_> {
    /// Traffic, kill, restart, look; and a second restart, without traffic, that must not
    /// change a thing. Gives the server for the next round.
    fn round(&mut self, round: u64, process: Oncelog) -> Oncelog {
        let segments = self.segments();
        self.gate.open(process.address);
        self.pause(20, 450);
        process.kill();
        self.gate.close();
        self.rolled += self.segments() - segments;

        if self.random.percent(30) {
            // Killed while it recovers.
            let starting = Starting::spawn(serve_command(self.data_dir, &OPTIONS));
            self.pause(0, 60);
            starting.kill();
        }
        let process = start(self.data_dir);
        let state = format!("round {round}");
        let seen = self.look(&process, &state, round.is_multiple_of(5));

        match self.random.between(0, 2) {
            0 => assert_eq!(process.terminate().code, Some(0)),
            1 => drop(process.kill()),
            _ => {
                process.kill();
                let index = self.data_dir.join("index");
                std::fs::remove_dir_all(index).expect("the index goes away");
            }
        }
        let process = start(self.data_dir);
        let again = Client::new(process.address).settled();
        assert_eq!(
            (again.counts(), &again.topics, &again.fold_hash),
            (seen.counts(), &seen.topics, &seen.fold_hash),
            "{state}, seed {}: a restart without traffic changed it",
            self.seed
        );
        process
    }

    /// Compares the store with all that was done to it.
    fn look(&self, process: &Oncelog, state: &str, by_dump: bool) -> Stats {
        let client = Client::new(process.address);
        let stats = client.settled();
        let shown = if by_dump {
            dump_events(self.data_dir, &[])
        } else {
            client.events("?verdict=all")
        };
        let log: Vec<Logged> = shown.into_iter().map(Logged::from).collect();
        let violations = check(&log, &lock(self.history), Figures::from(&stats));
        assert!(
            violations.is_empty(),
            "{state}, seed {}: {} violations, the first are {:?}",
            self.seed,
            violations.len(),
            &violations[..violations.len().min(10)]
        );
        stats
    }

    fn pause(&mut self, least_ms: u64, most_ms: u64) {
        let pause = self.random.between(least_ms, most_ms);
        std::thread::sleep(Duration::from_millis(pause));
    }

    fn segments(&self) -> usize {
        let entries = std::fs::read_dir(self.data_dir.join("log")).expect("the log");
        entries
            .filter(|entry| {
                let path = entry.as_ref().expect("an entry").path();
                path.extension().is_some_and(|extension| extension == "seg")
            })
            .count()
    }
}
