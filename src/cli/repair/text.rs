//! What was found, planned and done, for people.

use std::path::Path;

use indicatif::BinaryBytes;

use crate::cli::lines::Lines;
use crate::event::Seq;
use crate::inspect::repair::{OldIndex, Outcome, Repair, Rooms};
use crate::inspect::wrong_text;
use crate::log::mending::{NewSegment, Plan};

/// So many stretches of a segment, or topics, are named.
const NAMED_MAX: usize = 20;

pub(super) fn of(repair: &Repair, data_dir: &Path) -> String {
    let mut lines = Lines::default();
    lines.say("log", repair.log_id);
    lines.say("oncelog", env!("CARGO_PKG_VERSION"));
    damage(repair, &mut lines);
    if !repair.has_work() {
        lines.say("repair", nothing(&repair.plan));
        return lines.text;
    }
    plan(&repair.plan, &mut lines);
    lost(repair, &mut lines);
    match &repair.outcome {
        Some(outcome) => done(outcome, &mut lines),
        None => {
            lines.say("index", "is made anew, and all is verified");
            rooms(&repair.rooms, &mut lines);
            let dir = data_dir.display();
            lines.say(
                "repair",
                match repair.rooms.too_little() {
                    None => {
                        format!("nothing is changed yet: oncelog repair --data-dir {dir} --yes")
                    }
                    Some(_) => "cannot be done before there is more room".into(),
                },
            );
        }
    }
    lines.text
}

fn nothing(plan: &Plan) -> &'static str {
    match plan.wrong_count {
        0 => "nothing to do",
        _ => "nothing that could be done; see above",
    }
}

fn damage(repair: &Repair, lines: &mut Lines) {
    let plan = &repair.plan;
    for found in &plan.wrong {
        lines.say("DAMAGE", wrong_text(found).unwrap_or_default());
    }
    let more = plan.wrong_count - plan.wrong.len() as u64;
    if more > 0 {
        lines.say("", format!("and damage in {more} more places"));
    }
    if let OldIndex::Unusable(error) = &repair.old_index {
        lines.say("index", format!("cannot be used: {error}"));
    }
    if repair.was_stopped {
        lines.say("note", "a repair was stopped; this one goes on from there");
    }
    if !repair.rebuild_dirs.is_empty() {
        let dirs = repair.rebuild_dirs.join(", ");
        let text = format!("a rebuild was stopped, and what it left is put in order: {dirs}");
        lines.say("note", text);
    }
    if let (true, Some(torn)) = (plan.is_empty(), &plan.end.torn) {
        let bytes = torn.end - plan.end.offset;
        lines.say(
            "note",
            format!("{bytes} torn bytes at the end are cut by the next start"),
        );
    }
}

fn plan(plan: &Plan, lines: &mut Lines) {
    for new in &plan.new_segments {
        lines.say("new", new_segment(new));
    }
    for id in &plan.set_aside {
        let what = match plan.is_dropped(*id) {
            true => "and has no place in the log any more",
            false => "and the new one takes its place",
        };
        lines.say("set aside", format!("{id}, {what}"));
    }
    for stray in &plan.left {
        lines.say("left", stray);
    }
}

fn rooms(rooms: &Rooms, lines: &mut Lines) {
    let size = |bytes| BinaryBytes(bytes).to_string();
    for room in &rooms.of_store {
        let (needed, free) = (size(room.needed_bytes), size(room.free_bytes));
        let dir = room.dir.display();
        let label = if room.suffices() { "room" } else { "NO ROOM" };
        lines.say(
            label,
            format!("{needed} or somewhat more in {dir}, where {free} are free"),
        );
    }
    let room = &rooms.of_verifying;
    let (needed, free) = (size(room.needed_bytes), size(room.free_bytes));
    let dir = room.dir.display();
    let other = match room.suffices() {
        true => "",
        false => ": too little, --tmp-dir names another place",
    };
    lines.say(
        "",
        format!("about {needed} in {dir} to verify it, where {free} are free{other}"),
    );
}

fn new_segment(new: &NewSegment) -> String {
    let mut text = new.id.to_string();
    let kept = seqs(new.kept());
    match &new.source {
        Some(source) if source.id != new.id || !is_named(source.path.as_path(), new) => {
            let name = source.path.file_name().unwrap_or_default();
            text += &format!(", of what stands in {}", name.to_string_lossy());
        }
        _ => {}
    }
    if !kept.is_empty() {
        text += &format!(": {kept} kept");
    }
    let holes = seqs(new.holes());
    match (holes.is_empty(), kept.is_empty()) {
        (true, true) => {}
        (true, false) => text += ", no hole",
        (false, true) => text += &format!(": {holes} a hole"),
        (false, false) => text += &format!(", {holes} a hole"),
    }
    text
}

fn is_named(path: &Path, new: &NewSegment) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy() == new.id.file_name())
}

fn lost(repair: &Repair, lines: &mut Lines) {
    let plan = &repair.plan;
    let count: u64 = plan.holes().map(|(first, next)| next.since(first)).sum();
    match count {
        0 => lines.say("lost", "no seq that is known of"),
        _ => lines.say("lost", format!("{} ({count})", seqs(plan.holes()))),
    }
    if let Some(lost) = &repair.lost_topics {
        let topics = lost.topics.iter().take(NAMED_MAX);
        let topics: Vec<String> = topics
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let more = match lost.topics.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more topics"),
        };
        let named = match topics.is_empty() {
            true => String::new(),
            false => format!(": {}{more}", topics.join(", ")),
        };
        lines.say(
            "",
            format!("the index knows of {} that were stored{named}", lost.stored),
        );
    }
    if let Some(from) = plan.perhaps_from {
        lines.say(
            "unknown",
            format!("whether there were seqs from {from} on; they will be given again"),
        );
    }
    lines.say("next", format!("seq {}", plan.next_seq));
}

fn done(outcome: &Outcome, lines: &mut Lines) {
    let kept_in = outcome.kept_in.display();
    lines.say(
        "kept",
        format!("the old segments, and this report, are in {kept_in}"),
    );
    match &outcome.index_left {
        Some(why) => lines.say("index", format!("is made by the next start: {why}")),
        None => lines.say("index", "is made anew"),
    }
    match &outcome.verified {
        Ok(verified) if verified.is_well() => lines.say("verified", "all is well"),
        Ok(_) => lines.say("verified", "NOT WELL: oncelog verify says what is"),
        Err(error) => lines.say("verified", format!("no: {error}")),
    }
}

/// `seqs 1 to 20, 31 to 60`; those next to each other in one.
fn seqs(ranges: impl Iterator<Item = (Seq, Seq)>) -> String {
    let mut joined: Vec<(Seq, Seq)> = Vec::new();
    for (first, next) in ranges {
        match joined.last_mut() {
            Some((_, end)) if *end == first => *end = next,
            _ => joined.push((first, next)),
        }
    }
    let named: Vec<String> = joined
        .iter()
        .take(NAMED_MAX)
        .map(|(first, next)| match next.previous() {
            last if last == *first => first.to_string(),
            last => format!("{first} to {last}"),
        })
        .collect();
    let word = match joined.as_slice() {
        [] => return String::new(),
        [(first, next)] if next.since(*first) == 1 => "seq",
        _ => "seqs",
    };
    let more = match joined.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more stretches"),
    };
    format!("{word} {}{more}", named.join(", "))
}
