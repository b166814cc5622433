//! The life of an event for people.

use std::fmt::{self, Display};

use super::lines::Lines;
use crate::event::{KeyRule, Seq};
use crate::index::canonical::differences::{Differences, Excerpt};
use crate::index::fold::{Judged, Verdict};
use crate::inspect::why::{
    Arrival, Asked, BatchPlace, Differs, KeyLife, Logged, LostSeq, LostTo, Outcome, Space, Why,
};
use crate::inspect::wrong_text;
use crate::log::Holder;
use crate::render::rfc3339;

pub(super) fn of(why: &Why) -> String {
    let mut lines = Lines::default();
    match &why.outcome {
        Outcome::Found(found) => {
            for key in &found.keys {
                key_life(why, key, &mut lines);
            }
            let more = found.total.saturating_sub(found.keys.len() as u64);
            if more > 0 {
                lines.plain(format_args!("and in {more} more topics (--limit)"));
                lines.space();
            }
        }
        Outcome::NeverArrived => lines.plain(never(why)),
        Outcome::NotGivenYet => lines.plain(format_args!("{} is not given yet", asked(why))),
        Outcome::Lost(seq) => lost(why, seq, &mut lines),
    }
    let numbered = why.wrongs.listed.iter().enumerate();
    let others = numbered.filter(|(at, _)| !is_told(why, *at));
    for wrong in others.filter_map(|(_, wrong)| wrong_text(wrong)) {
        lines.plain(format_args!("DAMAGE: {wrong}"));
    }
    let more = why
        .wrongs
        .total
        .saturating_sub(why.wrongs.listed.len() as u64);
    if more > 0 {
        lines.plain(format_args!("DAMAGE in {more} more places"));
    }
    let has_verdicts = matches!(why.outcome, Outcome::Found(_));
    if has_verdicts && why.marks.flushed.is_none() && why.wrongs.total > 0 {
        lines.plain("(the verdicts are those of what remains)");
    }
    lines.plain(looked(why));
    lines.text
}

/// Whether what is wrong there was told with an arrival.
fn is_told(why: &Why, at: usize) -> bool {
    let Outcome::Found(found) = &why.outcome else {
        return false;
    };
    let mut arrivals = found.keys.iter().flat_map(|key| &key.arrivals);
    arrivals.any(|arrival| matches!(arrival.logged, Logged::Gone(Some(gone)) if gone == at))
}

fn asked(why: &Why) -> String {
    match &why.asked {
        Asked::Seq(seq) => format!("seq {seq}"),
        Asked::Id { event_id, space } => match space {
            Space::AllTopics => event_id.clone(),
            Space::Topic(topic) => format!("{event_id} in topic {topic}"),
            Space::Source(source) => format!("{event_id} of source {source}"),
        },
    }
}

fn never(why: &Why) -> String {
    let asked = asked(why);
    let place = match &why.asked {
        Asked::Id {
            space: Space::AllTopics,
            ..
        } => ", in any topic",
        _ => "",
    };
    match (why.wrongs.total, why.marks.lost) {
        (0, 0) => format!("{asked} has never arrived{place}"),
        (0, lost) => format!(
            "{asked} is nowhere to be found{place}; it may have been among the {lost} events that \
             are lost"
        ),
        _ => format!("{asked} is nowhere to be found{place}; it may have been in what is damaged"),
    }
}

/// How far it was looked.
fn looked(why: &Why) -> String {
    let last = why.marks.last;
    match why.marks.flushed {
        Some(flushed) => {
            format!("(the log goes up to seq {last}, the index up to seq {flushed})")
        }
        None => format!("(the log goes up to seq {last}, and was read without an index)"),
    }
}

fn lost(why: &Why, seq: &LostSeq, lines: &mut Lines) {
    let asked = asked(why);
    match &seq.to {
        LostTo::Hole(batch) => {
            let place = Batch(batch);
            lines.plain(format_args!("{asked} is lost: a repair left a hole there"));
            lines.say("hole", place);
        }
        LostTo::Damage(_) => {
            lines.plain(format_args!("{asked} is lost: its batch is damaged or missing"));
        }
        LostTo::BehindIndex(flushed) => lines.plain(format_args!(
            "{asked} is lost: the log ends with seq {}, and its index was flushed up to seq {flushed}",
            why.marks.last
        )),
        LostTo::Unknown => lines.plain(format_args!("{asked} is lost: no good frame has it")),
    }
    if let Some(judged) = seq.judged {
        lines.say("index", format_args!("says of it: {}", Said(judged)));
    }
}

/// What an index says of a seq.
struct Said(Judged);

impl Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let original = self.0.original_seq;
        match self.0.verdict {
            Verdict::Stored => f.write_str("stored, and its id has not come again"),
            Verdict::Duplicate => write!(f, "duplicate of {original}"),
            Verdict::Conflict => write!(f, "conflict with {original}"),
            Verdict::Lost => f.write_str("lost"),
        }
    }
}

fn key_life(why: &Why, key: &KeyLife, lines: &mut Lines) {
    let arrived = match key.total {
        1 => "arrived once".to_owned(),
        times => {
            let counts = key.counts;
            let again = [
                counted(counts.duplicate, "duplicate"),
                counted(counts.conflict, "conflict"),
            ];
            let again: Vec<String> = again.into_iter().flatten().collect();
            format!("arrived {times} times ({})", again.join(", "))
        }
    };
    lines.plain(format_args!(
        "{}: {arrived}, seq {} is kept",
        Name(key),
        key.kept
    ));
    for shown in &key.arrivals {
        arrival(why, key, shown, lines);
    }
    let more = key.total.saturating_sub(key.arrivals.len() as u64);
    if more > 0 {
        let last = key.last;
        lines.plain(format_args!(
            "  and {more} more arrivals, the last one with seq {last} (--limit)"
        ));
    }
    lines.space();
}

