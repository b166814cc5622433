//! A difference in words.

use std::fmt;

use super::difference::{Difference, Pair};
use crate::index::fold::Counters;

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

impl<T> Pair<T> {
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
