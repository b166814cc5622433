//! The subcommands. They stand on the library; `serve` alone opens a store.

pub mod bench;
mod client;
mod compared;
pub mod completions;
mod damage_report;
pub mod dump;
pub mod health;
pub mod info;
mod lines;
mod log_queue;
pub mod logging;
mod outcome;
pub mod publish;
pub mod rebuild;
pub mod repair;
mod scratch;
pub mod serve;
mod stop_flag;
mod stops;
pub mod verify;
mod voice;
mod when;
pub mod why;

use crate::index::fold::Judged;

/// Says something to whoever started the command.
pub fn say(text: &str) {
    logging::say(&format!("oncelog: {text}"));
}

/// Says why a command failed, with the causes that its message does not name.
pub fn say_error(error: &(dyn std::error::Error + 'static)) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    say(&text);
}

/// A verdict as members of a JSON object.
fn verdict_json(judged: Judged) -> String {
    let verdict = serde_json::json!(judged.verdict);
    format!(
        "\"verdict\":{verdict},\"original_seq\":{}",
        judged.original_seq
    )
}