fn counted(count: u64, what: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    }
}

struct Name<'k>(&'k KeyLife);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.name {
            Some(name) => {
                let space = match name.rule {
                    KeyRule::TopicAndId => "in topic",
                    KeyRule::SourceAndId => "of source",
                };
                write!(f, "{} {space} {}", name.event_id, name.space)
            }
            None => write!(f, "an event with the key digest {}", self.0.key),
        }
    }
}

fn arrival(why: &Why, key: &KeyLife, arrival: &Arrival, lines: &mut Lines) {
    let mark = if arrival.is_asked { '>' } else { ' ' };
    let (seq, verdict) = (arrival.seq, verdict(key.kept, arrival));
    lines.plain(format_args!("{mark} seq {seq}: {verdict}"));
    let of_batch = |batch: &BatchPlace, lines: &mut Lines| {
        lines.say("received", rfc3339(batch.received_at));
        lines.say("batch", Batch(batch));
    };
    match &arrival.logged {
        Logged::Event {
            batch,
            topic,
            source,
            timestamp,
            ..
        } => {
            of_batch(batch, lines);
            let is_by_source = |name: &_| matches!(name, KeyRule::SourceAndId);
            let name = key.name.as_ref();
            match name.is_some_and(|name| is_by_source(&name.rule)) {
                true => lines.say("topic", topic),
                false if !source.is_empty() => lines.say("source", source),
                false => {}
            }
            if let Some(timestamp) = timestamp {
                lines.say("timestamp", timestamp);
            }
        }
        Logged::Erased { batch, topic } => {
            of_batch(batch, lines);
            if key.name.is_none() {
                lines.say("topic", topic);
            }
            lines.say("payload", "erased; what is known of the event stays");
        }
        Logged::Gone(wrong) => {
            let wrong = wrong.and_then(|at| wrong_text(&why.wrongs.listed[at]));
            let wrong = wrong.unwrap_or_else(|| "no good frame has it".to_owned());
            lines.say("DAMAGE", wrong);
        }
    }
    if let Some(differs) = &arrival.differs {
        differences(differs, lines);
    }
    lines.say("state", state(why, arrival.seq));
}

fn verdict(kept: Seq, arrival: &Arrival) -> String {
    match arrival.verdict {
        Some(Verdict::Stored) => "stored, the first with this id".to_owned(),
        Some(Verdict::Duplicate) if arrival.has_same_bytes => {
            format!("duplicate of {kept}, not kept: the payload is the same")
        }
        Some(Verdict::Duplicate) => format!(
            "duplicate of {kept}, not kept: the payload is the same value, written in another way"
        ),
        Some(Verdict::Conflict) => {
            format!("conflict with {kept}, not kept: another payload, and the first one wins")
        }
        Some(Verdict::Lost) => "lost".to_owned(),
        None => format!("cannot be judged: the payload of seq {kept} cannot be read"),
    }
}

/// The place of a batch.
struct Batch<'b>(&'b BatchPlace);

impl Display for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BatchPlace {
            segment,
            offset,
            first,
            last,
            ..
        } = self.0;
        write!(f, "{} at offset {offset}, ", segment.file_name())?;
        match first == last {
            true => write!(f, "seq {first}"),
            false => write!(f, "seqs {first} to {last}"),
        }
    }
}

fn differences(differs: &Differs, lines: &mut Lines) {
    match differs {
        Differs::Json(Differences { listed, total }) => {
            for (place, one) in listed.iter().enumerate() {
                let label = if place == 0 { "differs" } else { "" };
                let (first, other) = (Value(&one.first), Value(&one.other));
                let pointer = match one.pointer.text.is_empty() {
                    true => "all of it".to_owned(),
                    false => Value(&Some(one.pointer.clone())).to_string(),
                };
                lines.say(label, format_args!("{pointer}: {first} -> {other}"));
            }
            let more = total.saturating_sub(listed.len() as u64);
            if more > 0 {
                lines.say("", format_args!("and in {more} more places"));
            }
        }
        Differs::Bytes {
            first_bytes,
            other_bytes,
            at,
        } => match at {
            Some(at) => lines.say(
                "differs",
                format_args!("from byte {at} on: {first_bytes} bytes -> {other_bytes} bytes"),
            ),
            None => lines.say("differs", "one is JSON, and the other bytes"),
        },
        Differs::Unknown => lines.say(
            "differs",
            "that cannot be told: one of the payloads is erased, or cannot be read",
        ),
    }
}

/// A value, or that there is none.
struct Value<'e>(&'e Option<Excerpt>);

impl Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("nothing"),
            Some(excerpt) if excerpt.is_cut() => {
                write!(f, "{}… ({} bytes)", excerpt.text, excerpt.bytes)
            }
            Some(excerpt) => f.write_str(&excerpt.text),
        }
    }
}

fn state(why: &Why, seq: Seq) -> String {
    let durable = match why.marks.is_proven(seq) {
        true => "durable",
        false => "not proven to be durable yet",
    };
    let index = match (why.marks.flushed, &why.holder) {
        _ if why.marks.is_flushed(seq) => "applied and flushed to the index",
        (None, _) => "there was no index to ask",
        (_, Holder::Process { .. }) => "not flushed to the index yet, which the running store does",
        (_, Holder::Nobody) => "not in the index yet; the next start applies it",
        (_, Holder::Unknown { .. }) => "not in the index yet",
    };
    format!("{durable}; {index}")
}
