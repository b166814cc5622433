//! The overview for people.

use std::fmt::{self, Display};

use indicatif::BinaryBytes;

use crate::cli::lines::Lines;
use crate::inspect::info::{IndexInfo, IndexState, LogInfo, SetAside, StoreInfo};
use crate::log::Holder;
use crate::log::tail::Ending;
use crate::render::rfc3339;

pub(super) fn of(info: &StoreInfo) -> String {
    let mut lines = Lines::default();
    lines.say("store", info.data_dir.display());
    lines.say("running", holder(&info.holder));
    log(&info.log, is_stopped(&info.holder), &mut lines);
    index(&info.index, &mut lines);
    if !info.rebuild_dirs.is_empty() {
        let dirs = info.rebuild_dirs.join(", ");
        lines.say(
            "rebuild",
            format!("is under way, or was stopped and is put in order at the next start: {dirs}"),
        );
    }
    for kept in &info.set_aside {
        set_aside(kept, info, &mut lines);
    }
    if let Some(free) = info.disk_free_bytes {
        lines.say("disk", format!("{} free", BinaryBytes(free)));
    }
    lines.text
}

fn set_aside(kept: &SetAside, info: &StoreInfo, lines: &mut Lines) {
    let (name, bytes) = (&kept.name, BinaryBytes(kept.bytes));
    if !kept.is_unfinished {
        let text =
            format!("{name}, {bytes}, which a repair has kept: delete it when you need it no more");
        return lines.say("set aside", text);
    }
    let what = match info.has_stopped_repair() {
        true => "WAS STOPPED, and no server starts before it has ended: oncelog repair --yes",
        false => "is under way",
    };
    lines.say("repair", format!("{what} ({name}, {bytes})"));
}

fn is_stopped(holder: &Holder) -> bool {
    *holder == Holder::Nobody
}

fn holder(holder: &Holder) -> String {
    match holder {
        Holder::Nobody => "no".into(),
        Holder::Process { pid, says } => format!("yes, as pid {pid} ({says})"),
        Holder::Unknown { says } => {
            format!("cannot be told from here; its lock was last taken by {says}")
        }
    }
}

fn log(log: &LogInfo, is_stopped: bool, lines: &mut Lines) {
    lines.say("log", log.log_id);
    lines.say(
        "",
        format!(
            "format {}, {} segments, {} ({} in frames)",
            log.format_version,
            log.segments,
            BinaryBytes(log.segment_bytes),
            BinaryBytes(log.used_bytes)
        ),
    );
    if let (Some(first), Some(last)) = (log.first_at, log.last_at) {
        let (from, to) = (rfc3339(first), rfc3339(last));
        lines.say(
            "",
            format!("seq 1 to {}, received {from} to {to}", log.last_seq),
        );
    } else {
        lines.say("", "nothing was received");
    }
    if log.proven < log.last_seq {
        let proven = log.proven;
        lines.say("", format!("proven durable up to seq {proven}"));
    }
    match log.ending {
        Some(Ending::Open) if is_stopped => lines.say("", "the last run did not stop cleanly"),
        // Where it ended cannot be told of a log that is damaged.
        _ if is_stopped && log.damage.is_none() => lines.say("", "stopped cleanly"),
        _ => {}
    }
    if log.torn_bytes > 0 {
        let bytes = log.torn_bytes;
        lines.say(
            "",
            format!("{bytes} torn bytes at its end, never acknowledged"),
        );
    }
    if log.torn_files > 0 {
        let files = log.torn_files;
        lines.say("", format!("{files} files of torn bytes that were cut"));
    }
    if let Some(damage) = &log.damage {
        lines.say("DAMAGE", damage);
    }
}

fn index(index: &IndexInfo, lines: &mut Lines) {
    lines.say("index", State(&index.state));
    let Some(figures) = &index.figures else {
        return;
    };
    let counters = figures.state.counters;
    lines.say(
        "",
        format!(
            "schema {}, up to seq {}, {} runs, {}",
            figures.schema,
            figures.flushed,
            figures.runs,
            BinaryBytes(figures.bytes)
        ),
    );
    lines.say("", format!("fold_hash {}", figures.state.hash));
    lines.say(
        "events",
        format!(
            "{} unique, {} duplicates ({} conflicts among them), {} lost",
            counters.unique, counters.duplicates, counters.conflicts, counters.lost
        ),
    );
    lines.say("topics", figures.topics);
    for topic in &index.topics {
        lines.say("", format!("{:>12}  {}", topic.stored, topic.name));
    }
    let more = figures.topics.saturating_sub(index.topics.len() as u64);
    if more > 0 {
        lines.say("", format!("and {more} more (--topics)"));
    }
}

struct State<'s>(&'s IndexState);

impl Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IndexState::None => write!(f, "none; the next start makes it anew from the log"),
            IndexState::Complete => write!(f, "agrees with the log"),
            IndexState::Behind(events) => write!(
                f,
                "agrees with the log, but for the last {events} events, which are still to be applied"
            ),
            IndexState::Ahead(events) => write!(
                f,
                "AHEAD of the log, which has lost {events} events that were durable"
            ),
            IndexState::BeyondDamage => write!(
                f,
                "goes on behind the damage, so that only oncelog verify can tell whether it agrees"
            ),
            IndexState::Unusable(error) => {
                write!(f, "of no use, the next start makes it anew: {error}")
            }
            IndexState::Unreadable(error) => write!(f, "cannot be read: {error}"),
        }
    }
}
