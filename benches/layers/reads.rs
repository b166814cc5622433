//! Questions to a store of 200 000 events over 1 000 topics, without HTTP: the index and the
//! log together, both in the page cache.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use oncelog::event::Seq;
use oncelog::render::{EventWriter, Show};
use oncelog::store::{EventFilter, Outcome, ReplyWhen, Store, StoreOptions};
use tempfile::TempDir;

use super::inputs::synthetic;

const EVENTS: u64 = 200_000;
/// Events of each page by topic.
const PAGE_EVENTS: u64 = 100;
/// A stride that visits seqs in no order.
const STRIDE: u64 = 77_773;

/// Scans of all, pages by topic, and single events.
pub(crate) fn query(criterion: &mut Criterion) {
    for batch in [1, 100, 1_000, 100_000] {
        // In batches of one it would take long to fill, and says the same with less.
        let events = if batch == 1 { EVENTS / 10 } else { EVENTS };
        let filled = Filled::new(batch, events);
        let store = &filled.store;
        let mut group = criterion.benchmark_group("query");
        group.sample_size(20);
        group.throughput(Throughput::Elements(events));
        group.bench_function(format!("scan/260B/{batch}"), |bencher| {
            bencher.iter(|| scanned(store, EventFilter::default(), u64::MAX));
        });
        if batch > 1 {
            let mut topic = 0;
            group.throughput(Throughput::Elements(PAGE_EVENTS));
            group.bench_function(format!("page by topic/260B/{batch}"), |bencher| {
                bencher.iter(|| {
                    topic = (topic + 7) % 1_000;
                    let filter = EventFilter {
                        topic: Some(format!("orders.{topic}")),
                        ..EventFilter::default()
                    };
                    scanned(store, filter, PAGE_EVENTS)
                });
            });
        }
        let mut place = 0;
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("event by seq/260B/{batch}"), |bencher| {
            bencher.iter(|| {
                place = (place + STRIDE) % events;
                let found = store.event(Seq::new(place + 1), |logged| logged.event.payload.len());
                black_box(found.is_ok())
            });
        });
        group.finish();
    }
}

/// Renders pages of half a MiB of these events, as `/events` does; gives the bytes.
fn scanned(store: &Store, filter: EventFilter, mut limit: u64) -> usize {
    let mut scan = store.scan(filter).expect("a store that is up");
    let mut writer = EventWriter::default();
    let mut bytes = 0;
    loop {
        let mut out = Vec::with_capacity(640 << 10);
        let more = scan.next_page(&mut |logged| {
            writer.push(&mut out, logged, Show::Stored);
            limit -= 1;
            limit > 0 && out.len() < 512 << 10
        });
        bytes += black_box(&out).len();
        if !more.expect("a store that can be read") || limit == 0 {
            return bytes;
        }
    }
}

struct Filled {
    store: Store,
    _directory: TempDir,
}

impl Filled {
    fn new(batch: u64, events: u64) -> Filled {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(StoreOptions {
            data_dir: directory.path().join("data"),
            ..StoreOptions::default()
        })
        .expect("a new store");
        let mut waiting = Vec::new();
        for first in (1..=events).step_by(batch as usize) {
            let input = synthetic(first, batch);
            let submitted = store.submit(&input.batch(), ReplyWhen::Judged);
            waiting.push(submitted.expect("a store that takes batches").outcome);
            if waiting.len() == 256 {
                settle(&mut waiting);
            }
        }
        settle(&mut waiting);
        Filled {
            store,
            _directory: directory,
        }
    }
}

fn settle(waiting: &mut Vec<tokio::sync::oneshot::Receiver<Outcome>>) {
    for outcome in waiting.drain(..) {
        let outcome = outcome.blocking_recv().expect("an outcome");
        assert!(matches!(outcome, Outcome::Judged(_)), "{outcome:?}");
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.store.stop(Instant::now() + Duration::from_secs(5));
    }
}
