//! What the process says on stderr: one event, one line, and in a server nobody waits for it.
//!
//! There, lines go through a bounded queue to a thread that writes them. A pipe that nobody
//! reads is full one day, and a write to it then blocks for ever; the store must go on. Lines that find
//! the queue full, or stderr closed, or its disk full, are lost, and how many were is said
//! when it works again.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write, stderr};
use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::log_queue::{Queue, one_line};
use crate::http::panic_words;

/// How long the end of the process waits for its last lines to be written.
const FLUSH: Duration = Duration::from_millis(500);

/// Set once it is written from.
static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// Starts it for a tool, whose user may take the time to read.
pub fn start() {
    start_with(stderr);
}

/// Starts it for a server.
pub fn start_without_waiting() {
    let queue = Arc::new(Queue::default());
    let written = Arc::clone(&queue);
    let writing = std::thread::Builder::new()
        .name("stderr".into())
        .spawn(move || written.write_on(&mut stderr()));
    if writing.is_ok() && QUEUE.set(Arc::clone(&queue)).is_ok() {
        start_with(Lines(queue));
    } else {
        // Better to wait for stderr than to say nothing.
        start();
    }
}

/// `ONCELOG_LOG` says how much is said: `debug` for a line for each request.
fn start_with(writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
    let wanted = std::env::var("ONCELOG_LOG").unwrap_or_default();
    let wanted = if wanted.is_empty() { "info" } else { &wanted };
    let (filter, misunderstood) = match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal() && !wants_plain())
        .with_target(false)
        // A panic, if what it says of a failed write to stderr cannot be written there.
        .log_internal_errors(false)
        .with_writer(writer)
        .init();
    if let Some(error) = misunderstood {
        tracing::warn!("ONCELOG_LOG is not understood, info is taken: {error}");
    }
}

/// Whether a terminal is to get no colours: `NO_COLOR` is set (see no-color.org), or it has none.
pub(super) fn wants_plain() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Says a line that is no event of the log, and waits until it is written.
pub(super) fn say(text: &str) {
    let line = one_line(without_controls(text).as_bytes());
    match QUEUE.get() {
        Some(queue) => queue.push(line),
        // Whether anybody reads it changes nothing.
        None => drop(stderr().write_all(&line)),
    }
    flush();
}

/// Nothing that is said has colours, so what would move or colour a terminal came from
/// outside, in a file's name or a server's words. Tabs and ends of lines are for others.
pub(super) fn without_controls(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' | '\n' => plain.push(character),
            _ if character.is_control() => plain.extend(character.escape_default()),
            _ => plain.push(character),
        }
    }
    plain
}

/// Says that a thread panicked: as a line like any other, since one written past the queue
/// would wait for whoever reads stderr.
pub(super) fn panicked(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("without a name");
    let words = panic_words(panic.payload());
    let place = panic.location().map(ToString::to_string);
    let place = place.as_deref().unwrap_or("an unknown place");
    tracing::error!("the thread {name} panicked at {place}: {words}");
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        tracing::error!("the way there: {trace}");
    }
}

/// Waits until all lines are written, but not for long.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH);
    }
}

/// Ends the process, its last lines written.
pub(super) fn exit(code: i32) -> ! {
    flush();
    std::process::exit(code)
}

/// Makes lines of events.
struct Lines(Arc<Queue>);

impl MakeWriter<'_> for Lines {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line {
            queue: Arc::clone(&self.0),
            text: Vec::new(),
        }
    }
}

/// An event; queued as a line when it is whole.
struct Line {
    queue: Arc<Queue>,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.queue.push(one_line(&self.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_said_commands_a_terminal() {
        let said = without_controls("a\x1b[2Jb\u{9b}31mc\rd\x7f\té\n");
        assert_eq!(said, "a\\u{1b}[2Jb\\u{9b}31mc\\rd\\u{7f}\té\n");
    }
}
