//! Between the committer and the replayer: durable batches go on, everybody hears.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::answers::{DurableFrom, Outcome, PublishRefusal, ReplyWhen, State};
use super::topic_gate::NewTopics;
use super::watcher::Watcher;
use crate::event::Seq;
use crate::index::fold::{Arrivals, Judged};
use crate::log::{CommitSink, Lack, Placed, Refused};
use crate::replayer::{Handed, Inbox, Shared, Waiter};

/// Behind a longer replay nobody is kept waiting for a verdict.
const SOON_EVENTS: u64 = 500_000;

/// Goes with a batch through the committer.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) arrivals: Arc<Arrivals>,
    pub(super) when: ReplyWhen,
    pub(super) durable_from: DurableFrom,
    pub(super) new_topics: Option<NewTopics>,
    pub(super) reply: Reply,
}

/// Where the outcome goes.
#[derive(Debug)]
pub(super) struct Reply(pub(super) oneshot::Sender<Outcome>);

impl Reply {
    fn send(self, outcome: Outcome) {
        // A publisher that went away does not hear; its batch goes on all the same.
        let _ = self.0.send(outcome);
    }
}

impl Waiter for Reply {
    fn judged(self, first_seq: Seq, judged: Vec<Judged>) {
        debug_assert!(judged.first().is_none_or(|first| first.seq == first_seq));
        self.send(Outcome::Judged(judged));
    }

    fn later(self, first_seq: Seq, count: u32) {
        self.send(Outcome::Durable {
            first_seq,
            last_seq: first_seq.plus(u64::from(count)).previous(),
        });
    }
}

/// The store's ear at the committer.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) inbox: Arc<Inbox<Reply>>,
    pub(super) replayer: Arc<Shared>,
    pub(super) poisoned: watch::Sender<Option<String>>,
    pub(super) watcher: Arc<Watcher>,
    pub(super) group: Vec<Handed<Reply>>,
}

impl CommitSink for Sink {
    type Ticket = Ticket;

    fn durable(&mut self, placed: Placed, count: u32, ticket: Ticket) {
        ticket.durable_from.set(placed.first_seq);
        if let Some(new_topics) = ticket.new_topics {
            new_topics.durable(placed.first_seq.plus(u64::from(count)).previous());
        }
        let waiter = match ticket.when {
            ReplyWhen::Judged => Some(ticket.reply),
            ReplyWhen::Durable => {
                ticket.reply.later(placed.first_seq, count);
                None
            }
        };
        self.group.push(Handed {
            first_seq: placed.first_seq,
            count,
            frame_bytes: placed.frame_bytes,
            arrivals: Some(ticket.arrivals),
            waiter,
        });
    }

    fn group_ended(&mut self) {
        let soon = !self.replayer.is_stalled() && self.replayer.left_to_replay() < SOON_EVENTS;
        self.inbox.hand(&mut self.group, soon);
    }

    fn refused(&mut self, ticket: Ticket, why: Refused) {
        let refusal = match why {
            Refused::OutcomeUnknown => PublishRefusal::OutcomeUnknown,
            Refused::NotWritten => {
                PublishRefusal::NotWritten("the log takes no more writes".into())
            }
            Refused::NoRoom(no_room) => {
                if let Some(state) = State::without_room(no_room.lack) {
                    self.watcher.met(state, &no_room.why);
                }
                match no_room.lack {
                    Lack::DiskFull => PublishRefusal::DiskFull(no_room.why),
                    Lack::DiskFails | Lack::Stopping => PublishRefusal::NotWritten(no_room.why),
                }
            }
        };
        ticket.reply.send(Outcome::Refused(refusal));
    }

    fn poisoned(&mut self, why: &str) {
        tracing::error!("poisoned: {why}; the log takes no more writes and the process ends");
        self.poisoned.send_replace(Some(why.to_owned()));
    }
}
