//! What differs between two indexes, and the first of it.

use std::fmt;

use serde_json::{Value, json};

use super::DifferenceCounts;
use crate::event::Seq;
use crate::index::fold::{Counters, FoldHash, FoldState};
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

    fn say(
        &self,
        f: &mut fmt::Formatter<'_>,
        what: &str,
        row: impl Fn(&T) -> String,
    ) -> fmt::Result {
        let side = |side: &Option<T>| side.as_ref().map_or_else(|| "nothing".to_owned(), &row);
        let (found, expected) = (side(&self.found), side(&self.expected));
        write!(f, "{what}: {found} instead of {expected}")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Watermark(seq) => {
                write!(f, "it ends with seq {seq}, where no frame of the log ends")
            }
            Difference::Counters { found, expected } => write!(
                f,
                "it counts {} instead of {}",
                Shown(found),
                Shown(expected)
            ),
            Difference::Hash { found, expected } => {
                write!(f, "its fold_hash is {found} instead of {expected}")
            }
            Difference::Key(pair) => {
                let key = pair.found.as_ref().or(pair.expected.as_ref());
                let key = key.map(|row| row.key.to_string()).unwrap_or_default();
                pair.say(f, &format!("key {key}"), |row| {
                    format!("seq {} with payload {}", row.seq, row.payload)
                })
            }
            Difference::NotStored(pair) => pair.say(f, "not stored", |row| {
                let judged = row.first.judged;
                let verdict = format!("{:?}", judged.verdict).to_lowercase();
                let (seq, original) = (judged.seq, judged.original_seq);
                match row.count {
                    1 => format!("seq {seq}, {verdict} of {original}"),
                    count => format!("{count} seqs from {seq} on, {verdict}"),
                }
            }),
            Difference::Topic(pair) => pair.say(f, "topic", |row| {
                format!(
                    "{:?} as number {} from seq {} on",
                    row.name, row.no, row.first_seq
                )
            }),
            Difference::Posting(pair) => pair.say(f, "topics' events", |row| {
                format!("seq {} in topic number {}", row.seq, row.topic)
            }),
        }
    }
}

struct Shown<'c>(&'c Counters);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters {
            unique,
            duplicates,
            conflicts,
            lost,
        } = self.0;
        write!(
            f,
            "{unique} unique, {duplicates} duplicates, {conflicts} conflicts, {lost} lost"
        )
    }
}

/// The differences that were found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) counts: DifferenceCounts,
    pub(super) first: Option<Difference>,
}

impl Found {
    pub(super) fn keys(&mut self, pair: Pair<KeyRow>) {
        if pair.found != pair.expected {
            self.counts.keys += 1;
            self.note(Difference::Key(pair));
        }
    }

    pub(super) fn not_stored(&mut self, pair: Pair<NotStoredRow>) {
        if pair.found != pair.expected {
            self.counts.not_stored += 1;
            self.note(Difference::NotStored(pair));
        }
    }

    pub(super) fn topics(&mut self, pair: Pair<TopicRow>) {
        if pair.found != pair.expected {
            self.counts.topics += 1;
            self.note(Difference::Topic(pair));
        }
    }

    pub(super) fn postings(&mut self, pair: Pair<PostingRow>) {
        if pair.found != pair.expected {
            self.counts.postings += 1;
            self.note(Difference::Posting(pair));
        }
    }

    /// What the index says of itself, what is right, and what was counted of the rows that are.
    pub(super) fn state(
        &mut self,
        found: FoldState,
        expected: Option<FoldState>,
        counted: Counters,
    ) {
        let right = expected.map_or(counted, |state| state.counters);
        if expected.is_none() && found.applied() > Seq::ZERO {
            self.counts.state += 1;
            self.note(Difference::Watermark(found.applied()));
        }
        if found.counters != right {
            self.counts.state += 1;
            self.note(Difference::Counters {
                found: found.counters,
                expected: right,
            });
        }
        if let Some(expected) = expected
            && found.hash != expected.hash
        {
            self.counts.state += 1;
            self.note(Difference::Hash {
                found: found.hash,
                expected: expected.hash,
            });
        }
    }

    /// Keeps the one of the lowest seq; one without comes last.
    fn note(&mut self, difference: Difference) {
        let place = |difference: &Difference| difference.seq().unwrap_or(Seq::new(u64::MAX));
        let is_first = |first: &Difference| place(&difference) < place(first);
        if self.first.as_ref().is_none_or(is_first) {
            self.first = Some(difference);
        }
    }
}
