//! The overview as JSON.

use serde_json::{Value, json};

use crate::cli::outcome::state_of_useless;
use crate::inspect::info::{IndexInfo, IndexState, LogInfo, SetAside, StoreInfo};
use crate::log::Holder;
use crate::log::tail::Ending;
use crate::render::rfc3339;

pub(super) fn of(info: &StoreInfo) -> Value {
    let (running, pid, says) = match &info.holder {
        Holder::Nobody => (json!(false), None, None),
        Holder::Process { pid, says } => (json!(true), Some(*pid), Some(says)),
        Holder::Unknown { says } => (Value::Null, None, Some(says)),
    };
    json!({
        "data_dir": info.data_dir.to_string_lossy(),
        "running": running,
        "pid": pid,
        "lock": says,
        "log": log(&info.log),
        "index": index(&info.index),
        "rebuild_dirs": info.rebuild_dirs,
        "repair_stopped": info.has_stopped_repair(),
        "set_aside": info.set_aside.iter().map(set_aside).collect::<Vec<_>>(),
        "disk_free_bytes": info.disk_free_bytes,
    })
}

fn set_aside(kept: &SetAside) -> Value {
    json!({ "name": kept.name, "bytes": kept.bytes, "is_unfinished": kept.is_unfinished })
}

fn log(log: &LogInfo) -> Value {
    let ending = log.ending.map(|ending| match ending {
        Ending::Sealed => "sealed",
        Ending::CleanStop => "clean_stop",
        Ending::Open => "open",
    });
    json!({
        "log_id": log.log_id.to_string(),
        "format_version": log.format_version,
        "segments": log.segments,
        "segment_bytes": log.segment_bytes,
        "used_bytes": log.used_bytes,
        "last_seq": log.last_seq,
        "proven_seq": log.proven,
        "first_received_at": log.first_at.map(rfc3339),
        "last_received_at": log.last_at.map(rfc3339),
        "ending": ending,
        "torn_bytes": log.torn_bytes,
        "torn_files": log.torn_files,
        "damage": log.damage,
    })
}

fn index(index: &IndexInfo) -> Value {
    let (state, why) = match &index.state {
        IndexState::None => ("none", None),
        IndexState::Complete => ("complete", None),
        IndexState::Behind(_) => ("behind", None),
        IndexState::Ahead(_) => ("ahead", None),
        IndexState::BeyondDamage => ("beyond_damage", None),
        IndexState::Unusable(error) | IndexState::Unreadable(error) => {
            (state_of_useless(error), Some(error.to_string()))
        }
    };
    let mut json = json!({ "state": state, "why": why });
    let Some(figures) = &index.figures else {
        return json;
    };
    let counters = figures.state.counters;
    let topics = index.topics.iter().map(|topic| {
        json!({ "name": *topic.name, "stored": topic.stored, "first_seq": topic.first_seq })
    });
    for (name, value) in [
        ("schema_version", json!(figures.schema)),
        ("flushed_seq", json!(figures.flushed)),
        (
            "behind",
            json!(match index.state {
                IndexState::Behind(events) => Some(events),
                IndexState::BeyondDamage => None,
                _ => Some(0),
            }),
        ),
        ("bytes", json!(figures.bytes)),
        ("runs", json!(figures.runs)),
        ("unique", json!(counters.unique)),
        ("duplicates", json!(counters.duplicates)),
        ("conflicts", json!(counters.conflicts)),
        ("lost", json!(counters.lost)),
        ("fold_hash", json!(figures.state.hash.to_string())),
        ("topics_total", json!(figures.topics)),
        ("topics", topics.collect()),
    ] {
        json[name] = value;
    }
    json
}
