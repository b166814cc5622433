//! From request bytes to a batch, and to what the fold needs of it.

use criterion::{Criterion, Throughput};
use oncelog::event::{EventLimits, InvalidEvents, KeyRule, parse_publish};
use oncelog::index::fold::Arrivals;

use super::inputs::inputs;

/// Parses and validates a body.
pub(crate) fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for input in inputs() {
        group.throughput(Throughput::Elements(input.events));
        group.bench_function(&input.name, |bencher| {
            let limits = EventLimits::default();
            bencher.iter(|| parse_publish(input.body.as_bytes(), &limits, InvalidEvents::Refuse));
        });
    }
    group.finish();
}

/// Digests of keys and payloads, and the list of topics.
pub(crate) fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    for input in inputs() {
        let batch = input.batch();
        group.throughput(Throughput::Elements(input.events));
        group.bench_function(&input.name, |bencher| {
            bencher.iter(|| Arrivals::of(KeyRule::TopicAndId, batch.events()));
        });
    }
    group.finish();
}
