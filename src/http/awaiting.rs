//! Waiting for what becomes of a batch, no longer than is allowed.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, timeout, timeout_at};

use super::body_room::TakenRoom;
use super::options::HttpOptions;
use crate::event::Seq;
use crate::store::{DurableFrom, Outcome, PublishRefusal, Submitted};

/// How often a batch whose verdicts are late is asked whether it is durable by now.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// A batch on its way, with the room that its bytes take.
///
/// The batch goes on when its client does not: dropped before the outcome is there, it
/// keeps the room until it is, or clients that leave early could fill the memory.
pub(super) struct Awaited {
    outcome: Option<Receiver<Outcome>>,
    durable_from: DurableFrom,
    events: usize,
    room: Option<Arc<TakenRoom>>,
}

impl Awaited {
    pub(super) fn new(submitted: Submitted, events: usize, room: Arc<TakenRoom>) -> Awaited {
        Awaited {
            outcome: Some(submitted.outcome),
            durable_from: submitted.durable_from,
            events,
            room: Some(room),
        }
    }

    /// The outcome, or as much of it as is known in time.
    pub(super) async fn outcome(mut self, options: &HttpOptions) -> Outcome {
        let Some(receiver) = &mut self.outcome else {
            return Outcome::Refused(PublishRefusal::OutcomeUnknown);
        };
        let patience = options.verdict_wait.max(options.durable_wait);
        let give_up = Instant::now() + patience;
        let mut received = timeout(options.verdict_wait, &mut *receiver).await;
        while received.is_err() {
            if let Some(first_seq) = self.durable_from.get() {
                return durable(first_seq, self.events);
            }
            if Instant::now() >= give_up {
                return Outcome::Refused(PublishRefusal::NotDurableYet(patience));
            }
            received = timeout_at(Instant::now() + ASK_EVERY, &mut *receiver).await;
        }
        self.outcome = None;
        // A store that went without a word may have written it.
        received
            .ok()
            .and_then(Result::ok)
            .unwrap_or(Outcome::Refused(PublishRefusal::OutcomeUnknown))
    }
}

fn durable(first_seq: Seq, events: usize) -> Outcome {
    Outcome::Durable {
        first_seq,
        last_seq: first_seq.plus(events as u64).previous(),
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let (Some(outcome), Some(room)) = (self.outcome.take(), self.room.take())
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                // Whatever it is, nobody wants to know any more.
                let _ = outcome.await;
                drop(room);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::http::body_room::BodyRoom;
    use crate::index::fold::{Arrivals, Judged, Verdict};

    const SHORT: Duration = Duration::from_millis(30);

    struct Batch {
        tell: oneshot::Sender<Outcome>,
        durable_from: DurableFrom,
        room: BodyRoom,
        awaited: Awaited,
    }

    /// Two events that take all of the room.
    async fn batch() -> Batch {
        let (tell, outcome) = oneshot::channel();
        let durable_from = DurableFrom::default();
        let submitted = Submitted {
            arrivals: Arc::new(Arrivals::default()),
            outcome,
            durable_from: durable_from.clone(),
        };
        let room = BodyRoom::new(9, 9, 1);
        let taken = room.take(9, Instant::now()).await.expect("all of it");
        Batch {
            tell,
            durable_from,
            room,
            awaited: Awaited::new(submitted, 2, Arc::new(taken)),
        }
    }

    fn options() -> HttpOptions {
        HttpOptions {
            verdict_wait: SHORT,
            durable_wait: SHORT * 4,
            ..HttpOptions::default()
        }
    }

    #[tokio::test]
    async fn verdicts_that_come_in_time_are_the_answer() {
        let Batch {
            tell,
            room,
            awaited,
            ..
        } = batch().await;
        let stored = Judged {
            seq: Seq::FIRST,
            verdict: Verdict::Stored,
            original_seq: Seq::FIRST,
        };
        tell.send(Outcome::Judged(vec![stored]))
            .expect("somebody waits");
        let outcome = awaited.outcome(&options()).await;
        assert!(matches!(outcome, Outcome::Judged(judged) if judged == [stored]));
        let all = room.take(9, Instant::now()).await;
        assert!(all.is_ok(), "it came back");
    }

    #[tokio::test]
    async fn late_verdicts_of_a_durable_batch_are_pending_and_not_lost() {
        let Batch {
            tell: _tell,
            durable_from,
            awaited,
            ..
        } = batch().await;
        durable_from.set(Seq::new(7));
        match awaited.outcome(&options()).await {
            Outcome::Durable {
                first_seq,
                last_seq,
            } => assert_eq!((first_seq, last_seq), (Seq::new(7), Seq::new(8))),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_not_durable_is_never_acknowledged_however_long_it_takes() {
        let Batch {
            tell: _tell,
            awaited,
            ..
        } = batch().await;
        let outcome = awaited.outcome(&options()).await;
        assert!(
            matches!(outcome, Outcome::Refused(PublishRefusal::NotDurableYet(after)) if after == SHORT * 4),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn a_batch_that_becomes_durable_late_is_pending() {
        let Batch {
            tell: _tell,
            durable_from,
            awaited,
            ..
        } = batch().await;
        let options = HttpOptions {
            durable_wait: SHORT * 100,
            ..options()
        };
        let set = tokio::spawn(async move {
            tokio::time::sleep(SHORT * 2).await;
            durable_from.set(Seq::FIRST);
        });
        assert!(matches!(
            awaited.outcome(&options).await,
            Outcome::Durable { .. }
        ));
        set.await.expect("set");
    }

    #[tokio::test]
    async fn a_store_that_went_without_a_word_leaves_the_outcome_unknown() {
        let Batch { tell, awaited, .. } = batch().await;
        drop(tell);
        let outcome = awaited.outcome(&options()).await;
        assert!(
            matches!(outcome, Outcome::Refused(PublishRefusal::OutcomeUnknown)),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn room_is_not_given_back_before_the_store_is_done_with_the_batch() {
        let Batch {
            tell,
            room,
            awaited,
            ..
        } = batch().await;
        drop(awaited);
        tokio::task::yield_now().await;
        let early = room.take(1, Instant::now()).await;
        assert!(early.is_err(), "the client left, its batch did not");
        tell.send(Outcome::Judged(Vec::new()))
            .expect("somebody waits");
        let all = room.take(9, Instant::now() + SHORT * 100).await;
        assert!(all.is_ok());
    }
}
