//! What was found, for people.

use std::path::Path;

use indicatif::BinaryBytes;

use crate::cli::compared::counts_text;
use crate::cli::damage_report;
use crate::cli::lines::Lines;
use crate::index::IndexError;
use crate::index::fold::FoldState;
use crate::inspect::compare::Comparison;
use crate::inspect::verify::{IndexChecked, LogChecked, ReceiptsChecked, Verified};
use crate::log::Holder;

pub(super) fn of(verified: &Verified, data_dir: &Path) -> String {
    let mut lines = Lines::default();
    log(&verified.log, &mut lines);
    damage_report::damage(verified, &mut lines);
    notes(verified, &mut lines);
    index(verified, &mut lines);
    if let Some(folded) = &verified.folded {
        fold(folded, &mut lines);
    }
    if let Some(checked) = &verified.receipts {
        receipts(checked, &mut lines);
    }
    damage_report::advice(verified, data_dir, &mut lines);
    lines.say("verified", verdict(verified));
    lines.text
}

fn log(log: &LogChecked, lines: &mut Lines) {
    lines.say("log", log.log_id);
    lines.say(
        "",
        format!(
            "{} segments, {} good frames of {}",
            log.segments,
            log.frames,
            BinaryBytes(log.frame_bytes)
        ),
    );
}

fn notes(verified: &Verified, lines: &mut Lines) {
    let log = &verified.log;
    let is_running = matches!(verified.holder, Holder::Process { .. });
    if !log.has_meta {
        lines.say(
            "note",
            "log.meta is missing or damaged; the next start makes it anew",
        );
    }
    if !log.left_overs.is_empty() && !is_running {
        let count = log.left_overs.len();
        lines.say(
            "note",
            format!("{count} files that never became segments; the next start removes them"),
        );
    }
    if !log.strange_files.is_empty() {
        let names = log.strange_files.join(", ");
        lines.say("note", format!("in log/, and none of its files: {names}"));
    }
}

fn index(verified: &Verified, lines: &mut Lines) {
    match &verified.index {
        IndexChecked::None => lines.say("index", "none; the next start makes it anew"),
        IndexChecked::Unusable(error @ IndexError::OtherVersion { .. }) => {
            lines.say("index", format!("the next start makes it anew: {error}"));
        }
        IndexChecked::Unusable(error) => lines.say("index", format!("OF NO USE: {error}")),
        IndexChecked::Unreadable(error) => {
            lines.say("index", format!("cannot be read: {error}"));
        }
        IndexChecked::NotCompared { flushed } => lines.say(
            "index",
            format!(
                "up to seq {flushed}; it was not compared{}",
                behind(verified)
            ),
        ),
        IndexChecked::Compared {
            flushed,
            comparison,
        } => {
            let rest = match comparison.upto < *flushed {
                true => format!("; the log is not whole behind it, which goes up to seq {flushed}"),
                false => behind(verified),
            };
            lines.say("index", compared(comparison, &rest));
        }
    }
}

fn compared(comparison: &Comparison, rest: &str) -> String {
    let Comparison {
        upto,
        rows,
        differences,
        first,
    } = comparison;
    match first {
        None => format!("equal: {rows} rows up to seq {upto}{rest}"),
        Some(first) => format!(
            "DIFFERS up to seq {upto}: {}; the first is {first}",
            counts_text(differences)
        ),
    }
}

/// How far an index is behind its log.
fn behind(verified: &Verified) -> String {
    let flushed = verified.index.flushed().unwrap_or_default();
    match verified.log.last_seq().since(flushed) {
        0 => String::new(),
        behind => format!("; the last {behind} events are still to be applied"),
    }
}

fn fold(folded: &FoldState, lines: &mut Lines) {
    let counters = folded.counters;
    lines.say(
        "folded",
        format!(
            "{} unique, {} duplicates ({} conflicts among them), {} lost",
            counters.unique, counters.duplicates, counters.conflicts, counters.lost
        ),
    );
    lines.say("", format!("fold_hash {}", folded.hash));
}

fn receipts(receipts: &ReceiptsChecked, lines: &mut Lines) {
    let ReceiptsChecked {
        count,
        proven,
        broken_count,
        ..
    } = receipts;
    let pending = match receipts.pending {
        0 => String::new(),
        pending => format!(" ({pending} of them promise no verdict)"),
    };
    let said = match broken_count {
        0 => format!("{proven} of {count} hold{pending}"),
        broken => format!("{proven} of {count} hold{pending}, {broken} DO NOT"),
    };
    lines.say("receipts", said);
    for broken in &receipts.broken {
        lines.say("BROKEN", broken);
    }
    let more = broken_count - receipts.broken.len() as u64;
    if more > 0 {
        lines.say("", format!("and {more} more"));
    }
    if let Some(line) = receipts.cut_line {
        lines.say("note", format!("line {line} breaks off, and was left out"));
    }
}

fn verdict(verified: &Verified) -> String {
    let mut wrong = Vec::new();
    match verified.log.wrong_count {
        0 => {}
        1 => wrong.push("the log is damaged in one place".to_owned()),
        count => wrong.push(format!("the log is damaged in {count} places")),
    }
    match &verified.index {
        IndexChecked::Compared { comparison, .. } if !comparison.is_equal() => {
            wrong.push("the index differs from what its log gives".to_owned());
        }
        index if !index.is_well() => wrong.push("the index is of no use".to_owned()),
        _ => {}
    }
    match verified
        .receipts
        .as_ref()
        .map_or(0, |receipts| receipts.broken_count)
    {
        0 => {}
        1 => wrong.push("a receipt does not hold".to_owned()),
        count => wrong.push(format!("{count} receipts do not hold")),
    }
    match (wrong.is_empty(), &verified.index) {
        (false, _) => format!("NOT WELL: {}", wrong.join(", ")),
        (true, IndexChecked::Unreadable(_)) => "the log is well".to_owned(),
        (true, _) => "all is well".to_owned(),
    }
}
