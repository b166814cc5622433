//! What was found, planned and done, for programs. `docs/operations.md` describes the shape.

use serde_json::{Value, json};

use crate::cli::outcome::state_of_useless;
use crate::event::Seq;
use crate::inspect::repair::{OldIndex, Outcome, Repair, Room};
use crate::inspect::wrong_json;
use crate::log::mending::{NewSegment, Plan};
use crate::render::rfc3339;

pub(super) fn of(repair: &Repair) -> Value {
    let plan = &repair.plan;
    let lost: u64 = plan.holes().map(|(first, next)| next.since(first)).sum();
    json!({
        "well": repair.is_well(),
        "log_id": repair.log_id.to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "at": rfc3339(repair.begun_at),
        "was_stopped": repair.was_stopped,
        "rebuild_dirs": repair.rebuild_dirs,
        "room": repair.rooms.of_store.iter().map(room).collect::<Vec<_>>(),
        "room_to_verify": room(&repair.rooms.of_verifying),
        "has_work": repair.has_work(),
        "wrong_total": plan.wrong_count,
        "wrong": plan.wrong.iter().filter_map(wrong_json).collect::<Vec<_>>(),
        "old_index": old_index(&repair.old_index),
        "new_segments": plan.new_segments.iter().map(new_segment).collect::<Vec<_>>(),
        "set_aside": set_aside(plan),
        "left": plan.left.iter().map(|stray| stray.segment.file_name()).collect::<Vec<_>>(),
        "lost": {
            "seqs": lost,
            "ranges": ranges(plan.holes()),
            "perhaps_from": plan.perhaps_from,
            "stored": repair.lost_topics.as_ref().map(|lost| lost.stored),
            "topics": repair.lost_topics.as_ref().map(|lost| {
                let topic = |(name, count): &(std::sync::Arc<str>, u64)| {
                    json!({ "name": &**name, "stored": count })
                };
                lost.topics.iter().map(topic).collect::<Vec<_>>()
            }),
        },
        "next_seq": plan.next_seq,
        "done": repair.outcome.as_ref().map(done),
    })
}

fn room(room: &Room) -> Value {
    json!({
        "dir": room.dir.to_string_lossy(),
        "needed_bytes": room.needed_bytes,
        "free_bytes": room.free_bytes,
    })
}

fn old_index(index: &OldIndex) -> Value {
    match index {
        OldIndex::None => json!({ "state": "none" }),
        OldIndex::Flushed(flushed) => json!({ "state": "usable", "flushed_seq": flushed }),
        OldIndex::Unusable(error) => {
            json!({ "state": state_of_useless(error), "why": error.to_string() })
        }
    }
}

fn new_segment(new: &NewSegment) -> Value {
    let name = |path: &std::path::Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    json!({
        "segment": new.id.file_name(),
        "from": new.source.as_ref().map(|source| name(&source.path)),
        "kept": ranges(new.kept()),
        "holes": ranges(new.holes()),
    })
}

fn set_aside(plan: &Plan) -> Vec<Value> {
    let aside = plan.set_aside.iter();
    let value = |id: &crate::log::segment::SegmentId| json!({ "segment": id.file_name(), "is_replaced": !plan.is_dropped(*id) });
    aside.map(value).collect()
}

fn done(outcome: &Outcome) -> Value {
    json!({
        "kept_in": outcome.kept_in.display().to_string(),
        "index": match &outcome.index_left {
            None => "made",
            Some(_) => "left_to_start",
        },
        "verified": outcome.verified.as_ref().ok().map(|verified| verified.is_well()),
        "not_verified": outcome.verified.as_ref().err().map(ToString::to_string),
    })
}

fn ranges(ranges: impl Iterator<Item = (Seq, Seq)>) -> Vec<Value> {
    let range =
        |(first, next): (Seq, Seq)| json!({ "first_seq": first, "last_seq": next.previous() });
    ranges.map(range).collect()
}
