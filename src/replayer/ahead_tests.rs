//! Risks: a frame that is left out, comes twice or out of place because it was read ahead; an
//! error that comes early, late, in other words or not at all; a thread that takes memory without
//! bound or outlives who asks.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Weak;
use std::sync::mpsc::{Sender, channel};

use super::super::ahead_queue::{BYTES_MAX, bytes_of};
use super::*;
use crate::event::{Batch, Event, EventLimits, KeyRule, PayloadKind};
use crate::index::IndexOptions;
use crate::log::codec::encode_events;
use crate::log::frame::PreparedPayload;
use crate::log::storage::Storage;
use crate::log::storage::simulated::SimulatedDisk;
use crate::log::{self, CommitSink, LogOptions, Placed, PreparedBatch, Refused};

const LOG: &str = "/log";
const FRAMES: u64 = 200;
const SEGMENT_BYTES: u64 = 16 << 10;

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: SEGMENT_BYTES,
        min_free_bytes: 0,
        reserve_bytes: 0,
        verify_bytes: 0,
        index_flushed: None,
        clock: || 0,
    }
}

struct Told(Sender<()>);

impl CommitSink for Told {
    type Ticket = ();

    fn durable(&mut self, _: Placed, _: u32, (): ()) {
        self.0.send(()).expect("the test listens");
    }

    fn refused(&mut self, (): (), why: Refused) {
        panic!("nothing may be refused: {why:?}");
    }

    fn poisoned(&mut self, why: &str) {
        panic!("{why}");
    }
}

fn batch(number: u64) -> PreparedBatch {
    let ids: Vec<String> = (0..=number % 7)
        .map(|place| format!("event {number} {place}"))
        .collect();
    let events: Vec<Event<'_>> = ids
        .iter()
        .map(|id| Event {
            topic: Cow::Borrowed("topic"),
            event_id: Cow::Borrowed(id),
            source: Cow::Borrowed(""),
            timestamp: None,
            kind: PayloadKind::Json,
            payload: b"[1, 2, 3]",
            attributes: Vec::new(),
        })
        .collect();
    let count = events.len() as u32;
    let batch = Batch::new(KeyRule::TopicAndId, events, &EventLimits::default());
    let batch = batch.expect("a valid batch");
    PreparedBatch {
        payload: PreparedPayload::new(encode_events(&batch).expect("a short batch")),
        key_rule: KeyRule::TopicAndId,
        count,
    }
}

/// A log of some hundreds of events in several segments.
pub(in super::super) fn written() -> (SimulatedDisk, Arc<LiveLog>) {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new(LOG)).expect("a new disk");
    let opened = log::open(Arc::new(disk.clone()), Path::new(LOG), options()).expect("a new log");
    let live = opened.live.clone();
    let (tell, durable) = channel();
    let mut committer = opened.start(Told(tell));
    for number in 0..FRAMES {
        assert!(committer.submit(batch(number), ()).is_ok());
        durable.recv().expect("it becomes durable");
    }
    committer.stop();
    assert!(live.figures().segments > 2);
    assert!(live.durable() > Seq::new(10 * EVENTS_MIN));
    (disk, live)
}

/// An index that has nothing.
fn empty_index() -> Arc<Index> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let index = Index::open(directory.path(), [7; 16], IndexOptions::default());
    Arc::new(index.expect("a new index"))
}

/// The frames from this seq on, as one reads them by oneself.
fn frames_from(log: &Arc<LiveLog>, from: Seq) -> Vec<String> {
    let mut reader = FrameReader::new(log.clone());
    let mut next = from;
    let mut frames = Vec::new();
    while let Some(frame) = reader.read(next).expect("a log without damage") {
        next = frame.next_seq();
        frames.push(format!("{frame:?}"));
    }
    frames
}

/// The same, ahead; up to an error, which is told too.
fn ahead_from(ahead: &mut ReadAhead, from: Seq, upto: Seq) -> (Vec<String>, Seq, Option<String>) {
    let index = empty_index();
    let mut next = from;
    let mut frames = Vec::new();
    loop {
        match ahead.read(&index, next, upto) {
            Ok(Some(Due { frame, .. })) => {
                next = frame.next_seq();
                frames.push(format!("{frame:?}"));
            }
            Ok(None) => return (frames, next, None),
            Err(error) => return (frames, next, Some(error.to_string())),
        }
    }
}

/// Whether the thread has ended and let go of what it had.
fn has_ended(queue: &Weak<Queue>) -> bool {
    queue.upgrade().is_none()
}

fn queue_of(ahead: &ReadAhead) -> Weak<Queue> {
    Arc::downgrade(&ahead.running.as_ref().expect("a thread").queue)
}

#[test]
fn what_is_read_ahead_is_every_frame_once_in_order() {
    let (_disk, log) = written();
    let all = frames_from(&log, Seq::FIRST);
    assert_eq!(all.len() as u64, FRAMES);
    let mut ahead = ReadAhead::new(log.clone());
    ahead.expect(Seq::FIRST, log.durable());
    let queue = queue_of(&ahead);
    let (frames, next, error) = ahead_from(&mut ahead, Seq::FIRST, log.durable());
    assert_eq!((next, error), (log.durable().next(), None));
    assert_eq!(frames, all);
    assert!(queue.upgrade().is_none_or(|queue| queue.lock().ended));
}

