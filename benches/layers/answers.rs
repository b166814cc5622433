//! What is sent back.

use std::sync::Arc;

use criterion::{Criterion, Throughput};
use oncelog::event::{KeyRule, Seq};
use oncelog::http::judged_text;
use oncelog::index::fold::{Arrivals, Judged, Verdict};
use oncelog::render::{EventWriter, LoggedEvent, Show};

use super::inputs::inputs;

/// The answer to a batch of new events, and to one of duplicates only.
pub(crate) fn publish_answer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish answer");
    for input in inputs() {
        let arrivals = Arc::new(Arrivals::of(KeyRule::TopicAndId, input.batch().events()));
        group.throughput(Throughput::Elements(input.events));
        for (name, verdict) in [("new", Verdict::Stored), ("duplicates", Verdict::Duplicate)] {
            let judged: Vec<Judged> = (0..input.events).map(|no| judged(no, verdict)).collect();
            group.bench_function(format!("{name}/{}", input.name), |bencher| {
                bencher.iter(|| judged_text(Arc::clone(&arrivals), &judged));
            });
        }
    }
    group.finish();
}

/// Decoded events as the text of `/events`, into memory that is there.
pub(crate) fn render(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("render");
    for input in inputs() {
        let batch = input.batch();
        let logged: Vec<LoggedEvent<'_>> = (0..)
            .zip(batch.events())
            .map(|(no, event)| LoggedEvent {
                judged: judged(no, Verdict::Stored),
                received_at: 1_700_000_000_000_042,
                event,
            })
            .collect();
        let mut out = Vec::new();
        group.throughput(Throughput::Elements(input.events));
        group.bench_function(&input.name, |bencher| {
            bencher.iter(|| {
                out.clear();
                let mut writer = EventWriter::default();
                for event in &logged {
                    writer.push(&mut out, event, Show::Stored);
                }
                out.len()
            });
        });
    }
    group.finish();
}

fn judged(number: u64, verdict: Verdict) -> Judged {
    let seq = Seq::new(1_000_000 + number);
    Judged {
        seq,
        verdict,
        original_seq: match verdict {
            Verdict::Stored => seq,
            _ => Seq::new(1 + number),
        },
    }
}
