//! Risk: log and index, each of them right, come apart: in some order of publishing, kills and power
//! cuts, clean stops, rebuilds, new segments, flushes and merges an acknowledged event is gone, an
//! unacknowledged batch is there in part, or a verdict is another one than a plain map gives.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::offline::fold_log;
use crate::event::{Batch, Event, EventLimits, KeyRule, PayloadKind, Seq};
use crate::index::Index;
use crate::index::model::{Frame, Model, Palette, Payload, Sent};
use crate::index::tiny::{LOG, open_of};
use crate::log::codec::encode_events;
use crate::log::frame::PreparedPayload;
use crate::log::storage::Storage;
use crate::log::storage::simulated::{SimulatedDisk, Survival};
use crate::log::{
    self, CommitSink, Committer, LiveLog, LogOptions, OpenedLog, Placed, PreparedBatch, Refused,
};

const LOG_DIR: &str = "/log";
const SEGMENT_BYTES: u64 = 4096;
/// The number of a payload that leaves no room for another batch in a segment.
const LARGE: u8 = 4;

/// 1 and 1.0 are equal, nothing else is.
fn palette() -> Palette {
    let text = |text: &str| (PayloadKind::Json, text.as_bytes().to_vec());
    let long = format!("\"{}\"", "x".repeat(3900));
    let payloads = [
        "1",
        "1.0",
        "2",
        "\"some more text than the others have\"",
        &long,
    ];
    Palette::Given(payloads.map(text).to_vec(), |one: &Payload, other| {
        one == other
            || [one, other]
                .iter()
                .all(|(_, bytes)| [&b"1"[..], b"1.0"].contains(&&**bytes))
    })
}

fn encoded(sent: &[Sent]) -> Vec<u8> {
    let palette = palette();
    let payloads: Vec<_> = sent.iter().map(|one| palette.payload(one.2)).collect();
    let event = |((topic, id, _), (kind, payload))| Event {
        topic: format!("topic {topic}").into(),
        event_id: format!("{id}").into(),
        source: "source".into(),
        timestamp: None,
        kind,
        payload,
        attributes: Vec::new(),
    };
    let payloads = payloads.iter().map(|(kind, payload)| (*kind, &payload[..]));
    let events = sent.iter().copied().zip(payloads).map(event).collect();
    let batch = Batch::new(KeyRule::TopicAndId, events, &EventLimits::default());
    encode_events(&batch.expect("good events")).expect("short")
}

#[derive(Clone, Debug)]
enum Step {
    /// Batches that are submitted together.
    Publish(Vec<Vec<Sent>>),
    /// A segment is full.
    Roll,
    Flush,
    /// The machine, or the process, stops at once, or at that operation of a publish.
    Crash(Option<u64>, Survival),
    Stop,
    Rebuild,
    Compare,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sent = (0..4_u8, 0..40_u16, prop_oneof![3 => Just(0), 2 => 1..LARGE]);
    let survival = prop_oneof![
        3 => Just(Survival::PageCache),
        1 => Just(Survival::Nothing),
        1 => Just(Survival::Everything),
        2 => any::<u64>().prop_map(Survival::Random),
    ];
    let step = prop_oneof![
        8 => vec(vec(sent, 1..8), 1..4).prop_map(Step::Publish),
        1 => Just(Step::Roll),
        3 => Just(Step::Flush),
        3 => (proptest::option::of(1..12_u64), survival).prop_map(|(at, what)| Step::Crash(at, what)),
        1 => Just(Step::Stop),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Compare),
    ];
    vec(step, 1..40)
}

/// Tells what becomes of a batch: its first seq if it is durable.
struct Ear(Sender<(usize, Result<Seq, Refused>)>);

impl CommitSink for Ear {
    type Ticket = usize;

    fn durable(&mut self, placed: Placed, _: u32, ticket: usize) {
        let _ = self.0.send((ticket, Ok(placed.first_seq)));
    }

    fn refused(&mut self, ticket: usize, why: Refused) {
        let _ = self.0.send((ticket, Err(why)));
    }

    fn poisoned(&mut self, _: &str) {}
}

/// One life of a store.
struct Life {
    disk: SimulatedDisk,
    log: Arc<LiveLog>,
    committer: Committer<usize>,
    heard: Receiver<(usize, Result<Seq, Refused>)>,
    index_dir: TempDir,
    index: Arc<Index>,
}

/// What is known over all lives.
struct Known {
    /// What is durable, as the plain map judges it.
    model: Model,
    acknowledged: BTreeMap<Seq, Vec<Sent>>,
    /// Batches of which nobody was told whether they are there, in order.
    unknown: Vec<Vec<Sent>>,
}

impl Known {
    /// Every acknowledged batch stands at its seq, and what else is there is a whole batch that was
    /// sent. From now on that is durable too.
    fn judge(&mut self, opened: &OpenedLog) {
        let mut frames = opened.live.frames(Seq::FIRST, Seq::new(u64::MAX));
        let mut unknown = std::mem::take(&mut self.unknown).into_iter();
        let mut there = 0;
        while let Some(frame) = frames.next_frame().expect("it was just recovered") {
            let (seq, payload) = (frame.header.first_seq, frames.payload());
            if let Some(sent) = self.acknowledged.get(&seq) {
                assert_eq!(encoded(sent), payload, "at {seq}");
            } else {
                let sent = unknown.find(|sent| encoded(sent) == payload);
                let sent = sent.unwrap_or_else(|| panic!("nobody sent what is at {seq}"));
                self.acknowledged.insert(seq, sent);
            }
            there += 1;
            if seq > self.model.applied() {
                self.model
                    .take(Frame::Events(true, self.acknowledged[&seq].clone()));
            }
        }
        assert_eq!(
            there,
            self.acknowledged.len(),
            "an acknowledged batch is gone"
        );
        assert_eq!(opened.next_seq, self.model.applied().next());
    }
}

