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
    if let State::Degraded | State::BacklogFull | State::DiskFull = state {
        let seconds = lasted.as_secs_f64();
        tracing::info!("{state} is over after {seconds:.1} s; the store is {now}");
    }
}

fn bit(state: State) -> u8 {
    1 << state as u8
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_refusal_begins_a_state_that_nobody_has_seen() {
        let watcher = Watcher::new();
        watcher.met(State::DiskFull, "the disk is full");
        let (state, _) = full();
        assert_eq!(watcher.held_bits.load(Ordering::Relaxed), bit(state));
        watcher.look(&[], 0);
        assert_eq!(watcher.held_bits.load(Ordering::Relaxed), 0);
        watcher.met(State::DiskFull, "the disk is full again");
        assert_eq!(watcher.held_bits.load(Ordering::Relaxed), bit(state));
    }
}
