//! The topics in order of first arrival, with how many stored events each has.
//!
//! A topic is one that has a stored event: what only a duplicate names is none.

use std::sync::Arc;

use hashbrown::HashMap;

use super::sealed::{self, Kind};
use crate::event::Seq;

/// A topic and its count.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TopicCount {
    /// 1 for the first that arrived, and so on.
    pub no: u64,
    /// Its name.
    pub name: Arc<str>,
    /// How many of its events are stored.
    pub stored: u64,
    /// The first of them.
    pub first_seq: Seq,
}

/// The topics as somebody with some names sees them.
#[derive(Clone, Debug)]
pub struct TopicCensus {
    /// The last seq that was applied.
    pub applied: Seq,
    /// How many topics there are.
    pub total: u64,
    /// The places, among the names, of those that are no topics.
    pub unknown: Vec<usize>,
}

impl TopicCount {
    /// The CRC over what never changes of it.
    pub(super) fn crc(&self) -> u32 {
        let mut contents = Vec::with_capacity(8 + self.name.len());
        contents.extend_from_slice(&self.first_seq.get().to_le_bytes());
        contents.extend_from_slice(self.name.as_bytes());
        sealed::crc(Kind::Topic, [self.no, 0], &contents)
    }
}

/// All topics, in memory.
#[derive(Debug, Default)]
pub(super) struct Topics {
    /// Number `n` at `n − 1`.
    list: Vec<TopicCount>,
    by_name: HashMap<Arc<str>, u64>,
}

impl Topics {
    /// How many there are.
    pub(super) fn total(&self) -> u64 {
        self.list.len() as u64
    }

    /// A topic's number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.by_name.get(name).copied()
    }

    /// The topics after number `after`.
    pub(super) fn after(&self, after: u64, limit: usize) -> &[TopicCount] {
        let from = usize::try_from(after)
            .unwrap_or(usize::MAX)
            .min(self.list.len());
        let rest = &self.list[from..];
        &rest[..limit.min(rest.len())]
    }

    /// A topic's number; it becomes one with this first event if it was none.
    pub(super) fn number_or_new(&mut self, name: &str, first_seq: Seq) -> u64 {
        if let Some(no) = self.number(name) {
            return no;
        }
        let name: Arc<str> = name.into();
        let no = self.total() + 1;
        self.by_name.insert(Arc::clone(&name), no);
        self.list.push(TopicCount {
            no,
            name,
            stored: 0,
            first_seq,
        });
        no
    }

    /// Takes a topic that was read from the disk; they come in the order of their numbers.
    pub(super) fn load(&mut self, topic: TopicCount) {
        self.by_name.insert(Arc::clone(&topic.name), topic.no);
        self.list.push(topic);
    }

    /// A topic by its number, which one of the functions above has given.
    pub(super) fn get(&self, no: u64) -> &TopicCount {
        &self.list[no as usize - 1]
    }

    /// The same, to count on.
    pub(super) fn get_mut(&mut self, no: u64) -> &mut TopicCount {
        &mut self.list[no as usize - 1]
    }
}
