//! Publishers that keep the contract: one batch in flight, and the same batch again until it
//! is acknowledged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::client::{Client, Receipt, Shape};
use crate::history::{Attempt, Mark, Outcome, Sent, Span, Told};
use crate::random::Random;

pub(crate) const PUBLISHERS: u32 = 8;
const BATCH_MAX: u64 = 200;
const REPEATED_PERCENT: u64 = 20;
/// Ids of one topic whose keys have digests that begin with the same 8 bytes: to who knows an id
/// by no more they are one.
const NEARLY_ONE_ID: [&str; 2] = ["69e479775676d4ce", "7bd3b33d0dc999b9"];
const THEIR_TOPIC: &str = "topic-0";
const NEARLY_ONE_PERCENT: u64 = 1;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(5);

/// Lets publishers in while there is a server, and tells when none is at it any more.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    doors: Mutex<Doors>,
    changed: Condvar,
    clock: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Doors {
    address: Option<SocketAddr>,
    inside: usize,
    /// No new batches; those begun are settled.
    last_call: bool,
    /// Nobody comes in any more.
    shut: bool,
}

/// Somebody is inside as long as it lives.
struct Pass<'g> {
    gate: &'g Gate,
    address: SocketAddr,
}

impl Gate {
    /// One whose attempts are told apart in time by this clock; else it is 0 at all times.
    #[allow(dead_code, reason = "only who thinks up crashes afterwards asks when")]
    pub(crate) fn with_clock(clock: Arc<AtomicU64>) -> Gate {
        Gate {
            clock,
            ..Gate::default()
        }
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self, address: SocketAddr) {
        self.lock().address = Some(address);
        self.changed.notify_all();
    }

    /// Lets nobody in any more, and does not wait for those who are inside.
    pub(crate) fn bar(&self) {
        self.lock().address = None;
    }

