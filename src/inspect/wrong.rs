//! What is wrong with a log, as text and as JSON.

use serde_json::{Value, json};

use crate::event::Seq;
use crate::log::sweep::{Flaw, Found, Lost, StrayKind};

/// One line for people. Of a frame there is nothing to say, and of the log's end only that it
/// comes too soon.
pub fn wrong_text(found: &Found) -> Option<String> {
    match found {
        Found::Frame(_) => None,
        Found::End(end) => {
            let flushed = end.behind_index?;
            let (due, log_end) = (end.due, end.due.previous());
            Some(format!(
                "the log ends with seq {log_end} and its index was flushed up to seq {flushed}: \
                 events {due} to {flushed} were durable and are gone from the log"
            ))
        }
        Found::Damage(damage) => Some(damage.to_string()),
        Found::Missing(missing) => Some(missing.to_string()),
        Found::Overlap(overlap) => Some(overlap.to_string()),
        Found::Stray(stray) => Some(stray.to_string()),
    }
}

/// The same for programs: an object, whose shape `docs/operations.md` describes.
pub fn wrong_json(found: &Found) -> Option<Value> {
    Some(match found {
        Found::Frame(_) => return None,
        Found::End(end) => json!({
            "kind": "behind_index",
            "first_seq": end.due,
            "last_seq": end.behind_index?,
        }),
        Found::Damage(damage) => {
            let kind = match damage.flaw {
                Flaw::Fault(_) => "damaged",
                Flaw::Unreadable { .. } | Flaw::Unopened(_) => "unreadable",
            };
            json!({
                "kind": kind,
                "segment": damage.segment.file_name(),
                "offset": damage.offset,
                "end": damage.end,
                "first_seq": first(&damage.lost),
                "last_seq": damage.lost.last(),
                "and_more": damage.lost.and_more,
                "goes_on_at": damage.goes_on_at,
                "fault": damage.flaw.to_string(),
                "evidence": damage.evidence.map(|evidence| evidence.to_string()),
            })
        }
        Found::Missing(missing) => json!({
            "kind": "missing",
            "before": missing.before.file_name(),
            "first_seq": first(&missing.lost),
            "last_seq": missing.lost.last(),
        }),
        Found::Overlap(overlap) => json!({
            "kind": "overlap",
            "segment": overlap.segment.file_name(),
            "first_seq": overlap.segment.0,
            "last_seq": overlap.covered_to,
        }),
        Found::Stray(stray) => match stray.kind {
            StrayKind::Foreign { found, expected } => json!({
                "kind": "foreign",
                "segment": stray.segment.file_name(),
                "log_id": found.to_string(),
                "expected_log_id": expected.to_string(),
            }),
            StrayKind::NoFile => json!({
                "kind": "no_file",
                "segment": stray.segment.file_name(),
            }),
        },
    })
}

/// The first seq that is lost; none where none is known to be.
fn first(lost: &Lost) -> Option<Seq> {
    (lost.count() > 0 || lost.and_more).then_some(lost.first)
}
