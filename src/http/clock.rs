//! What is done by time and not by request: looking at the state, and taking samples.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::app::App;
use super::growth::{Growth, GrowthFigures};
use super::rates::{LastMinute, Rates, SAMPLES_A_MINUTE, Sample};
use super::traffic::Traffic;
use crate::store::{Sizes, Stats, Store};

/// How late the end of a state may be noticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was sampled so far.
#[derive(Debug)]
pub(super) struct Samples {
    last_minute: Mutex<LastMinute>,
    growth: Mutex<Growth>,
}

impl Samples {
    /// Begins now.
    pub(super) fn new(store: &Store, traffic: &Traffic, sample_every: Duration) -> Samples {
        Samples {
            last_minute: Mutex::new(LastMinute::new(sample(store, traffic))),
            growth: Mutex::new(Growth::new(sample_every)),
        }
    }

    /// The rates of the last minute.
    pub(super) fn rates(&self, store: &Store, traffic: &Traffic) -> Rates {
        lock(&self.last_minute).rates(&sample(store, traffic))
    }

    /// How the store grows. Blocking.
    pub(super) fn growth(&self, store: &Store, stats: &Stats) -> GrowthFigures {
        let sizes = store.sizes();
        lock(&self.growth).figures(Instant::now(), sizes, stats)
    }

    fn note_sizes(&self, sizes: Option<Sizes>) {
        if let Some(sizes) = sizes {
            lock(&self.growth).note(Instant::now(), sizes);
        }
    }
}

/// Goes on for as long as it is polled.
pub(super) async fn run(app: Arc<App>) {
    let mut looks = interval(LOOK_EVERY);
    let mut samples = interval(app.options.sample_every);
    for timer in [&mut looks, &mut samples] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut taken = 0;
    let mut measuring: Option<tokio::task::JoinHandle<()>> = None;
    loop {
        tokio::select! {
            _ = looks.tick() => app.store.watch(),
            _ = samples.tick() => {
                lock(&app.samples.last_minute).note(sample(&app.store, &app.traffic));
                // A disk that does not answer is asked no second time.
                if taken % SAMPLES_A_MINUTE == 0 && measuring.as_ref().is_none_or(|m| m.is_finished()) {
                    let app = Arc::clone(&app);
                    measuring = Some(tokio::task::spawn_blocking(move || {
                        app.samples.note_sizes(app.store.sizes());
                    }));
                }
                taken += 1;
            }
        }
    }
}

fn sample(store: &Store, traffic: &Traffic) -> Sample {
    Sample {
        at: Instant::now(),
        flows: store.flows(),
        answers: traffic.answers(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