    /// Waits until everybody is out.
    pub(crate) fn close(&self) {
        self.bar();
        let mut doors = self.lock();
        while doors.inside > 0 {
            let wait = self.changed.wait(doors);
            doors = wait.unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn last_call(&self) {
        self.lock().last_call = true;
    }

    pub(crate) fn shut(&self) {
        self.lock().shut = true;
        self.changed.notify_all();
    }

    fn is_last_call(&self) -> bool {
        self.lock().last_call
    }

    /// None when it is shut.
    fn enter(&self) -> Option<Pass<'_>> {
        let mut doors = self.lock();
        loop {
            if doors.shut {
                return None;
            }
            if let Some(address) = doors.address {
                doors.inside += 1;
                return Some(Pass {
                    gate: self,
                    address,
                });
            }
            let wait = self.changed.wait(doors);
            doors = wait.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Lets the publishers go home, also when the test fails.
pub(crate) struct Shut<'g>(pub(crate) &'g Gate);

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        self.0.shut();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.lock().inside -= 1;
        self.gate.changed.notify_all();
    }
}

/// Publishes until the last call. Every attempt is in `history` before its pass is given back.
pub(crate) fn publish(number: u32, seed: u64, gate: &Gate, history: &Mutex<Vec<Attempt>>) {
    let mut random = Random::new(seed ^ u64::from(number + 1).wrapping_mul(0xd6e8_feb8_6659_fd93));
    let mut ids = 0;
    let mut connected: Option<(SocketAddr, Client)> = None;
    for batch in 0.. {
        if gate.is_last_call() {
            return;
        }
        let events: Arc<[Sent]> = make_batch(&mut random, number, &mut ids).into();
        for attempt in 0.. {
            let Some(pass) = gate.enter() else { return };
            let client = match &connected {
                Some((address, client)) if *address == pass.address => client.clone(),
                _ => Client::new(pass.address),
            };
            connected = Some((pass.address, client.clone()));
            let mark = Mark {
                publisher: number,
                batch,
                attempt,
            };
            let begun = gate.now();
            let outcome = send(&client, &mut random, mark, &events);
            let span = Span {
                begun,
                ended: gate.now(),
            };
            let is_settled = outcome.is_acknowledged();
            let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
            history.push(Attempt {
                mark,
                events: events.clone(),
                outcome,
                span,
            });
            drop(history);
            drop(pass);
            if is_settled {
                break;
            }
            std::thread::sleep(BETWEEN_ATTEMPTS);
        }
        std::thread::sleep(Duration::from_millis(random.between(0, 25)));
    }
}

/// One attempt, and what the publisher knows after it.
pub(crate) fn send(client: &Client, random: &mut Random, mark: Mark, events: &[Sent]) -> Outcome {
    let shape = if events.len() == 1 && random.percent(50) {
        Shape::One
    } else if random.percent(50) {
        Shape::Array
    } else {
        Shape::Envelope
    };
    let query = if random.percent(10) {
        "?receipts=all&wait=durable"
    } else {
        "?receipts=all"
    };
    let texts: Vec<String> = events.iter().map(|sent| text(sent, mark)).collect();
    let Ok(answer) = client.try_publish(query, shape.body(&texts)) else {
        return Outcome::Unknown;
    };
    match answer.status {
        200 => {
            let receipt: Receipt = answer.parse();
            assert_eq!(receipt.receipts.len(), events.len(), "{mark}");
            let told = receipt.receipts.into_iter().enumerate();
            let told = told.map(|(index, judged)| {
                assert_eq!(judged.index, index, "{mark}");
                Told {
                    seq: judged.seq,
                    verdict: judged.verdict,
                    original_seq: judged.original_seq,
                }
            });
            Outcome::Judged(told.collect())
        }
        202 => Outcome::Durable {
            first_seq: answer.parse::<Receipt>().first_seq,
        },
        503 | 507 => match answer.problem_code() {
            code if code == "outcome_unknown" => Outcome::Unknown,
            code => {
                assert!(answer.retry_after.is_some(), "{mark}: {code}");
                Outcome::Refused(code)
            }
        },
        // The network ended it in the middle: the server says so, and that nothing was written.
        400 => match answer.problem_code() {
            code if code == "incomplete_body" => Outcome::Refused(code),
            code => panic!("{mark}: {code}"),
        },
        status => panic!("{mark}: {status} {}", answer.text),
    }
}

fn text(sent: &Sent, mark: Mark) -> String {
    let Sent {
        topic,
        event_id,
        payload,
    } = sent;
    format!(
        r#"{{"topic":"{topic}","event_id":"{event_id}","source":"{mark}","payload":{payload}}}"#
    )
}

/// Small batches are more frequent than large ones.
pub(crate) fn make_batch(random: &mut Random, publisher: u32, ids: &mut u64) -> Vec<Sent> {
    let size_class = 1 << random.between(0, 8);
    let size = random.between(1, size_class).min(BATCH_MAX);
    (0..size)
        .map(|_| {
            if *ids > 0 && random.percent(REPEATED_PERCENT) {
                return make_repeated(random, publisher, *ids);
            }
            if random.percent(NEARLY_ONE_PERCENT) {
                return make_nearly_one(random);
            }
            *ids += 1;
            make_event(publisher, *ids, Variant::Plain)
        })
        .collect()
}

/// An id sent before, by this publisher or perhaps by another one.
fn make_repeated(random: &mut Random, publisher: u32, ids: u64) -> Sent {
    let publisher = if random.percent(70) {
        publisher
    } else {
        random.between(0, u64::from(PUBLISHERS) - 1) as u32
    };
    let variant = match random.between(0, 4) {
        0 => Variant::Other,
        1 => Variant::Respelled,
        _ => Variant::Plain,
    };
    make_event(publisher, random.between(1, ids), variant)
}

fn make_nearly_one(random: &mut Random) -> Sent {
    Sent {
        topic: THEIR_TOPIC.to_owned(),
        event_id: NEARLY_ONE_ID[random.between(0, 1) as usize].to_owned(),
        payload: "0".to_owned(),
    }
}

#[derive(Copy, Clone)]
enum Variant {
    Plain,
    /// The same value in other bytes.
    Respelled,
    /// Something else under the same id.
    Other,
}

fn make_event(publisher: u32, id: u64, variant: Variant) -> Sent {
    let filling = "x".repeat((id % 240) as usize);
    let payload = match variant {
        Variant::Plain => format!(r#"{{"by":{publisher},"id":{id},"filling":"{filling}"}}"#),
        Variant::Respelled => {
            format!(r#"{{ "filling" : "{filling}", "id" : {id}, "by" : {publisher} }}"#)
        }
        Variant::Other => format!(r#"{{"by":{publisher},"id":-{id},"filling":"{filling}"}}"#),
    };
    Sent {
        topic: format!("topic-{}", id % 5),
        event_id: format!("{publisher}-{id}"),
        payload,
    }
}
