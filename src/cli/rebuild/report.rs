//! What came of a rebuild, as text and as JSON.

use serde_json::{Value, json};

use crate::cli::compared::{compared_json, counts_text};
use crate::cli::outcome::{self, state_of_useless};
use crate::inspect::rebuild::{OldIndex, Rebuilt};

/// Prints it on stdout.
pub(super) fn print(rebuilt: &Rebuilt, as_json: bool) {
    let mut text = match as_json {
        true => json(rebuilt).to_string(),
        false => text(rebuilt),
    };
    text.push('\n');
    // It is done, whether anybody can read of it or not.
    if let Err(error) = outcome::print(text.as_bytes()) {
        crate::cli::say_error(&error);
    }
}

fn text(rebuilt: &Rebuilt) -> String {
    let index = &rebuilt.index;
    let counters = index.state.counters;
    let seconds = rebuilt.fold_took.as_secs_f64();
    format!(
        "the index is rebuilt up to seq {}: {} unique, {} duplicates ({} conflicts among them), \
         {} lost, {} topics; {} bytes, folded in {seconds:.1} s\nfold_hash {}\n{}",
        index.flushed,
        counters.unique,
        counters.duplicates,
        counters.conflicts,
        counters.lost,
        index.topics,
        index.bytes,
        index.state.hash,
        old_text(&rebuilt.old),
    )
}

fn old_text(old: &OldIndex) -> String {
    match old {
        OldIndex::None => "there was no index before".into(),
        OldIndex::NotCompared => "the old index was not compared".into(),
        OldIndex::Unusable(error) => format!("the old index could not be used: {error}"),
        OldIndex::Compared(comparison) => match &comparison.first {
            None => format!(
                "the old index was equal: {} rows up to seq {}",
                comparison.rows, comparison.upto
            ),
            Some(first) => format!(
                "the old index DIFFERED up to seq {}: {}; the first is {first}",
                comparison.upto,
                counts_text(&comparison.differences)
            ),
        },
    }
}

fn json(rebuilt: &Rebuilt) -> Value {
    let index = &rebuilt.index;
    let counters = index.state.counters;
    json!({
        "log_id": rebuilt.log_id.to_string(),
        "upto": index.flushed,
        "unique": counters.unique,
        "duplicates": counters.duplicates,
        "conflicts": counters.conflicts,
        "lost": counters.lost,
        "topics": index.topics,
        "fold_hash": index.state.hash.to_string(),
        "index_bytes": index.bytes,
        "fold_seconds": rebuilt.fold_took.as_secs_f64(),
        "old": old_json(&rebuilt.old),
    })
}

fn old_json(old: &OldIndex) -> Value {
    match old {
        OldIndex::None => json!({ "state": "none" }),
        OldIndex::NotCompared => json!({ "state": "not_compared" }),
        OldIndex::Unusable(error) => {
            json!({ "state": state_of_useless(error), "why": error.to_string() })
        }
        OldIndex::Compared(comparison) => compared_json(comparison),
    }
}
