//! Notices when a state begins and when it is over, keeps since when it holds, and says so in
//! the log.
//!
//! A state begins when anybody sees it: a look once a second, whoever asks for the state, or
//! the refusal of a batch because of it, so that none is too short to be noticed. It is over
//! only at a look, so that one that comes and goes gives no more than two lines a second.
//! What begins a rebuild, a stop or a poisoned log says so itself; here it has only its time.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::answers::State;

/// A state that holds, and one sentence why.
pub(super) type Holding = (State, String);

#[derive(Copy, Clone, Debug)]
struct Moment {
    wall: SystemTime,
    clock: Instant,
}

impl Moment {
    fn now() -> Moment {
        Moment {
            wall: SystemTime::now(),
            clock: Instant::now(),
        }
    }
}

#[derive(Debug)]
struct Spell {
    state: State,
    began: Moment,
    /// Since when nobody has seen it any more.
    gone: Option<Moment>,
}

#[derive(Debug)]
struct Spells {
    held: Vec<Spell>,
    ready_since: Moment,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Watcher {
    spells: Mutex<Spells>,
    /// A bit for each state in `held`: who refuses batches asks often.
    held_bits: AtomicU8,
    /// Failures of the index that were dealt with.
    failures: AtomicU64,
}

impl Watcher {
    /// All is well.
    pub(super) fn new() -> Watcher {
        Watcher {
            spells: Mutex::new(Spells {
                held: Vec::new(),
                ready_since: Moment::now(),
            }),
            held_bits: AtomicU8::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// A batch was refused because of this state.
    pub(super) fn met(&self, state: State, why: &str) {
        if self.held_bits.load(Ordering::Relaxed) & bit(state) == 0 {
            self.begin(&mut self.lock(), state, why);
        }
    }

    /// Takes what holds now, the gravest last. Returns since when the gravest does.
    pub(super) fn see(&self, holding: &[Holding]) -> SystemTime {
        let spells = &mut *self.lock();
        for (state, why) in holding {
            self.begin(spells, *state, why);
        }
        for spell in &mut spells.held {
            if holding.iter().any(|(state, _)| *state == spell.state) {
                spell.gone = None;
            } else {
                spell.gone.get_or_insert_with(Moment::now);
            }
        }
        let gravest = holding.last().map(|(state, _)| *state);
        let held = spells
            .held
            .iter()
            .find(|spell| Some(spell.state) == gravest);
        held.map_or_else(|| spells.ready_since(), |spell| spell.began)
            .wall
    }

    /// The same, once a second: says what is over. `failures` counts those of the index.
    pub(super) fn look(&self, holding: &[Holding], failures: u64) {
        self.see(holding);
        let spells = &mut *self.lock();
        let now = holding.last().map_or(State::Ready, |(state, _)| *state);
        let ready_since = spells.ready_since();
        let failed_before = self.failures.swap(failures, Ordering::Relaxed);
        let shown = bit(State::Degraded) | bit(State::Rebuilding);
        if failures > failed_before && self.held_bits.load(Ordering::Relaxed) & shown == 0 {
            tracing::warn!("degraded for a moment: the index failed, and goes on");
        }
        spells.held.retain(|spell| {
            if let Some(gone) = spell.gone {
                self.held_bits
                    .fetch_and(!bit(spell.state), Ordering::Relaxed);
                say_over(spell.state, gone.clock - spell.began.clock, now);
            }
            spell.gone.is_none()
        });
        spells.ready_since = ready_since;
    }

    fn begin(&self, spells: &mut Spells, state: State, why: &str) {
        if spells.held.iter().any(|spell| spell.state == state) {
            return;
        }
        self.held_bits.fetch_or(bit(state), Ordering::Relaxed);
        spells.held.push(Spell {
            state,
            began: Moment::now(),
            gone: None,
        });
        match state {
            State::Degraded => {
                tracing::warn!("degraded: {why}; publishes are taken, verdicts may come later");
            }
            State::BacklogFull => {
                tracing::error!(
                    "backlog_full: {why}; publishes get 503 until the index catches up"
                );
            }
            State::DiskFull => {
                tracing::error!("disk_full: {why}; publishes get 507, reads go on");
            }
            State::DiskFailing => {
                tracing::error!(
                    "disk_failing: {why}; publishes get 503, reads go on, and it is tried again \
                     every second"
                );
            }
            State::Ready | State::Rebuilding | State::Draining | State::Poisoned => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Spells> {
        self.spells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spells {
    /// Since when nothing holds, if nothing does.
    fn ready_since(&self) -> Moment {
        let gone = self.held.iter().filter_map(|spell| spell.gone);
        gone.chain([self.ready_since])
            .max_by_key(|moment| moment.clock)
            .unwrap_or(self.ready_since)
    }
}

fn say_over(state: State, lasted: Duration, now: State) {
    if let State::Degraded | State::BacklogFull | State::DiskFull | State::DiskFailing = state {
        let seconds = lasted.as_secs_f64();
        tracing::info!("{state} is over after {seconds:.1} s; the store is {now}");
    }
}

fn bit(state: State) -> u8 {
    1 << state as u8
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

    use super::*;

    fn full() -> Holding {
        (State::DiskFull, String::from("the disk is full"))
    }

    fn degraded() -> Holding {
        (State::Degraded, String::from("the index fails"))
    }

    #[test]
    fn a_state_has_the_time_at_which_it_began_whatever_comes_and_goes_meanwhile() {
        let watcher = Watcher::new();
        let ready = watcher.see(&[]);
        assert_eq!(watcher.see(&[]), ready);
        let began = watcher.see(&[degraded()]);
        assert_ne!(began, ready);
        let full_since = watcher.see(&[degraded(), full()]);
        assert_ne!(full_since, began);
        watcher.look(&[degraded(), full()], 0);
        assert_eq!(watcher.see(&[degraded(), full()]), full_since);
        assert_eq!(watcher.see(&[degraded()]), began);
        let again = watcher.see(&[]);
        assert!(again != full_since && again != ready);
        watcher.look(&[], 0);
        assert_eq!(watcher.see(&[]), again, "the look changes no time");
    }

    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that this says, each from its level on and without the times in it.
    fn lines_of(act: impl FnOnce()) -> Vec<String> {
        let said = Said::default();
        let writer = said.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, act);
        let text = said.0.lock().expect("no panic").clone();
        let text = String::from_utf8(text).expect("UTF-8");
        text.lines().map(without_number).collect()
    }

    /// The line without the number of seconds in it.
    fn without_number(line: &str) -> String {
        let words = line.split_whitespace();
        let kept = words.filter(|word| !word.contains('.') || word.parse::<f64>().is_err());
        kept.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_full_disk_between_two_looks_is_told_once_however_many_met_it() {
        let watcher = Watcher::new();
        let lines = lines_of(|| {
            for _ in 0..3 {
                watcher.met(State::DiskFull, "no room");
                watcher.see(&[]);
            }
            watcher.look(&[], 0);
            watcher.look(&[], 0);
            watcher.met(State::DiskFull, "no room again");
        });
        let expected = [
            "ERROR disk_full: no room; publishes get 507, reads go on",
            "INFO disk_full is over after s; the store is ready",
            "ERROR disk_full: no room again; publishes get 507, reads go on",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn an_index_that_failed_between_two_looks_is_told_and_one_that_was_seen_not_twice() {
        let watcher = Watcher::new();
        let lines = lines_of(|| {
            watcher.look(&[], 1);
            watcher.look(&[], 1);
            watcher.look(&[degraded()], 2);
            watcher.look(&[degraded(), full()], 3);
            watcher.look(&[full()], 3);
        });
        let expected = [
            "WARN degraded for a moment: the index failed, and goes on",
            "WARN degraded: the index fails; publishes are taken, verdicts may come later",
            "ERROR disk_full: the disk is full; publishes get 507, reads go on",
            "INFO degraded is over after s; the store is disk_full",
        ];
        assert_eq!(lines, expected);
    }
}
