//! The life of one store: publishers that repeat what was not acknowledged, crash after crash, and
//! a look at all of it after each.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::checker::check_settled;
use crate::client::{Client, Stats};
use crate::history::{Attempt, Outcome};
use crate::look::look;
use crate::process::{Oncelog, Starting, serve_command};
use crate::publisher::{Gate, PUBLISHERS, Shut, publish};
use crate::random::Random;

/// Small, so that in every round segments roll and runs are merged, whose filters do not
/// all fit into memory.
pub(crate) const OPTIONS: [&str; 6] = [
    "--segment-size",
    "256KiB",
    "--delta-events",
    "500",
    "--index-filter-memory",
    "4KiB",
];

/// Where a store lives, and how it crashes there.
pub(crate) trait Place {
    /// Its data directory.
    fn data_dir(&self) -> &Path;

    /// Serves it.
    fn start(&mut self) -> Oncelog {
        Oncelog::start_with(self.data_dir(), &OPTIONS)
    }

    /// Where publishers find it.
    fn door(&mut self, server: &Oncelog) -> SocketAddr {
        server.address
    }

    /// Starts it, and kills it so much later, when it may still be recovering.
    fn cut_short(&mut self, after: Duration) {
        let starting = Starting::spawn(serve_command(self.data_dir(), &OPTIONS));
        std::thread::sleep(after);
        starting.kill();
    }

    /// What else befalls a server while publishers are at it.
    fn trouble(&mut self, _server: &Oncelog, _random: &mut Random) {}

    /// Ends the server as a crash does, and loses what such a crash loses.
    fn crash(&mut self, server: Oncelog);

    /// When publishers have gone home: nothing may be on its way any more.
    fn settle(&mut self, server: Oncelog) -> Oncelog {
        server
    }
}

/// A directory whose server is killed: what was written stays.
pub(crate) struct Killed<'d>(pub(crate) &'d Path);

impl Place for Killed<'_> {
    fn data_dir(&self) -> &Path {
        self.0
    }

    fn crash(&mut self, server: Oncelog) {
        server.kill();
    }
}

/// What happened in a life.
#[allow(dead_code, reason = "of some only who reads them as text")]
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Lived {
    /// Crashes, those of a server that was still recovering included.
    pub(crate) crashes: u64,
    /// Requests.
    pub(crate) attempts: u64,
    /// Those that nobody answered.
    pub(crate) unknown: u64,
    /// Events in the log at the end.
    pub(crate) events: u64,
    /// Segments that were sealed because they were full.
    pub(crate) rolled: u64,
}

impl Lived {
    #[allow(dead_code, reason = "who lives one life has no sum")]
    pub(crate) fn add(&mut self, other: Lived) {
        self.crashes += other.crashes;
        self.attempts += other.attempts;
        self.unknown += other.unknown;
        self.events += other.events;
        self.rolled += other.rolled;
    }
}

/// Lives so many rounds at a place with an empty directory. `history` gets all that publishers
/// know, also when this panics because something is wrong.
pub(crate) fn live(
    place: &mut dyn Place,
    seed: u64,
    rounds: u64,
    history: &Mutex<Vec<Attempt>>,
) -> Lived {
    let gate = Gate::default();
    std::thread::scope(|threads| {
        let shut = Shut(&gate);
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|number| {
                let gate = &gate;
                threads.spawn(move || publish(number, seed, gate, history))
            })
            .collect();
        let mut life = Life {
            place,
            seed,
            random: Random::new(seed),
            gate: &gate,
            history,
            lived: Lived::default(),
        };
        let mut server = life.place.start();
        for round in 1..=rounds {
            server = life.round(round, server);
        }
        // What was begun is settled.
        gate.last_call();
        gate.open(life.place.door(&server));
        for publisher in publishers {
            publisher.join().expect("a publisher does not panic");
        }
        let server = life.place.settle(server);
        life.look(&server, "at the end", true);
        let stats = life.look(&server, "at the end", false);
        let attempts = lock(history);
        assert_eq!(check_settled(&attempts), [], "seed {seed}");
        let unknown = attempts
            .iter()
            .filter(|a| matches!(a.outcome, Outcome::Unknown));
        let lived = Lived {
            attempts: attempts.len() as u64,
            unknown: unknown.count() as u64,
            events: stats.received,
            ..life.lived
        };
        drop(attempts);
        drop(shut);
        assert_eq!(server.terminate().code, Some(0));
        lived
    })
}

fn lock(history: &Mutex<Vec<Attempt>>) -> MutexGuard<'_, Vec<Attempt>> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Life<'t> {
    place: &'t mut dyn Place,
    seed: u64,
    random: Random,
    gate: &'t Gate,
    history: &'t Mutex<Vec<Attempt>>,
    lived: Lived,
}

impl Life<'_> {
    /// Traffic, crash, restart, look; and a second restart, without traffic, that must not
    /// change a thing. Gives the server for the next round.
    fn round(&mut self, round: u64, mut server: Oncelog) -> Oncelog {
        let segments = self.segments();
        self.gate.open(self.place.door(&server));
        self.pause(20, 450);
        self.place.trouble(&server, &mut self.random);
        assert!(
            !server.has_ended(),
            "round {round}, seed {}: it ended by itself: {}",
            self.seed,
            server.stderr()
        );
        self.gate.bar();
        self.crash(server);
        self.gate.close();
        self.lived.rolled += self.segments().saturating_sub(segments);

        if self.random.percent(30) {
            let after = Duration::from_millis(self.random.between(0, 60));
            self.place.cut_short(after);
            self.lived.crashes += 1;
        }
        let server = self.place.start();
        let state = format!("round {round}");
        let seen = self.look(&server, &state, round.is_multiple_of(5));

        match self.random.between(0, 2) {
            0 => assert_eq!(server.terminate().code, Some(0)),
            1 => self.crash(server),
            _ => {
                self.crash(server);
                let index = self.place.data_dir().join("index");
                std::fs::remove_dir_all(index).expect("the index goes away");
            }
        }
        let server = self.place.start();
        let again = Client::new(server.address).settled();
        assert_eq!(
            (again.counts(), &again.topics, &again.fold_hash),
            (seen.counts(), &seen.topics, &seen.fold_hash),
            "{state}, seed {}: a restart without traffic changed it",
            self.seed
        );
        server
    }

    fn crash(&mut self, server: Oncelog) {
        self.place.crash(server);
        self.lived.crashes += 1;
    }

    fn look(&self, server: &Oncelog, state: &str, by_dump: bool) -> Stats {
        let state = format!("{state}, seed {}", self.seed);
        look(server, self.place.data_dir(), self.history, &state, by_dump)
    }

    fn pause(&mut self, least_ms: u64, most_ms: u64) {
        let pause = self.random.between(least_ms, most_ms);
        std::thread::sleep(Duration::from_millis(pause));
    }

    fn segments(&self) -> u64 {
        let log = self.place.data_dir().join("log");
        let entries = std::fs::read_dir(log).expect("the log");
        let segments = entries.filter(|entry| {
            let path = entry.as_ref().expect("an entry").path();
            path.extension().is_some_and(|extension| extension == "seg")
        });
        segments.count() as u64
    }
}
