//! From a batch to a frame in a segment, and back.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput};
use oncelog::event::{Batch, Seq};
use oncelog::log::codec::{decode_events, encode_events};
use oncelog::log::format::{FOLD_VERSION, FrameType, HEADER_BYTES, LogId};
use oncelog::log::frame::{
    FrameHeader, PreparedPayload, check_payload, decode_header, encode_frame,
};
use oncelog::log::header::SegmentHeader;
use oncelog::log::{self, CommitSink, Committer, LogOptions, Placed, PreparedBatch, Refused};

use super::inputs::inputs;
use super::memory::MemoryDisk;

/// Batches that are on their way at once, as from so many connections.
const IN_FLIGHT: u64 = 16;
/// A log on the disk in memory is replaced at about this size.
const LOG_BYTES: u64 = 256 << 20;
const OFFSET: u64 = HEADER_BYTES as u64;

/// Encodes a payload, sums it up and puts the frame together.
pub(crate) fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for input in inputs() {
        let batch = input.batch();
        group.throughput(Throughput::Elements(input.events));
        group.bench_function(&input.name, |bencher| bencher.iter(|| frame_of(&batch)));
    }
    group.finish();
}

/// The CRC over a prepared payload alone, in bytes.
pub(crate) fn crc(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("crc");
    for input in inputs() {
        let payload = encode_events(&input.batch()).expect("not too long");
        group.throughput(Throughput::Bytes(payload.len() as u64));
        group.bench_function(&input.name, |bencher| {
            bencher.iter_batched(
                || payload.clone(),
                PreparedPayload::new,
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Through the committer's thread to a disk in memory, 16 batches at a time; prepared
/// beforehand, without verdicts. What the thread and its queue cost is in it.
pub(crate) fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for input in inputs() {
        let batch = input.batch();
        let prepared = PreparedBatch {
            payload: PreparedPayload::new(encode_events(&batch).expect("not too long")),
            key_rule: batch.key_rule(),
            count: input.events as u32,
        };
        group.throughput(Throughput::Elements(input.events * IN_FLIGHT));
        group.bench_function(&input.name, |bencher| {
            let mut appending = Appending::new();
            bencher.iter_custom(|rounds| (0..rounds).map(|_| appending.round(&prepared)).sum());
        });
    }
    group.finish();
}

/// Checks a frame and decodes its events, all of which borrow from it.
pub(crate) fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for input in inputs() {
        let frame = frame_of(&input.batch());
        group.throughput(Throughput::Elements(input.events));
        group.bench_function(&input.name, |bencher| {
            bencher.iter(|| {
                let segment = segment();
                let header = decode_header(&segment, OFFSET, &frame).expect("a header");
                let payload =
                    check_payload(&segment, OFFSET, &header, &frame).expect("a good frame");
                let events = decode_events(payload, header.count).expect("events");
                black_box(events.len())
            });
        });
    }
    group.finish();
}

fn segment() -> SegmentHeader {
    SegmentHeader {
        log_id: LogId([7; 16]),
        first_seq: Seq::FIRST,
        fold_version: FOLD_VERSION,
        salt: 42,
        made_at: 0,
    }
}

fn frame_of(batch: &Batch<'_>) -> Vec<u8> {
    let payload = PreparedPayload::new(encode_events(batch).expect("not too long"));
    let header = FrameHeader {
        type_number: FrameType::Events as u8,
        key_rule: batch.key_rule() as u8,
        count: batch.events().len() as u32,
        ..FrameHeader::without_seqs(FrameType::Events, Seq::FIRST)
    };
    let mut out = Vec::with_capacity(payload.frame_bytes() as usize);
    encode_frame(&segment(), OFFSET, header, &payload, &mut out);
    out
}

/// A log on a disk in memory, and what hears of its batches.
struct Appending {
    committer: Committer<Sender<()>>,
    bytes: u64,
}

impl Appending {
    fn new() -> Appending {
        let disk = Arc::new(MemoryDisk::default());
        let options = LogOptions {
            segment_bytes: 64 << 20,
            min_free_bytes: 0,
            reserve_bytes: 0,
            verify_bytes: 0,
            index_flushed: None,
            clock: || 0,
        };
        let opened = log::open(disk, Path::new("log"), options).expect("a new log");
        Appending {
            committer: opened.start(Told),
            bytes: 0,
        }
    }

    fn round(&mut self, prepared: &PreparedBatch) -> Duration {
        if self.bytes > LOG_BYTES {
            self.committer.stop();
            *self = Appending::new();
        }
        self.bytes += IN_FLIGHT * prepared.payload.frame_bytes();
        let batches: Vec<_> = (0..IN_FLIGHT).map(|_| prepared.clone()).collect();
        let (tell, durable) = channel();
        let begun = Instant::now();
        for batch in batches {
            let queued = self.committer.submit(batch, tell.clone());
            queued.expect("the committer runs");
        }
        for _ in 0..IN_FLIGHT {
            durable.recv().expect("the batch becomes durable");
        }
        begun.elapsed()
    }
}

struct Told;

impl CommitSink for Told {
    type Ticket = Sender<()>;

    fn durable(&mut self, _placed: Placed, _count: u32, ticket: Sender<()>) {
        let _ = ticket.send(());
    }

    fn refused(&mut self, _ticket: Sender<()>, why: Refused) {
        panic!("nothing may be refused: {why:?}");
    }

    fn poisoned(&mut self, why: &str) {
        panic!("{why}");
    }
}
