//! What was found, for programs. `docs/operations.md` describes the shape.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::compared::compared_json;
use crate::cli::damage_report::{advice_json, known_json};
use crate::cli::outcome::state_of_useless;
use crate::index::fold::FoldState;
use crate::inspect::verify::{
    BrokenReceipt, IndexChecked, LogChecked, ReceiptsChecked, SeqRanges, Verified,
};
use crate::inspect::wrong_json;
use crate::log::Holder;
use crate::log::tail::Ending;

pub(super) fn of(verified: &Verified, data_dir: &Path) -> Value {
    let running = match &verified.holder {
        Holder::Nobody => Some(false),
        Holder::Process { .. } => Some(true),
        Holder::Unknown { .. } => None,
    };
    json!({
        "well": verified.is_well(),
        "running": running,
        "log": log(&verified.log),
        "damaged_events": verified.lost_events.as_ref().map(known_json),
        "index": index(&verified.index),
        "fold": verified.folded.as_ref().map(fold),
        "receipts": verified.receipts.as_ref().map(receipts),
        "choices": advice_json(verified, data_dir),
    })
}

fn log(log: &LogChecked) -> Value {
    let end = &log.end;
    let ending = end.segment.map(|_| match end.ending {
        Ending::Sealed => "sealed",
        Ending::CleanStop => "clean_stop",
        Ending::Open => "open",
    });
    let torn_bytes = end.torn.as_ref().map_or(0, |torn| torn.end - end.offset);
    let torn = end.torn.as_ref().map(|torn| {
        json!({
            "segment": end.segment.map(|segment| segment.file_name()),
            "offset": end.offset,
            "end": torn.end,
            "due_seq": end.due,
            "fault": torn.fault.to_string(),
        })
    });
    json!({
        "log_id": log.log_id.to_string(),
        "segments": log.segments,
        "frames": log.frames,
        "frame_bytes": log.frame_bytes,
        "last_seq": log.last_seq(),
        "proven_seq": end.proven,
        "undecidable_from": log.undecidable_from,
        "ending": ending,
        "torn_bytes": torn_bytes,
        "torn": torn,
        "intact": ranges(&log.intact),
        "holes": ranges(&log.holes),
        "damaged": ranges(&log.lost),
        "doubtful": ranges(&log.doubtful),
        "perhaps_from": log.perhaps_from,
        "wrong_total": log.wrong_count,
        "wrong": log.wrong.iter().filter_map(wrong_json).collect::<Vec<_>>(),
        "has_meta": log.has_meta,
        "left_overs": log.left_overs,
        "torn_files": log.torn_files,
        "strange_files": log.strange_files,
    })
}

fn ranges(ranges: &SeqRanges) -> Value {
    json!({
        "seqs": ranges.seqs(),
        "ranges": ranges.listed(),
        "more_ranges": ranges.unlisted_count(),
    })
}

fn index(index: &IndexChecked) -> Value {
    let mut json = match index {
        IndexChecked::None => json!({ "state": "none" }),
        IndexChecked::Unusable(error) | IndexChecked::Unreadable(error) => {
            json!({ "state": state_of_useless(error), "why": error.to_string() })
        }
        IndexChecked::NotCompared { .. } => json!({ "state": "not_compared" }),
        IndexChecked::Compared { comparison, .. } => compared_json(comparison),
    };
    if let Some(flushed) = index.flushed() {
        json["flushed_seq"] = json!(flushed);
    }
    json
}

fn fold(folded: &FoldState) -> Value {
    let counters = folded.counters;
    json!({
        "upto": folded.applied(),
        "unique": counters.unique,
        "duplicates": counters.duplicates,
        "conflicts": counters.conflicts,
        "lost": counters.lost,
        "fold_hash": folded.hash.to_string(),
    })
}

fn receipts(receipts: &ReceiptsChecked) -> Value {
    json!({
        "total": receipts.count,
        "proven": receipts.proven,
        "pending": receipts.pending,
        "broken_total": receipts.broken_count,
        "broken": receipts.broken.iter().map(BrokenReceipt::json).collect::<Vec<_>>(),
        "cut_line": receipts.cut_line,
    })
}