#[test]
fn what_was_read_ahead_is_thrown_away_where_another_seq_is_next() {
    let (_disk, log) = written();
    let all = frames_from(&log, Seq::FIRST);
    let (mut ahead, index) = (ReadAhead::new(log.clone()), empty_index());
    for (skipped, from) in [(0, 1), (60, 237), (2, 6), (0, 1)] {
        let before = ahead.running.is_some().then(|| queue_of(&ahead));
        let due = ahead.read(&index, Seq::new(from), log.durable());
        let due = due.expect("no damage").expect("a frame");
        assert_eq!(format!("{:?}", due.frame), all[skipped], "{from}");
        assert!(ahead.running.is_some());
        assert!(before.is_none_or(|queue| has_ended(&queue)), "{from}");
    }
    let queue = queue_of(&ahead);
    drop(ahead);
    assert!(has_ended(&queue));
}

#[test]
fn nothing_is_read_beyond_what_will_be_asked_for_and_no_thread_for_a_few() {
    let (_disk, log) = written();
    let (mut ahead, index) = (ReadAhead::new(log.clone()), empty_index());
    let few = Seq::new(EVENTS_MIN - 1);
    let due = ahead.read(&index, Seq::FIRST, few);
    assert!(due.expect("no damage").is_some());
    assert!(ahead.running.is_none());
    // The last of them is within a frame, which is read.
    let upto = Seq::new(200);
    ahead.expect(Seq::FIRST, upto);
    let mut running = ahead.running.take().expect("a thread");
    let mut last = None;
    while let Some(due) = running.take(&index) {
        last = Some(due.expect("no damage").frame);
    }
    let last = last.expect("a frame");
    assert!(last.first_seq <= upto && upto < last.next_seq());
}

#[test]
fn a_thread_whose_frames_nobody_takes_stays_within_its_bound() {
    let (_disk, log) = written();
    let mut ahead = ReadAhead::new(log.clone());
    ahead.expect(Seq::FIRST, log.durable());
    let queue = ahead.running.as_ref().expect("a thread").queue.clone();
    while !queue.lock().reader_waits {
        std::thread::yield_now();
        assert!(!queue.lock().ended, "all of it was read without a wait");
    }
    let state = queue.lock();
    let last = bytes_of(state.read.back().expect("some were read"));
    assert!((BYTES_MAX..BYTES_MAX + last).contains(&state.bytes));
    assert_eq!(state.bytes, state.read.iter().map(bytes_of).sum::<usize>());
    drop(state);
    let held = Arc::downgrade(&queue);
    drop((queue, ahead));
    assert!(has_ended(&held), "it outlives who asks");
}

/// Makes a frame of the second segment unreadable; the log opened anew, with nothing of it in
/// memory, and the segment.
pub(in super::super) fn unreadable(disk: &SimulatedDisk) -> (Arc<LiveLog>, String) {
    let opened = log::open(Arc::new(disk.clone()), Path::new(LOG), options());
    let log = opened.expect("a log of which the ends are good").live;
    let names = disk.list(Path::new(LOG)).expect("the disk lives");
    let mut segments: Vec<_> = names.iter().filter(|name| name.ends_with(".seg")).collect();
    segments.sort();
    let segment = format!("{LOG}/{}", segments[1]);
    disk.make_unreadable(&segment, 8_000..8_001);
    (log, segment)
}

#[test]
fn a_frame_that_cannot_be_read_is_an_error_when_it_is_due_and_at_each_attempt() {
    let (disk, log) = written();
    let all = frames_from(&log, Seq::FIRST);
    let (log, segment) = unreadable(&disk);
    let mut direct = FrameReader::new(log.clone());
    let mut ahead = ReadAhead::new(log.clone());
    let (frames, due, error) = ahead_from(&mut ahead, Seq::FIRST, log.durable());
    assert_eq!(frames, all[..frames.len()]);
    let said = direct.read(due).expect_err("it is damaged").to_string();
    assert!(error.is_some() && frames.len() < all.len());
    for _ in 0..3 {
        let again = ahead.read(&empty_index(), due, log.durable());
        let again = again.expect_err("still damaged");
        assert_eq!((Some(again.to_string()), &said), (error.clone(), &said));
    }
    disk.make_readable(&segment);
    let (rest, next, error) = ahead_from(&mut ahead, due, log.durable());
    assert_eq!((next, error), (log.durable().next(), None));
    assert_eq!(rest, all[frames.len()..]);
}

#[test]
fn an_error_that_was_met_ahead_is_told_though_it_has_passed() {
    let (disk, log) = written();
    let all = frames_from(&log, Seq::FIRST);
    let (log, segment) = unreadable(&disk);
    let mut ahead = ReadAhead::new(log.clone());
    ahead.expect(Seq::FIRST, log.durable());
    let index = empty_index();
    let (mut frames, mut next) = (Vec::new(), Seq::FIRST);
    while !ahead.running.as_ref().expect("a thread").queue.lock().ended {
        // Room for what follows, until it has met the error.
        let is_full = ahead
            .running
            .as_ref()
            .is_some_and(|running| running.queue.lock().reader_waits);
        if is_full {
            let due = ahead
                .read(&index, next, log.durable())
                .expect("no error yet");
            let frame = due.expect("a frame").frame;
            next = frame.next_seq();
            frames.push(format!("{frame:?}"));
        }
        std::thread::yield_now();
    }
    disk.make_readable(&segment);
    let (more, due, error) = ahead_from(&mut ahead, next, log.durable());
    assert!(error.is_some(), "nobody hears of it");
    frames.extend(more);
    frames.extend(ahead_from(&mut ahead, due, log.durable()).0);
    assert_eq!(frames, all);
}