impl Life {
    fn begin(disk: SimulatedDisk, index_dir: TempDir, known: &mut Known) -> Life {
        let index = Arc::new(open_of(index_dir.path(), LOG).expect("nothing else has touched it"));
        let options = LogOptions {
            segment_bytes: SEGMENT_BYTES,
            min_free_bytes: 0,
            verify_bytes: u64::MAX,
            reserve_bytes: SEGMENT_BYTES,
            index_flushed: Some(index.flushed()),
            clock: || 1_700_000_000_000_000,
        };
        let opened = log::open(Arc::new(disk.clone()), Path::new(LOG_DIR), options);
        let opened = opened.unwrap_or_else(|error| panic!("{error}\n{:#?}", disk.tree()));
        known.judge(&opened);
        let (tell, heard) = channel();
        let log = opened.live.clone();
        let life = Life {
            committer: opened.start(Ear(tell)),
            disk,
            log,
            heard,
            index_dir,
            index,
        };
        life.apply(known);
        life
    }

    /// What is durable is folded, from the log.
    fn apply(&self, known: &Known) {
        fold_log(&self.log, &self.index, self.log.durable(), &mut |_| {}).expect("it can be read");
        assert_eq!(self.index.state(), known.model.state);
    }

    /// False when the log takes no more.
    fn publish(&self, batches: &[Vec<Sent>], known: &mut Known) -> bool {
        let mut goes_on = true;
        let mut waited_for = 0;
        for (ticket, sent) in batches.iter().enumerate() {
            let batch = PreparedBatch {
                payload: PreparedPayload::new(encoded(sent)),
                key_rule: KeyRule::TopicAndId,
                count: sent.len() as u32,
            };
            match self.committer.submit(batch, ticket) {
                Ok(()) => waited_for += 1,
                Err(_) => goes_on = false,
            }
        }
        let heard = (0..waited_for).map(|_| {
            let heard = self.heard.recv_timeout(Duration::from_secs(20));
            heard.expect("each batch has an answer")
        });
        let mut heard: Vec<_> = heard.collect();
        // The answers come in groups, the seqs in the order in which they were sent.
        heard.sort_by_key(|(ticket, _)| *ticket);
        for (ticket, outcome) in heard {
            let sent = batches[ticket].clone();
            match outcome {
                Ok(first_seq) => {
                    assert_eq!(first_seq, known.model.applied().next());
                    known.model.take(Frame::Events(true, sent.clone()));
                    known.acknowledged.insert(first_seq, sent);
                }
                Err(Refused::OutcomeUnknown) => {
                    known.unknown.push(sent);
                    goes_on = false;
                }
                Err(Refused::NotWritten) => goes_on = false,
                Err(Refused::NoRoom(lack)) => {
                    assert!(self.disk.is_dead(), "the disk has no end: {lack:?}");
                    goes_on = false;
                }
            }
        }
        goes_on
    }

    fn crash(self, at: Option<u64>, survival: Survival, known: &mut Known) -> Life {
        if let Some(number) = at {
            self.disk.crash_at(self.disk.operations() + number);
            // An idle mark may be what meets it.
            for id in 0..number as u16 {
                if !self.publish(&[vec![(0, id, 0)]], known) {
                    break;
                }
            }
        }
        let disk = self.disk.crash(survival);
        drop((self.committer, self.index));
        Life::begin(disk, self.index_dir, known)
    }

    fn stop(mut self, known: &mut Known) -> Life {
        self.committer.stop();
        self.index.close().expect("a flush");
        Life::begin(self.disk.snapshot(), self.index_dir, known)
    }

    /// Another index, from the log alone, takes the place of the one there is.
    fn rebuild(&mut self, known: &Known) {
        let index_dir = tempfile::tempdir().expect("a directory");
        let index = Arc::new(open_of(index_dir.path(), LOG).expect("a new one"));
        (self.index, self.index_dir) = (index, index_dir);
        self.apply(known);
        known.model.compare(&self.index).expect("answers");
    }
}

fn live(steps: Vec<Step>) {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new(LOG_DIR)).expect("a new disk");
    disk.sync_dir(Path::new("/")).expect("a new disk");
    let mut known = Known {
        model: Model::with(palette()),
        acknowledged: BTreeMap::new(),
        unknown: Vec::new(),
    };
    let index_dir = tempfile::tempdir().expect("a directory");
    let mut life = Life::begin(disk.snapshot(), index_dir, &mut known);
    for step in steps {
        match step {
            Step::Publish(batches) => assert!(life.publish(&batches, &mut known)),
            Step::Roll => assert!(life.publish(&[vec![(1, 50, LARGE)]], &mut known)),
            Step::Flush => life.index.flush_now().expect("a flush"),
            Step::Crash(at, survival) => life = life.crash(at, survival, &mut known),
            Step::Stop => life = life.stop(&mut known),
            Step::Rebuild => life.rebuild(&known),
            Step::Compare => known.model.compare(&life.index).expect("answers"),
        }
        life.apply(&known);
    }
    life = life.stop(&mut known);
    known.model.compare(&life.index).expect("answers");
    assert_eq!(life.index.state().counters, known.model.counted());
    life.rebuild(&known);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn log_and_index_stay_one_store_in_any_order_of_events(steps in steps()) {
        live(steps);
    }
}
