//! Not a test but a figure: `cargo test --release --lib measure -- --ignored --nocapture`.

use std::time::Instant;

use super::super::digest::{KeyDigest, PayloadDigest};
use super::super::fold::{Arrival, Arrivals, FoldInput};
use super::super::{Index, IndexOptions};
use super::model::Model;
use crate::event::Seq;

fn frame(from: u64, count: u64) -> Arrivals {
    let arrival = |number: u64| {
        let hash = blake3::hash(&number.to_le_bytes());
        let (mut key, mut payload) = ([0; 16], [0; 16]);
        key.copy_from_slice(&hash.as_bytes()[..16]);
        payload.copy_from_slice(&hash.as_bytes()[16..]);
        Arrival {
            key: KeyDigest(key),
            payload: PayloadDigest(payload),
            topic: (number % 50) as u32,
            canonical: None,
        }
    };
    Arrivals {
        list: (from..from + count).map(arrival).collect(),
        topics: (0..50)
            .map(|topic| format!("topic {topic}").into())
            .collect(),
    }
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    let millions: u64 = std::env::var("MILLIONS").map_or(1, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(directory.path(), [1; 16], IndexOptions::default()).unwrap();
    let nothing = Model::default();
    let apply = |arrivals: &Arrivals| {
        loop {
            match index.apply(
                index.applied().next(),
                FoldInput::Arrivals(arrivals),
                &nothing,
            ) {
                Err(super::super::IndexError::DeltaFull) => {
                    index.wait_for_room(
                        arrivals.list.len() as u64,
                        std::time::Duration::from_secs(1),
                    );
                }
                other => break other.unwrap(),
            }
        }
    };
    let (mut total, mut applying) = (0.0, 0.0);
    for million in 0..millions {
        let frames: Vec<Arrivals> = (0..1000)
            .map(|n| frame(million * 1_000_000 + n * 1000, 1000))
            .collect();
        let begun = Instant::now();
        for arrivals in &frames {
            let one = Instant::now();
            apply(arrivals);
            applying += one.elapsed().as_secs_f64();
        }
        let took = begun.elapsed().as_secs_f64();
        total += took;
        eprintln!("million {}: {:.0} k ids/s", million + 1, 1000.0 / took);
    }
    let begun = Instant::now();
    index.flush_now().unwrap();
    total += begun.elapsed().as_secs_f64();
    let ids = millions as f64 * 1e6;
    eprintln!(
        "applied and flushed: {:.0} k ids/s; applying alone {:.0} k ids/s",
        ids / total / 1e3,
        ids / applying / 1e3
    );

    for (what, step, count) in [("recent", 1, 100_000), ("old, spread", 7919, 100_000)] {
        let all = millions * 1_000_000;
        let begun = Instant::now();
        let mut known = 0;
        for batch in 0..count / 1000 {
            let mut arrivals = frame(0, 0);
            arrivals.list = (0..1000u64)
                .flat_map(|n| frame((all - 1 - (batch * 1000 + n) * step % all) % all, 1).list)
                .collect();
            known += apply(&arrivals)
                .iter()
                .filter(|judged| judged.original_seq != judged.seq)
                .count();
        }
        eprintln!(
            "duplicates, {what}: {:.1} µs each, {known} known",
            begun.elapsed().as_secs_f64() * 1e6 / count as f64
        );
    }
    index.close().unwrap();
    let bytes = std::fs::metadata(directory.path().join("index.sqlite3"))
        .unwrap()
        .len();
    eprintln!("{:.1} bytes an id", bytes as f64 / ids);
    let begun = Instant::now();
    let index = Index::open(directory.path(), [1; 16], IndexOptions::default()).unwrap();
    eprintln!(
        "open: {:?}, {} runs",
        begun.elapsed(),
        index.shared.read().runs.len()
    );
    assert_eq!(index.state().counters.unique, millions * 1_000_000);
    assert_eq!(index.applied(), Seq::new(millions * 1_000_000 + 200_000));
}
