//! The subcommands. They stand on the library; `serve` alone opens a store.

pub mod bench;
mod client;
pub mod completions;
pub mod dump;
pub mod health;
pub mod info;
mod log_queue;
pub mod logging;
pub mod publish;
pub mod rebuild;
mod scratch;
pub mod serve;
mod stops;
mod voice;

use std::path::Path;

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

/// Removes a temporary directory when the command is interrupted, and ends it.
fn remove_on_interrupt(dir: &Path) {
    let dir = dir.to_owned();
    let watch = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime
            && runtime
                .block_on(async {
                    stops::Stops::new()?.next().await;
                    Ok::<_, std::io::Error>(())
                })
                .is_ok()
        {
            // The system's temporary directory is emptied by others if this fails.
            let _ = std::fs::remove_dir_all(&dir);
            std::process::exit(130);
        }
    };
    // Without the thread the directory stays behind after an interrupt, and no more.
    let _ = std::thread::Builder::new()
        .name("interrupt".into())
        .spawn(watch);
}
