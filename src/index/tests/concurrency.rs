//! Risk: a query that meets a flush or a merge half-way and misses or repeats something.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::Order;
use super::super::fold::Verdict;
use super::directory::{generations, wait_for_generations};
use super::model::{history, open};
use crate::event::Seq;

/// Ends the queries also when the test fails.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn queries_during_flushes_and_merges_see_every_event_once() {
    let model = history(1500);
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (index, model, done) = (&index, &model, &done);
        let query = move |order: Order| {
            let mut asked = 0u64;
            while !done.load(Ordering::Relaxed) {
                let applied = index.applied();
                let verdicts = index.verdicts(Seq::FIRST, applied).unwrap();
                let expected = model.judged.iter().map(|one| one.judged);
                assert!(
                    verdicts
                        .into_iter()
                        .eq(expected.take(applied.get() as usize))
                );

                let conflicts = index
                    .not_stored(Seq::ZERO, applied, order, 50, Some(Verdict::Conflict))
                    .unwrap();
                let all = model.judged[..applied.get() as usize].iter();
                let wanted = all
                    .filter(|one| one.judged.verdict == Verdict::Conflict)
                    .copied();
                match order {
                    Order::Ascending => assert!(conflicts.into_iter().eq(wanted.take(50))),
                    Order::Descending => assert!(conflicts.into_iter().eq(wanted.rev().take(50))),
                }
                for (name, seqs) in &model.topics {
                    let seen = seqs.partition_point(|seq| *seq <= applied);
                    let found = index
                        .topic_seqs(name, Seq::ZERO, applied, order, usize::MAX)
                        .unwrap();
                    let mut found = found.unwrap_or_default();
                    if order == Order::Descending {
                        found.reverse();
                    }
                    assert_eq!(found, seqs[..seen]);
                }
                asked += 1;
            }
            asked
        };
        let ascending = scope.spawn(move || query(Order::Ascending));
        let descending = scope.spawn(move || query(Order::Descending));
        let end = SetWhenDropped(done);
        model
            .replay_into(index)
            .and_then(|()| index.flush_now())
            .unwrap();
        drop(end);
        assert!(ascending.join().unwrap() > 0 && descending.join().unwrap() > 0);
    });
    model.compare(&index).unwrap();
    // Half of all numbers and more are those of merges.
    wait_for_generations(directory.path(), 12);
    let (named, _) = generations(directory.path());
    assert!(named.last().is_some_and(|last| *last > 200), "{named:?}");
    model.compare(&index).unwrap();
}
