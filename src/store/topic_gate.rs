//! How many topics there may be, with those that are on their way counted exactly.
//!
//! The index knows the topics of what was applied. A batch is admitted long before that, so
//! the new topics of admitted batches are remembered here until the index has them. The lock
//! is held to look at names, never over a write or a sync.
//!
//! While a replay runs the index does not know all topics of the log. Until it has caught up,
//! only what it has reached is counted: at most as many again as there may be can come in.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use crate::event::Seq;
use crate::index::TopicCensus;

/// See the module.
#[derive(Debug)]
pub(super) struct TopicGate {
    max: u64,
    under_way: Mutex<UnderWay>,
    /// Whether there may be any, so that who names only known topics need not look.
    has_any: AtomicBool,
}

/// New topics that the index may not have yet.
#[derive(Debug, Default)]
struct UnderWay {
    by_name: HashMap<Box<str>, NewTopic>,
    /// The names that became durable with a batch, by the last seq of each batch, in order. A
    /// name is here once, with the first of its batches.
    durable: VecDeque<(Seq, Vec<Box<str>>)>,
    /// How many of the names are in durable batches.
    durable_names: u64,
}

#[derive(Debug, Default)]
struct NewTopic {
    /// How many admitted batches name it that are not durable.
    batches: u32,
    is_durable: bool,
}

/// There would be too many.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    /// So many there are, or are on their way.
    pub(super) counted: u64,
    /// There is room for this batch if those on their way do not arrive.
    pub(super) may_pass: bool,
}

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
            has_any: AtomicBool::new(false),
        }
    }

    /// Lets a batch with these topics in; `look` asks the index about them. Without new
    /// topics, as nearly always, there is nothing to keep.
    pub(super) fn admit(
        self: &Arc<Self>,
        topics: &[Box<str>],
        look: impl Fn() -> TopicCensus,
    ) -> Result<Option<NewTopics>, TooMany> {
        let census = look();
        if census.unknown.is_empty() {
            if self.has_any.load(Ordering::Relaxed) {
                self.let_go(&mut self.lock(), census.applied);
            }
            return Ok(None);
        }
        let mut under_way = self.lock();
        // Again: what was let go meanwhile is in the index by now.
        let census = look();
        self.let_go(&mut under_way, census.applied);
        let names: Vec<Box<str>> = census
            .unknown
            .iter()
            .map(|&place| topics[place].clone())
            .collect();
        let known = &under_way.by_name;
        let more = names.iter().filter(|name| !known.contains_key(*name));
        let more = more.count() as u64;
        let counted = census.total + known.len() as u64;
        if counted + more > self.max {
            return Err(TooMany {
                counted,
                may_pass: census.total + under_way.durable_names + more <= self.max,
            });
        }
        for name in &names {
            under_way.by_name.entry(name.clone()).or_default().batches += 1;
        }
        self.has_any.store(true, Ordering::Relaxed);
        Ok(Some(NewTopics {
            gate: Arc::clone(self),
            names,
        }))
    }

    /// Forgets what the index has: all names of batches up to this seq.
    fn let_go(&self, under_way: &mut UnderWay, applied: Seq) {
        let durable = &mut under_way.durable;
        let upto = durable.partition_point(|(last, _)| *last <= applied);
        for name in durable.drain(..upto).flat_map(|(_, names)| names) {
            // Whoever else names it names a known topic now.
            under_way.by_name.remove(&name);
            under_way.durable_names -= 1;
        }
        let has_any = !under_way.by_name.is_empty();
        self.has_any.store(has_any, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl NewTopics {
    /// Their batch is durable; the index has them once it has applied this seq. Batches
    /// become durable in the order of their seqs.
    pub(super) fn durable(mut self, last_seq: Seq) {
        let mut names = std::mem::take(&mut self.names);
        let under_way = &mut *self.gate.lock();
        // With an earlier batch it is there already, and the index has it the sooner.
        names.retain(|name| {
            let Some(topic) = under_way.by_name.get_mut(name) else {
                // The index has it: of an earlier batch.
                return false;
            };
            topic.batches = topic.batches.saturating_sub(1);
            !std::mem::replace(&mut topic.is_durable, true)
        });
        if !names.is_empty() {
            under_way.durable_names += names.len() as u64;
            under_way.durable.push_back((last_seq, names));
        }
    }
}

impl Drop for NewTopics {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        let mut under_way = self.gate.lock();
        for name in &self.names {
            if let Some(topic) = under_way.by_name.get_mut(name) {
                topic.batches = topic.batches.saturating_sub(1);
                if topic.batches == 0 && !topic.is_durable {
                    under_way.by_name.remove(name);
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

        fn refused(&self, names: &[&str]) -> TooMany {
            self.admit(names).expect_err("there is no room")
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
        assert_eq!(scene.refused(&["d"]).counted, 3);
        assert!(scene.admit(&["a", "c"]).is_ok(), "these are counted");
        // The index stands still: durable or not, nothing is forgotten.
        flying.durable(Seq::new(3));
        assert_eq!(scene.refused(&["d"]).counted, 3);
        (scene.indexed, scene.applied) = (vec!["a", "b"], Seq::new(2));
        assert_eq!(scene.refused(&["d"]).counted, 3);
        (scene.indexed, scene.applied) = (vec!["a", "b", "c"], Seq::new(3));
        assert_eq!(scene.refused(&["d"]).counted, 3);
        assert!(scene.admit(&["a", "b", "c"]).is_ok_and(|new| new.is_none()));
    }

    #[test]
    fn topics_that_are_named_again_and_again_are_remembered_once_and_let_go() {
        let mut scene = Scene::with_max(3);
        for seq in 1..=100 {
            scene.admitted(&["a", "b"]).durable(Seq::new(seq));
        }
        let kept = scene.gate.lock().durable.clone();
        assert_eq!(kept, [(Seq::FIRST, vec!["a".into(), "b".into()])]);
        // One that was on its way meanwhile says nothing new.
        let late = scene.admitted(&["a"]);
        (scene.indexed, scene.applied) = (vec!["a", "b"], Seq::new(100));
        assert!(scene.admit(&["a"]).is_ok_and(|new| new.is_none()));
        late.durable(Seq::new(101));
        let under_way = scene.gate.lock();
        assert!(under_way.by_name.is_empty() && under_way.durable.is_empty());
        assert_eq!(under_way.durable_names, 0);
    }

    #[test]
    fn a_refusal_that_may_pass_is_told_from_one_that_stays() {
        let scene = Scene::with_max(2);
        scene.admitted(&["a"]).durable(Seq::FIRST);
        let flying = scene.admitted(&["b"]);
        assert!(scene.refused(&["c"]).may_pass, "b may not arrive");
        assert!(!scene.refused(&["c", "d"]).may_pass, "a is there to stay");
        flying.durable(Seq::new(2));
        assert!(!scene.refused(&["c"]).may_pass);
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
        assert_eq!(scene.refused(&["a", "b", "c"]).counted, 0);
        drop(scene.admitted(&["d", "e"]));
        let under_way = scene.gate.lock();
        assert!(under_way.by_name.is_empty() && under_way.durable.is_empty());
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
        assert!(scene.gate.lock().by_name.is_empty());
    }
}
