//! The queue of lines between those who say something and the thread that writes it.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many lines wait at most.
const LINES_MAX: usize = 1024;
/// What is longer is cut.
const LINE_BYTES_MAX: usize = 16 << 10;

/// Lines on their way.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    /// How many found no room.
    lost: u64,
    /// Some that were taken are being written.
    writing: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line; when too many wait, it is lost.
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut waiting = self.lock();
        if waiting.lines.len() < LINES_MAX {
            waiting.lines.push_back(line);
        } else {
            waiting.lost += 1;
        }
        drop(waiting);
        self.changed.notify_all();
    }

    /// Waits until all is written, but no longer than this.
    pub(super) fn flush(&self, patience: Duration) {
        let busy = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        // Whether it was in time or not, there is nothing more to be done.
        let _ = self.changed.wait_timeout_while(self.lock(), patience, busy);
    }

    /// Writes lines for ever.
    pub(super) fn write_on(&self, out: &mut dyn Write) {
        let (mut lost, mut torn) = (0, false);
        loop {
            let mut waiting = self
                .changed
                .wait_while(self.lock(), |waiting| waiting.lines.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let lines = std::mem::take(&mut waiting.lines);
            lost += std::mem::take(&mut waiting.lost);
            waiting.writing = true;
            drop(waiting);
            for line in lines {
                // A write that failed may have left a part of a line.
                let apart: &[u8] = if torn { b"\n" } else { b"" };
                torn = out.write_all(&[apart, &line].concat()).is_err();
                lost += u64::from(torn);
            }
            // Only where it would be read: else it would be lost in its turn, for ever.
            if lost > 0 && !torn {
                tracing::warn!("{lost} log lines were lost: stderr could not be written");
                lost = 0;
            }
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }
}

/// One line, whatever is in it: a name with a line break must not look like a second event.
/// Escape characters in what is said were made visible before; those of colours stay.
pub(super) fn one_line(text: &[u8]) -> Vec<u8> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let cut = text.len() > LINE_BYTES_MAX;
    let text = &text[..text.len().min(LINE_BYTES_MAX)];
    let mut line = Vec::with_capacity(text.len() + 4);
    for &byte in text {
        match byte {
            b'\t' | 0x1b | b' '.. => line.push(byte),
            _ => line.extend(byte.escape_ascii()),
        }
    }
    line.extend_from_slice(if cut { "…\n" } else { "\n" }.as_bytes());
    line
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    fn line(text: &str) -> Vec<u8> {
        one_line(text.as_bytes())
    }

    #[test]
    fn whatever_is_said_is_one_line() {
        assert_eq!(line("all is well\n"), b"all is well\n");
        assert_eq!(line("a\nINFO forged\r\n"), b"a\\nINFO forged\\r\n");
        assert_eq!(line("ends twice\n\n"), b"ends twice\\n\n");
        assert_eq!(
            line("\x00\x0b\x7fé\ttab"),
            "\\x00\\x0b\x7fé\ttab\n".as_bytes()
        );
        let long = line(&"x".repeat(LINE_BYTES_MAX + 1));
        assert!(long.len() < LINE_BYTES_MAX + 8 && long.ends_with("x…\n".as_bytes()));
    }

    /// Blocks at each write until it is told how that ends.
    struct Slow {
        begun: Sender<Vec<u8>>,
        goes_on: Receiver<bool>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(bytes.to_vec());
            match self.goes_on.recv() {
                Ok(true) => Ok(bytes.len()),
                Ok(false) => Err(io::ErrorKind::StorageFull.into()),
                Err(_) => loop {
                    std::thread::park();
                },
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Arc<Queue>, Receiver<Vec<u8>>, Sender<bool>) {
        let queue = Arc::new(Queue::default());
        let (begun, begins) = channel();
        let (go_on, goes_on) = channel();
        let written = Arc::clone(&queue);
        std::thread::spawn(move || written.write_on(&mut Slow { begun, goes_on }));
        (queue, begins, go_on)
    }

    #[test]
    fn when_nothing_can_be_written_nobody_waits_and_no_more_than_the_bound_is_kept() {
        let (queue, begins, _go_on) = slow();
        queue.push(line("first"));
        assert_eq!(begins.recv().expect("a write"), b"first\n");
        for _ in 0..2 * LINES_MAX {
            queue.push(line("more"));
        }
        let waiting = queue.lock();
        assert_eq!(waiting.lines.len(), LINES_MAX);
        assert_eq!(waiting.lost, LINES_MAX as u64);
        drop(waiting);
        // It gives up instead of waiting for what does not come.
        queue.flush(Duration::from_millis(1));
    }

    #[test]
    fn after_a_write_that_failed_the_next_line_stands_alone() {
        let (queue, begins, go_on) = slow();
        for (text, written, works) in [
            ("first", "first\n", false),
            ("second", "\nsecond\n", true),
            ("third", "third\n", true),
        ] {
            queue.push(line(text));
            assert_eq!(begins.recv().expect("a write"), written.as_bytes());
            go_on.send(works).expect("it waits");
            queue.flush(Duration::from_secs(60));
            assert!(queue.lock().lines.is_empty() && !queue.lock().writing);
        }
    }
}
