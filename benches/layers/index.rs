//! The fold and the flush of what it holds in memory.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use oncelog::event::{KeyRule, Seq};
use oncelog::index::fold::{Arrivals, FoldInput, LoggedPayload, PayloadUnreadable, Payloads};
use oncelog::index::{Index, IndexOptions};
use tempfile::TempDir;

use super::inputs::{inputs, synthetic};

/// What is applied before an index is replaced by a new one: about a delta that is flushed.
const DELTA_EVENTS: u64 = 400_000;
/// How much one flush takes.
const FLUSHED_EVENTS: u64 = 100_000;

/// New ids and known ones, against what is in memory; the digests are made beforehand.
pub(crate) fn fold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    for count in [1, 100, 1_000] {
        let frames: Vec<Arrivals> = (0..DELTA_EVENTS / count)
            .map(|frame| arrivals(frame * count, count))
            .collect();
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("new/260B/{count}"), |bencher| {
            let mut folding = Folding::new();
            bencher.iter_custom(|rounds| {
                let mut taken = Duration::ZERO;
                for _ in 0..rounds {
                    let frame = match frames.get(folding.frames) {
                        Some(frame) => frame,
                        None => {
                            folding = Folding::new();
                            &frames[0]
                        }
                    };
                    let begun = Instant::now();
                    folding.apply(frame);
                    taken += begun.elapsed();
                }
                taken
            });
        });
    }
    for input in inputs() {
        let arrivals = Arrivals::of(KeyRule::TopicAndId, input.batch().events());
        group.throughput(Throughput::Elements(input.events));
        group.bench_function(format!("known/{}", input.name), |bencher| {
            let mut folding = Folding::new();
            folding.apply(&arrivals);
            bencher.iter_custom(|rounds| {
                let mut taken = Duration::ZERO;
                for _ in 0..rounds {
                    if folding.index.applied() > Seq::new(DELTA_EVENTS) {
                        folding = Folding::new();
                        folding.apply(&arrivals);
                    }
                    let begun = Instant::now();
                    folding.apply(&arrivals);
                    taken += begun.elapsed();
                }
                taken
            });
        });
    }
    group.finish();
}

/// Sorts and commits a delta of 100 000 events to an empty SQLite file, on the disk of the
/// temporary directory; without a sync, as always.
pub(crate) fn flush(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flush");
    let frames: Vec<Arrivals> = (0..FLUSHED_EVENTS / 1_000)
        .map(|frame| arrivals(frame * 1_000, 1_000))
        .collect();
    group.sample_size(10);
    group.throughput(Throughput::Elements(FLUSHED_EVENTS));
    group.bench_function("260B/100000", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut taken = Duration::ZERO;
            for _ in 0..rounds {
                let mut folding = Folding::new();
                for frame in &frames {
                    folding.apply(frame);
                }
                let begun = Instant::now();
                folding.index.flush_now().expect("a disk that works");
                taken += begun.elapsed();
            }
            taken
        });
    });
    group.finish();
}

fn arrivals(first: u64, count: u64) -> Arrivals {
    Arrivals::of(
        KeyRule::TopicAndId,
        synthetic(first, count).batch().events(),
    )
}

/// An index that flushes only when it is told to.
struct Folding {
    index: Index,
    frames: usize,
    _directory: TempDir,
}

impl Folding {
    fn new() -> Folding {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = IndexOptions {
            delta_events_max: 4 * DELTA_EVENTS,
            flush_at_events: 4 * DELTA_EVENTS,
            flush_after: Duration::from_secs(3_600),
            ..IndexOptions::default()
        };
        Folding {
            index: Index::open(directory.path(), [7; 16], options).expect("a new index"),
            frames: 0,
            _directory: directory,
        }
    }

    fn apply(&mut self, arrivals: &Arrivals) {
        let next = self.index.applied().next();
        let input = FoldInput::Arrivals(arrivals);
        let judged = self.index.apply(next, input, &NoPayloads);
        judged.expect("a frame that can be applied");
        self.frames += 1;
    }
}

/// Equal payloads are never read again.
struct NoPayloads;

impl Payloads for NoPayloads {
    fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
        unreachable!("the payload {seq} is not asked for")
    }
}
