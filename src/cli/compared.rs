//! What came of comparing two indexes, in words and as JSON.

use serde_json::{Value, json};

use crate::inspect::compare::{Comparison, DifferenceCounts};

/// How many differences there are, and of which kinds.
pub(super) fn counts_text(counts: &DifferenceCounts) -> String {
    let parts = [
        (counts.keys, "keys"),
        (counts.not_stored, "arrivals that were not stored"),
        (counts.topics, "topics"),
        (counts.postings, "events of topics"),
        (counts.state, "of watermark, counters and fold_hash"),
    ];
    let some = parts.iter().filter(|(count, _)| *count > 0);
    let some: Vec<String> = some
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("{} differences ({})", counts.total(), some.join(", "))
}

/// An object with `state`, `upto`, `rows`, and of a difference, how many, and the first.
pub(super) fn compared_json(comparison: &Comparison) -> Value {
    let mut json = json!({
        "state": if comparison.is_equal() { "equal" } else { "different" },
        "upto": comparison.upto,
        "rows": comparison.rows,
    });
    if let Some(first) = &comparison.first {
        json["differences"] = json!(comparison.differences);
        json["first"] = first.json();
    }
    json
}
