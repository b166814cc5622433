//! What differs between two indexes, and its JSON.

use serde_json::{Value, json};

use crate::event::Seq;
use crate::index::fold::{Counters, FoldHash};
use crate::index::{KeyRow, NotStoredRow, PostingRow, TopicRow};

/// What the index in question has at a place, and what it should have there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<T> {
    /// What it has.
    pub found: Option<T>,
    /// What it should have.
    pub expected: Option<T>,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// No frame of the log ends where the index does.
    Watermark(Seq),
    /// The counters.
    Counters {
        /// What it has.
        found: Counters,
        /// What it should have.
        expected: Counters,
    },
    /// The `fold_hash`.
    Hash {
        /// What it has.
        found: FoldHash,
        /// What it should have.
        expected: FoldHash,
    },
    /// A key.
    Key(Pair<KeyRow>),
    /// An arrival that was not stored.
    NotStored(Pair<NotStoredRow>),
    /// A topic.
    Topic(Pair<TopicRow>),
    /// An event of a topic.
    Posting(Pair<PostingRow>),
}

impl Difference {
    /// The first seq that it touches; `None` where it is about all of them.
    pub fn seq(&self) -> Option<Seq> {
        match self {
            Difference::Watermark(_) | Difference::Counters { .. } | Difference::Hash { .. } => {
                None
            }
            Difference::Key(pair) => pair.lowest(|row| row.seq),
            Difference::NotStored(pair) => pair.lowest(|row| row.first.judged.seq),
            Difference::Topic(pair) => pair.lowest(|row| row.first_seq),
            Difference::Posting(pair) => pair.lowest(|row| row.seq),
        }
    }

    /// As JSON: `kind`, the first `seq` where there is one, and what was found and expected.
    pub fn json(&self) -> Value {
        let (kind, found, expected) = match self {
            Difference::Watermark(seq) => ("watermark", json!(seq), Value::Null),
            Difference::Counters { found, expected } => {
                ("counters", counters_json(found), counters_json(expected))
            }
            Difference::Hash { found, expected } => (
                "fold_hash",
                json!(found.to_string()),
                json!(expected.to_string()),
            ),
            Difference::Key(pair) => pair.json("key", |row| {
                json!({
                    "key": row.key.to_string(),
                    "seq": row.seq,
                    "payload_digest": row.payload.to_string(),
                })
            }),
            Difference::NotStored(pair) => pair.json("not_stored", |row| {
                json!({
                    "seq": row.first.judged.seq,
                    "count": row.count,
                    "verdict": row.first.judged.verdict,
                    "original_seq": row.first.judged.original_seq,
                    "key": row.first.key.to_string(),
                    "payload_digest": row.first.payload.to_string(),
                })
            }),
            Difference::Topic(pair) => pair.json(
                "topic",
                |row| json!({ "no": row.no, "name": *row.name, "first_seq": row.first_seq }),
            ),
            Difference::Posting(pair) => pair.json(
                "posting",
                |row| json!({ "topic_no": row.topic, "seq": row.seq }),
            ),
        };
        json!({ "kind": kind, "seq": self.seq(), "found": found, "expected": expected })
    }
}

fn counters_json(counters: &Counters) -> Value {
    json!({
        "unique": counters.unique,
        "duplicates": counters.duplicates,
        "conflicts": counters.conflicts,
        "lost": counters.lost,
    })
}

impl<T> Pair<T> {
    fn lowest(&self, seq: impl Fn(&T) -> Seq) -> Option<Seq> {
        self.found.iter().chain(&self.expected).map(seq).min()
    }

    fn json(&self, kind: &'static str, row: impl Fn(&T) -> Value) -> (&'static str, Value, Value) {
        let json = |side: &Option<T>| side.as_ref().map_or(Value::Null, &row);
        (kind, json(&self.found), json(&self.expected))
    }
}
