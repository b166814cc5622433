//! More large batches at once than there is room for, while the disk is late: what is in flight
//! is bounded in bytes, so the memory is, and who has no room waits or is told so. Then the server
//! is killed with all that is queued.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Rounds;
use crate::checker::check_settled;
use crate::client::Client;
use crate::history::{Attempt, Mark, Outcome, Sent, Span};
use crate::keeping::{keep, say, seed_or_clock};
use crate::look::look;
use crate::memory::peak_mib;
use crate::process::Oncelog;
use crate::publisher::send;
use crate::random::Random;
use crate::strace::{Plan, attach};

const IN_FLIGHT_MIB: u64 = 8;
/// No publisher waits for as long as a sync takes: those that are answered keep their room.
const OPTIONS: [&str; 8] = [
    "--in-flight",
    "8MiB",
    "--max-body",
    "1MiB",
    "--verdict-wait",
    "500ms",
    "--durable-wait",
    "1s",
];
const PUBLISHERS: u32 = 64;
const PAYLOAD_BYTES: usize = 900 << 10;
/// How late each sync is, and how long they wait for them.
const LATE_MICROSECONDS: u32 = 2_000_000;
const FLOOD: Duration = Duration::from_secs(5);
/// A batch is in memory as it came, as it is written, and in the group that is written, and what
/// is given back is not at once the system's again: seen are up to 46 MiB, and 350 MiB where
/// nothing bounds them.
const PEAK_MIB_MAX: u64 = 6 * IN_FLIGHT_MIB + 16;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);

/// What happened.
#[derive(Copy, Clone, Debug, Default)]
#[allow(dead_code, reason = "for who reads them as text")]
struct Flooded {
    rounds: u64,
    requests: u64,
    unknown: u64,
    refused: u64,
    /// The most memory that a server has taken beyond what it had before, in MiB.
    peak_mib: u64,
}

/// Runs it, and says what came of it. Gives the exit code.
pub(crate) fn run(wanted: &Rounds) -> u8 {
    let seed = seed_or_clock(wanted.seed);
    say(&format!("flood: seed {seed}, {} rounds", wanted.rounds));
    let begun = Instant::now();
    let (mut random, mut flooded) = (Random::new(seed), Flooded::default());
    while flooded.rounds < wanted.rounds {
        let dir = tempfile::tempdir().expect("a directory");
        let history = Mutex::default();
        let seed = random.next();
        let data_dir = dir.path().join("data");
        let lived = catch_unwind(AssertUnwindSafe(|| live(&data_dir, seed, &history)));
        let Ok(lived) = lived else {
            let kept = keep(&wanted.keep.join("flood"), &data_dir, &history);
            say(&format!(
                "flood: FAILED in round {}; the store and its history are in {}",
                flooded.rounds + 1,
                kept.display()
            ));
            return 1;
        };
        let Some(peak_mib) = lived else { return 2 };
        flooded.rounds += 1;
        flooded.peak_mib = flooded.peak_mib.max(peak_mib);
        for attempt in lock(&history).iter() {
            flooded.requests += 1;
            match attempt.outcome {
                Outcome::Unknown => flooded.unknown += 1,
                Outcome::Refused(_) => flooded.refused += 1,
                Outcome::Durable { .. } | Outcome::Judged(_) => {}
            }
        }
        let seconds = begun.elapsed().as_secs();
        say(&format!("flood: {seconds} s, {flooded:?}"));
    }
    let seconds = begun.elapsed().as_secs();
    say(&format!(
        "flood: nothing wrong. Seed {seed}, {seconds} s, {flooded:?}"
    ));
    0
}

/// Gives how much memory it took, in MiB. None where that is not possible.
fn live(data_dir: &Path, seed: u64, history: &Mutex<Vec<Attempt>>) -> Option<u64> {
    let server = Oncelog::start_with(data_dir, &OPTIONS);
    let before = peak_mib(server.pid());
    let late = Plan::on(
        "fdatasync",
        &format!("delay_enter={LATE_MICROSECONDS}:when=1+"),
    );
    let attached = attach(server.pid(), "committer", &late)?;
    let ended = AtomicBool::new(false);
    let peak = std::thread::scope(|threads| {
        let client = Client::new(server.address);
        for publisher in 0..PUBLISHERS {
            let (client, ended) = (client.clone(), &ended);
            threads.spawn(move || publish(&client, publisher, 0, seed, history, ended));
        }
        std::thread::sleep(FLOOD);
        let peak = peak_mib(server.pid()) - before;
        ended.store(true, Ordering::SeqCst);
        server.kill();
        peak
    });
    drop(attached);
    assert!(
        peak <= PEAK_MIB_MAX,
        "{peak} MiB of memory for {IN_FLIGHT_MIB} MiB in flight"
    );

    let server = Oncelog::start_with(data_dir, &OPTIONS);
    look(&server, data_dir, history, "after the flood", false);
    let attempts = |publisher| {
        let history = lock(history);
        let of_one = history.iter().filter(|one| one.mark.publisher == publisher);
        of_one.count() as u32
    };
    let client = Client::new(server.address);
    for publisher in 0..PUBLISHERS {
        let (next, never) = (attempts(publisher), AtomicBool::new(false));
        publish(&client, publisher, next, seed, history, &never);
    }
    look(&server, data_dir, history, "at the end", true);
    assert_eq!(check_settled(&lock(history)), []);
    assert_eq!(server.terminate().code, Some(0));
    Some(peak)
}

/// Sends a large batch, from this attempt on until it is acknowledged or this has ended.
fn publish(
    client: &Client,
    publisher: u32,
    from: u32,
    seed: u64,
    history: &Mutex<Vec<Attempt>>,
    ended: &AtomicBool,
) {
    let mut random = Random::new(seed ^ u64::from(publisher));
    let events: Arc<[Sent]> = Arc::new([Sent {
        topic: "flood".to_owned(),
        event_id: publisher.to_string(),
        payload: format!("\"{}\"", "x".repeat(PAYLOAD_BYTES)),
    }]);
    for attempt in from.. {
        let mark = Mark {
            publisher,
            batch: 0,
            attempt,
        };
        let outcome = send(client, &mut random, mark, &events);
        let is_settled = outcome.is_acknowledged();
        lock(history).push(Attempt {
            mark,
            events: events.clone(),
            outcome,
            span: Span::default(),
        });
        if is_settled || ended.load(Ordering::SeqCst) {
            return;
        }
        std::thread::sleep(BETWEEN_ATTEMPTS);
    }
}

fn lock(history: &Mutex<Vec<Attempt>>) -> std::sync::MutexGuard<'_, Vec<Attempt>> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}
