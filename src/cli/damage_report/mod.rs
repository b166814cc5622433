//! What is wrong with a log, what is intact all the same, and what may be done: said by `verify`,
//! and by `serve` when it refuses to start.

mod choices;
mod refused_start;

use std::path::Path;

use serde_json::{Value, json};

pub(super) use choices::choices;
pub(super) use refused_start::RefusedStart;

use crate::cli::lines::Lines;
use crate::index::fold::Verdict;
use crate::inspect::verify::{LogChecked, LostEvent, LostEvents, SeqRanges, Verified};
use crate::inspect::wrong_text;
use crate::log::Holder;

/// How many stretches, topics and events are shown to people.
const SHOWN: usize = 20;
/// What is wrong with the log, and what is not.
pub(super) fn damage(verified: &Verified, lines: &mut Lines) {
    let log = &verified.log;
    for found in &log.wrong {
        lines.say("DAMAGE", wrong_text(found).unwrap_or_default());
    }
    let more = log.wrong_count - log.wrong.len() as u64;
    if more > 0 {
        lines.say("", format!("and damage in {more} more places"));
    }
    torn(verified, lines);
    lines.say("intact", seqs(&log.intact));
    if !log.holes.is_empty() {
        let holes = seqs(&log.holes);
        lines.say("holes", format!("{holes}, which a repair has left"));
    }
    if !log.lost.is_empty() {
        lines.say("damaged", format!("{}, or gone", seqs(&log.lost)));
    }
    if let Some(lost) = &verified.lost_events {
        known(lost, lines);
    }
    if !log.doubtful.is_empty() {
        let doubtful = seqs(&log.doubtful);
        lines.say(
            "unknown",
            format!("{doubtful}, of which segments say different things"),
        );
    }
    if let Some(from) = log.perhaps_from {
        lines.say("unknown", format!("whether there were seqs from {from} on"));
    }
    proven(log, lines);
}

fn torn(verified: &Verified, lines: &mut Lines) {
    let end = &verified.log.end;
    let is_running = matches!(verified.holder, Holder::Process { .. });
    if let (Some(torn), Some(segment)) = (&end.torn, end.segment)
        && !is_running
    {
        lines.say(
            "torn",
            format!(
                "{} bytes in {segment} at offset {}, where seq {} is due: {}; nothing proves \
                 that they were durable, so they were never acknowledged, and the next start \
                 saves and cuts them",
                torn.end - end.offset,
                end.offset,
                end.due,
                torn.fault
            ),
        );
    }
}

fn proven(log: &LogChecked, lines: &mut Lines) {
    let from = log.undecidable_from;
    lines.say(
        "proven",
        match from > log.last_seq() {
            true => "all of it was durable".to_owned(),
            false => format!(
                "up to seq {}; damage from seq {from} on could not be told from a torn tail",
                from.previous()
            ),
        },
    );
}

/// What the index still knows of what is damaged.
fn known(lost: &LostEvents, lines: &mut Lines) {
    let LostEvents {
        stored,
        repeats,
        repeats_of_intact,
        topics,
        events,
    } = lost;
    lines.say(
        "",
        format!(
            "the index knows of them: {stored} had been stored, {repeats} were repeats \
             ({repeats_of_intact} of events that are intact: these lose nothing)"
        ),
    );
    let named = topics.iter().take(SHOWN);
    for (name, count) in named {
        lines.say("", format!("topic {name:?}: {count}"));
    }
    if topics.len() > SHOWN {
        lines.say("", format!("and {} more topics", topics.len() - SHOWN));
    }
    for event in events.iter().take(SHOWN) {
        lines.say("", event_text(event));
    }
    let more = (stored + repeats).saturating_sub(events.len().min(SHOWN) as u64);
    if more > 0 {
        lines.say("", format!("and {more} more events"));
    }
}

fn event_text(event: &LostEvent) -> String {
    let key = event.key.map(|key| format!(", key {key}"));
    let key = key.unwrap_or_default();
    match (event.verdict, &event.topic) {
        (Verdict::Stored, Some(topic)) => format!("seq {}: topic {topic:?}{key}", event.seq),
        (Verdict::Stored, None) => format!("seq {}{key}", event.seq),
        (verdict, _) => {
            let verdict = crate::render::verdict::verdict_name(Some(verdict));
            format!(
                "seq {}: {verdict} of {}{key}",
                event.seq, event.original_seq
            )
        }
    }
}

/// What may be done, and what it loses.
pub(super) fn advice(verified: &Verified, data_dir: &Path, lines: &mut Lines) {
    for (number, choice) in choices(verified, data_dir).iter().enumerate() {
        let label = if number == 0 { "choices" } else { "" };
        lines.say(label, format!("{}. {}", number + 1, choice.what));
        if let Some(command) = &choice.command {
            lines.say("", format!("   {command}"));
        }
        lines.say("", format!("   loses {}", choice.loses));
    }
}

/// Stretches of seqs, the first few.
fn seqs(ranges: &SeqRanges) -> String {
    let listed = ranges.listed();
    let shown = listed.iter().take(SHOWN).map(|range| {
        let (first, last) = (range.first, range.last);
        match first == last {
            true => first.to_string(),
            false => format!("{first} to {last}"),
        }
    });
    let shown: Vec<String> = shown.collect();
    let more = listed.len().saturating_sub(SHOWN) as u64 + ranges.unlisted_count();
    let more = match more {
        0 => String::new(),
        more => format!(", and {more} more stretches"),
    };
    match ranges.seqs() {
        0 => "nothing".to_owned(),
        1 => format!("seq {}", shown.join("")),
        count => format!("seqs {}{more} ({count})", shown.join(", ")),
    }
}

/// What the index knows of lost events, as JSON.
pub(super) fn known_json(lost: &LostEvents) -> Value {
    let topics = lost.topics.iter().take(100);
    let topics = topics.map(|(name, count)| json!({ "name": **name, "events": count }));
    let events = lost.events.iter().map(|event| {
        json!({
            "seq": event.seq,
            "verdict": event.verdict,
            "original_seq": event.original_seq,
            "topic": event.topic.as_deref(),
            "key": event.key.map(|key| key.to_string()),
        })
    });
    json!({
        "stored": lost.stored,
        "repeats": lost.repeats,
        "repeats_of_intact": lost.repeats_of_intact,
        "topics_total": lost.topics.len(),
        "topics": topics.collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(),
    })
}

/// What may be done, as JSON.
pub(super) fn advice_json(verified: &Verified, data_dir: &Path) -> Value {
    let choices = choices(verified, data_dir).into_iter().map(
        |choice| json!({ "what": choice.what, "command": choice.command, "loses": choice.loses }),
    );
    choices.collect()
}
