//! The life of an event as one JSON object, whose shape `docs/operations.md` describes.

use serde_json::{Value, json};

use crate::event::{KeyRule, Seq};
use crate::index::canonical::differences::Difference;
use crate::inspect::why::{
    Arrival, Asked, BatchPlace, Differs, KeyLife, Logged, LostSeq, LostTo, Outcome, Space, Why,
};
use crate::inspect::wrong_json;
use crate::log::Holder;
use crate::render::rfc3339;
use crate::render::verdict::verdict_name;

pub(super) fn of(why: &Why) -> Value {
    let (name, keys, total, lost) = match &why.outcome {
        Outcome::Found(found) => {
            let keys = found.keys.iter().map(|key| key_life(why, key));
            ("found", keys.collect(), found.total, Value::Null)
        }
        Outcome::NeverArrived => ("never_arrived", Vec::new(), 0, Value::Null),
        Outcome::NotGivenYet => ("not_given_yet", Vec::new(), 0, Value::Null),
        Outcome::Lost(seq) => ("lost", Vec::new(), 0, lost(why, seq)),
    };
    let damage = why.wrongs.listed.iter().filter_map(wrong_json);
    json!({
        "asked": asked(&why.asked),
        "outcome": name,
        "running": is_running(&why.holder),
        "last_seq": why.marks.last,
        "proven_seq": why.marks.proven,
        "flushed_seq": why.marks.flushed,
        "keys": keys,
        "keys_total": total,
        "lost": lost,
        "lost_total": why.marks.lost,
        "damage": damage.collect::<Value>(),
        "damage_total": why.wrongs.total,
    })
}

fn asked(asked: &Asked) -> Value {
    let (mut seq, mut id, mut topic, mut source) = (None, None, None, None);
    match asked {
        Asked::Seq(number) => seq = Some(*number),
        Asked::Id { event_id, space } => {
            id = Some(event_id);
            match space {
                Space::AllTopics => {}
                Space::Topic(name) => topic = Some(name),
                Space::Source(name) => source = Some(name),
            }
        }
    }
    json!({ "seq": seq, "event_id": id, "topic": topic, "source": source })
}

fn is_running(holder: &Holder) -> Option<bool> {
    match holder {
        Holder::Process { .. } => Some(true),
        Holder::Nobody => Some(false),
        Holder::Unknown { .. } => None,
    }
}

fn lost(why: &Why, seq: &LostSeq) -> Value {
    let damage = |at: &usize| why.wrongs.listed.get(*at).and_then(wrong_json);
    let (to, hole, damage) = match &seq.to {
        LostTo::Hole(batch) => ("hole", Some(batch_json(batch)), None),
        LostTo::Damage(at) => ("damage", None, damage(at)),
        LostTo::BehindIndex(_) => ("behind_index", None, None),
        LostTo::Unknown => ("unknown", None, None),
    };
    let judged = seq.judged.map(|judged| {
        let original = (judged.original_seq > Seq::ZERO).then_some(judged.original_seq);
        let verdict = verdict_name(Some(judged.verdict));
        json!({ "verdict": verdict, "original_seq": original })
    });
    json!({ "to": to, "hole": hole, "damage": damage, "index": judged })
}

fn key_life(why: &Why, key: &KeyLife) -> Value {
    let name = key.name.as_ref();
    let space = |rule| {
        name.filter(|name| name.rule == rule)
            .map(|name| &name.space)
    };
    let arrivals = key.arrivals.iter().map(|one| arrival(why, key, one));
    json!({
        "topic": space(KeyRule::TopicAndId),
        "source": space(KeyRule::SourceAndId),
        "event_id": name.map(|name| &name.event_id),
        "key_digest": key.key.to_string(),
        "kept_seq": key.kept,
        "last_seq": key.last,
        "arrivals": arrivals.collect::<Value>(),
        "arrivals_total": key.total,
        "duplicates": key.counts.duplicate,
        "conflicts": key.counts.conflict,
    })
}

fn arrival(why: &Why, key: &KeyLife, arrival: &Arrival) -> Value {
    let seq = arrival.seq;
    let is_flushed = why.marks.is_flushed(seq);
    // What a running store has applied it has in its memory.
    let is_applied = match (is_flushed, &why.holder, why.marks.flushed) {
        (true, ..) => Some(true),
        (false, Holder::Nobody, Some(_)) => Some(false),
        _ => None,
    };
    let mut json = json!({
        "seq": seq,
        "asked": arrival.is_asked,
        "verdict": verdict_name(arrival.verdict),
        "original_seq": key.kept,
        "same_bytes": arrival.has_same_bytes,
        "differs": arrival.differs.as_ref().map(differs),
        "proven": why.marks.is_proven(seq),
        "applied": is_applied,
        "flushed": why.marks.flushed.map(|_| is_flushed),
        "topic": null,
        "source": null,
        "timestamp": null,
        "payload_bytes": null,
        "batch": null,
        "erased": false,
        "damage": null,
    });
    match &arrival.logged {
        Logged::Event {
            batch,
            topic,
            source,
            timestamp,
            payload_bytes,
        } => {
            json["batch"] = batch_json(batch);
            json["topic"] = json!(topic);
            json["source"] = json!(source);
            json["timestamp"] = json!(timestamp);
            json["payload_bytes"] = json!(payload_bytes);
        }
        Logged::Erased { batch, topic } => {
            json["batch"] = batch_json(batch);
            json["topic"] = json!(topic);
            json["erased"] = json!(true);
        }
        Logged::Gone(wrong) => {
            let wrong = wrong.and_then(|at| wrong_json(&why.wrongs.listed[at]));
            json["damage"] = wrong.unwrap_or_else(|| json!({ "kind": "unknown" }));
        }
    }
    json
}

fn batch_json(batch: &BatchPlace) -> Value {
    json!({
        "segment": batch.segment.file_name(),
        "offset": batch.offset,
        "first_seq": batch.first,
        "last_seq": batch.last,
        "received_at": rfc3339(batch.received_at),
    })
}

fn differs(differs: &Differs) -> Value {
    let difference = |one: &Difference| json!({ "pointer": one.pointer, "first": one.first, "other": one.other });
    match differs {
        Differs::Json(found) => json!({
            "kind": "json",
            "total": found.total,
            "places": found.listed.iter().map(difference).collect::<Value>(),
        }),
        Differs::Bytes {
            first_bytes,
            other_bytes,
            at,
        } => json!({
            "kind": "bytes",
            "first_bytes": first_bytes,
            "other_bytes": other_bytes,
            "from_byte": at,
        }),
        Differs::Unknown => json!({ "kind": "unknown" }),
    }
}
