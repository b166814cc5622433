//! How many topics there may be, with those that are on their way counted exactly.
//!
//! The index knows the topics of what was applied. A batch is admitted long before that, so
//! the new topics of admitted batches are remembered here until the index has them. The lock
//! is held to look at names, never over a write or a sync.
//!
//! While a replay runs the index does not know all topics of the log. Until it has caught up,
//! only what it has reached is counted: at most as many again as there may be can come in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use crate::event::Seq;
use crate::index::TopicCensus;

/// See the module.
#[derive(Debug)]
pub(super) struct TopicGate {
    max: u64,
    under_way: Mutex<UnderWay>,
}

/// New topics that the index may not have yet.
#[derive(Debug, Default)]
struct UnderWay {
    /// Each with how many admitted batches name it.
    batches_by_name: HashMap<Box<str>, u32>,
    /// The names of durable batches by the last seq of each, in order.
    durable: VecDeque<(Seq, Vec<Box<str>>)>,
}

/// There would be too many: so many there are, or are on their way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany(pub(super) u64);

/// The new topics of one batch. They count until it is applied, or until this is dropped
/// because it was not taken.
#[derive(Debug)]
pub(super) struct NewTopics {
    gate: Arc<TopicGate>,
    names: Vec<Box<str>>,
}

impl TopicGate {
    pub(super) fn new(max: u64) -> TopicGate {
        TopicGate {
            max,
            under_way: Mutex::default(),
        }
    }

    /// Lets a batch with these topics in; `look` asks the index about them. Without new
    /// topics, as nearly always, there is nothing to keep.
    pub(super) fn admit(
        self: &Arc<Self>,
        topics: &[Box<str>],
        look: impl Fn() -> TopicCensus,
    ) -> Result<Option<NewTopics>, TooMany> {
        if look().unknown.is_empty() {
            return Ok(None);
        }
        let mut under_way = self.lock();
        // Again: what was let go meanwhile is in the index by now.
        let census = look();
        under_way.let_go(census.applied);
        let names: Vec<Box<str>> = census
            .unknown
            .iter()
            .map(|&place| topics[place].clone())
            .collect();
        let known = &mut under_way.batches_by_name;
        let more = names.iter().filter(|name| !known.contains_key(*name));
        let counted = census.total + known.len() as u64;
        if counted + more.count() as u64 > self.max {
            return Err(TooMany(counted));
        }
        for name in &names {
            *known.entry(name.clone()).or_default() += 1;
        }
        Ok(Some(NewTopics {
            gate: Arc::clone(self),
            names,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// Forgets what the index has: all names of batches up to this seq.
    fn let_go(&mut self, applied: Seq) {
        let upto = self.durable.partition_point(|(last, _)| *last <= applied);
        for name in self.durable.drain(..upto).flat_map(|(_, names)| names) {
            // Whoever else names it names a known topic now.
            self.batches_by_name.remove(&name);
        }
    }
}

impl NewTopics {
    /// Their batch is durable; the index has them once it has applied this seq. Batches
    /// become durable in the order of their seqs.
    pub(super) fn durable(mut self, last_seq: Seq) {
        let names = std::mem::take(&mut self.names);
        self.gate.lock().durable.push_back((last_seq, names));
    }
}

impl Drop for NewTopics {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        let mut under_way = self.gate.lock();
        for name in &self.names {
            if let Some(batches) = under_way.batches_by_name.get_mut(name) {
                *batches -= 1;
                if *batches == 0 {
                    under_way.batches_by_name.remove(name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gate, and an index of which only the topics matter.
    struct Scene {
        gate: Arc<TopicGate>,
        indexed: Vec<&'static str>,
        applied: Seq,
    }

    impl Scene {
        fn with_max(max: u64) -> Scene {
            Scene {
                gate: Arc::new(TopicGate::new(max)),
                indexed: Vec::new(),
                applied: Seq::ZERO,
            }
        }

        fn admit(&self, names: &[&str]) -> Result<Option<NewTopics>, TooMany> {
            let topics: Vec<Box<str>> = names.iter().map(|&name| name.into()).collect();
            self.gate.admit(&topics, || TopicCensus {
                applied: self.applied,
                total: self.indexed.len() as u64,
                unknown: (0..names.len())
                    .filter(|&place| !self.indexed.contains(&names[place]))
                    .collect(),
            })
        }

        fn admitted(&self, names: &[&str]) -> NewTopics {
            self.admit(names)
                .expect("there is room")
                .expect("a new one")
        }
    }

    #[test]
    fn topics_on_their_way_count_until_the_index_has_them_and_then_once() {
        let mut scene = Scene::with_max(3);
        scene.admitted(&["a", "b"]).durable(Seq::new(2));
        let flying = scene.admitted(&["c"]);
        assert_eq!(scene.admit(&["d"]).expect_err("full"), TooMany(3));
        assert!(scene.admit(&["a", "c"]).is_ok(), "these are counted");
        // The index stands still: durable or not, nothing is forgotten.
        flying.durable(Seq::new(3));
        assert_eq!(scene.admit(&["d"]).expect_err("full"), TooMany(3));
        (scene.indexed, scene.applied) = (vec!["a", "b"], Seq::new(2));
        assert_eq!(scene.admit(&["d"]).expect_err("full"), TooMany(3));
        (scene.indexed, scene.applied) = (vec!["a", "b", "c"], Seq::new(3));
        assert_eq!(scene.admit(&["d"]).expect_err("full"), TooMany(3));
        assert!(scene.admit(&["a", "b", "c"]).is_ok_and(|new| new.is_none()));
    }

    #[test]
    fn topics_of_a_batch_that_was_not_taken_give_their_places_back() {
        let scene = Scene::with_max(1);
        let (one, other) = (scene.admitted(&["a"]), scene.admitted(&["a"]));
        drop(one);
        assert!(scene.admit(&["b"]).is_err(), "another batch still names it");
        drop(other);
        scene.admitted(&["b"]).durable(Seq::FIRST);
        assert!(scene.admit(&["a"]).is_err());
    }

    #[test]
    fn a_batch_that_names_too_many_leaves_nothing_behind() {
        let scene = Scene::with_max(2);
        assert_eq!(scene.admit(&["a", "b", "c"]).expect_err("full"), TooMany(0));
        drop(scene.admitted(&["d", "e"]));
        let under_way = scene.gate.lock();
        assert!(under_way.batches_by_name.is_empty() && under_way.durable.is_empty());
    }

    #[test]
    fn many_threads_together_get_exactly_as_many_topics_as_there_may_be() {
        let scene = Scene::with_max(100);
        let admitted = std::sync::Barrier::new(8);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let (scene, admitted) = (&scene, &admitted);
                    scope.spawn(move || {
                        let name = |no| format!("{}", (thread * 20 + no) % 150);
                        let kept: Vec<_> = (0..20).map(|no| scene.admit(&[&name(no)])).collect();
                        // All are kept until the last has asked.
                        admitted.wait();
                        kept.iter().filter(|kept| kept.is_ok()).count()
                    })
                })
                .collect();
            let counts = threads.into_iter().map(|thread| thread.join());
            counts.map(|count| count.expect("no panic")).sum()
        });
        assert!(
            (100..=110).contains(&taken),
            "ten names came twice: {taken}"
        );
        assert!(scene.gate.lock().batches_by_name.is_empty());
    }
}
