//! The reading thread: inputs, one after the other, become portions.

use std::io;

use tokio::sync::mpsc::{Receiver, channel};

use super::batcher::{BatchLimits, Batcher, Broken, FromInput, ReadStop};
use super::form::{Chunks, Form};
use super::portion::Place;
use super::source::Source;
use super::split::Piece;

/// Starts to read. The receiver gets what was read; when it is dropped, reading ends.
///
/// # Errors
/// The system gives no thread.
pub(super) fn start(sources: Vec<Source>, limits: BatchLimits) -> io::Result<Receiver<FromInput>> {
    let (to, portions) = channel(1);
    let mut batcher = Batcher::new(limits, to);
    std::thread::Builder::new()
        .name("input".into())
        // If nobody takes any more, there is nobody to tell.
        .spawn(move || _ = feed(&sources, &mut batcher))?;
    Ok(portions)
}

fn feed(sources: &[Source], batcher: &mut Batcher) -> Result<(), ReadStop> {
    for (source, input) in sources.iter().enumerate() {
        match feed_one(source, input, batcher) {
            Ok(()) => {}
            Err(ReadStop::Broken { what, is_io }) => {
                let broken = Broken {
                    source,
                    what,
                    is_io,
                };
                return batcher.break_off(broken);
            }
            Err(ReadStop::NobodyTakes) => return Err(ReadStop::NobodyTakes),
        }
    }
    batcher.hand_over()
}

fn feed_one(source: usize, input: &Source, batcher: &mut Batcher) -> Result<(), ReadStop> {
    let failed = |error| io_stop(&error, "at its start");
    let mut chunks = input.open().and_then(Chunks::new).map_err(failed)?;
    let (mut form, mut part) = chunks.first(batcher).map_err(failed)?;
    let unit = form.unit();
    let place = |number| Place {
        source,
        unit,
        number,
    };
    loop {
        let mut take = |number, piece: Piece<'_>| batcher.take(piece, place(number));
        let chunk = &chunks.buffer[part];
        match &mut form {
            Form::Lines(lines) => lines.push(chunk, &mut take)?,
            Form::Elements(elements) => elements.push(chunk, &mut take)?,
        }
        let length = chunks.next(batcher);
        match length.map_err(|error| io_stop(&error, &format!("in {}", form.place())))? {
            0 => break,
            length => part = 0..length,
        }
    }
    match form {
        Form::Lines(mut lines) => {
            lines.finish(&mut |number, piece| batcher.take(piece, place(number)))
        }
        Form::Elements(elements) if elements.is_over() => Ok(()),
        Form::Elements(_) => Err(ReadStop::Broken {
            what: format!("the array breaks off in {}", form.place()),
            is_io: false,
        }),
    }
}

fn io_stop(error: &io::Error, place: &str) -> ReadStop {
    ReadStop::Broken {
        what: format!("cannot be read {place}: {error}"),
        is_io: true,
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
