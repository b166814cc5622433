//! Publishers at a store in a container, and the store held against all that they did.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::checker::{check, check_settled};
use crate::dump::lines;
use crate::engine::Container;
use crate::history::{Attempt, Figures, Logged, Mark, Outcome, Sent, Span};
use crate::process::PATIENCE;
use crate::publisher::{Gate, PUBLISHERS, Shut, publish, send};
use crate::random::Random;

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What goes on between publishers and a test.
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) gate: Gate,
    history: Mutex<Vec<Attempt>>,
}

impl Traffic {
    /// Has publishers at work while `what` goes on. It gives the store at which what they
    /// began is settled, and which must then hold exactly what they were told.
    pub(crate) fn at(
        store: Container,
        what: impl FnOnce(&Traffic, &mut Random, Container) -> Container,
    ) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seed = since.map_or(0, |since| since.subsec_nanos().into());
        eprintln!("seed {seed}");
        let traffic = Traffic::default();
        std::thread::scope(|threads| {
            let shut = Shut(&traffic.gate);
            let publishers: Vec<_> = (0..PUBLISHERS)
                .map(|number| {
                    let Traffic { gate, history } = &traffic;
                    threads.spawn(move || publish(number, seed, gate, history))
                })
                .collect();
            traffic.gate.open(store.address());
            let store = what(&traffic, &mut Random::new(seed), store);
            traffic.gate.last_call();
            traffic.gate.open(store.address());
            for publisher in publishers {
                publisher.join().expect("a publisher does not panic");
            }
            traffic.look(&store);
            drop(shut);
        });
    }

    /// Sends a batch of the test's own, and has it in the reckoning.
    pub(crate) fn send(
        &self,
        store: &Container,
        random: &mut Random,
        attempt: u32,
        events: &Arc<[Sent]>,
    ) -> Outcome {
        let mark = Mark {
            publisher: PUBLISHERS,
            batch: 0,
            attempt,
        };
        let outcome = send(&store.client(), random, mark, events);
        self.attempts().push(Attempt {
            mark,
            events: events.clone(),
            outcome: outcome.clone(),
            span: Span::default(),
        });
        outcome
    }

    fn attempts(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many batches were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        let attempts = self.attempts();
        let acknowledged = attempts.iter().filter(|a| a.outcome.is_acknowledged());
        acknowledged.count()
    }

    /// Waits until so many more are.
    pub(crate) fn wait_for_more(&self, batches: usize) {
        let until = Instant::now() + PATIENCE;
        let due = self.acknowledged() + batches;
        while self.acknowledged() < due {
            assert!(Instant::now() < until, "nothing is acknowledged");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Attempts without an answer, or with one that leaves it open.
    pub(crate) fn unknown(&self) -> usize {
        let attempts = self.attempts();
        attempts.len()
            - attempts
                .iter()
                .filter(|a| a.outcome.is_acknowledged())
                .count()
    }

    /// Compares the store with all that was done to it.
    fn look(&self, store: &Container) {
        let stats = store.client().settled();
        let dumped = store.exec(&["oncelog", "dump", "--json"]);
        assert_eq!(dumped.code, Some(0), "{}", dumped.stderr);
        let log: Vec<Logged> = lines(&dumped).into_iter().map(Logged::from).collect();
        let attempts = self.attempts();
        let violations = check(&log, &attempts, Figures::from(&stats));
        let first = &violations[..violations.len().min(10)];
        assert!(
            first.is_empty(),
            "{} violations: {first:?}",
            violations.len()
        );
        assert_eq!(check_settled(&attempts), []);
    }
}
