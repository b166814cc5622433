//! What was found, for people.

use indicatif::BinaryBytes;

use crate::cli::compared::counts_text;
use crate::cli::lines::Lines;
use crate::index::IndexError;
use crate::index::fold::FoldState;
use crate::inspect::compare::Comparison;
use crate::inspect::verify::{IndexChecked, LogChecked, ReceiptsChecked, SeqRanges, Verified};
use crate::inspect::wrong_text;
use crate::log::Holder;

pub(super) fn of(verified: &Verified) -> String {
    let mut lines = Lines::default();
    log(&verified.log, &mut lines);
    notes(verified, &mut lines);
    index(verified, &mut lines);
    if let Some(folded) = &verified.folded {
        fold(folded, &mut lines);
    }
    if let Some(checked) = &verified.receipts {
        receipts(checked, &mut lines);
    }
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
    for found in &log.wrong {
        lines.say("DAMAGE", wrong_text(found).unwrap_or_default());
    }
    let more = log.wrong_count - log.wrong.len() as u64;
    if more > 0 {
        lines.say("", format!("and damage in {more} more places"));
    }
    lines.say("intact", seqs(&log.intact));
    if !log.holes.is_empty() {
        let holes = seqs(&log.holes);
        lines.say("holes", format!("{holes}, which a repair has left"));
    }
    if !log.lost.is_empty() {
        lines.say("damaged", format!("{}, or gone", seqs(&log.lost)));
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

fn notes(verified: &Verified, lines: &mut Lines) {
    let log = &verified.log;
    let is_running = matches!(verified.holder, Holder::Process { .. });
    let end = &log.end;
    if let (Some(torn), Some(segment)) = (&end.torn, end.segment)
        && !is_running
    {
        lines.say(
            "note",
            format!(
                "{} torn bytes follow in {segment} at offset {}; they were never acknowledged",
                torn.end - end.offset,
                end.offset
            ),
        );
    }
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

/// Stretches of seqs, the first few.
fn seqs(ranges: &SeqRanges) -> String {
    const SHOWN: usize = 20;
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
