//! The reading thread: inputs, one after the other, become portions.

use std::fs::File;
use std::io::{self, Read as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc::{Receiver, channel};

use super::batcher::{BatchLimits, Batcher, Broken, FromInput, ReadStop};
use super::portion::{Place, Unit};
use super::source::Source;
use super::split::{Elements, Lines, Piece};

const CHUNK_BYTES: usize = 256 << 10;
/// The longest text of one event; no server takes more.
const EVENT_BYTES_MAX: usize = 32 << 20;
/// How long what was read waits for more to go with it, when more is slow to come.
const LINGER: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
    let file = input.open().map_err(failed)?;
    let is_file = file.metadata().map_err(failed)?.is_file();
    let mut chunks = Chunks {
        file,
        is_file,
        buffer: vec![0; CHUNK_BYTES],
    };
    let (mut form, mut length, mut start) = chunks.first(batcher)?;
    let unit = form.unit();
    while length > 0 {
        let mut take = |number, piece: Piece<'_>| {
            let place = Place {
                source,
                unit,
                number,
            };
            batcher.take(piece, place)
        };
        let chunk = &chunks.buffer[start..length];
        match &mut form {
            Form::Lines(lines) => lines.push(chunk, &mut take)?,
            Form::Elements(elements) => elements.push(chunk, &mut take)?,
        }
        start = 0;
        length = chunks
            .next(0, batcher)
            .map_err(|error| io_stop(&error, &format!("in {}", form.place())))?;
    }
    match form {
        Form::Lines(mut lines) => lines.finish(&mut |number, piece| {
            let place = Place {
                source,
                unit,
                number,
            };
            batcher.take(piece, place)
        }),
        Form::Elements(elements) if elements.is_over() => Ok(()),
        Form::Elements(_) => Err(ReadStop::Broken {
            what: format!("the array breaks off in {}", form.place()),
            is_io: false,
        }),
    }
}

/// What an input is, as its first byte that is no white space says.
enum Form {
    Lines(Lines),
    Elements(Elements),
}

impl Form {
    fn unit(&self) -> Unit {
        match self {
            Form::Lines(_) => Unit::Line,
            Form::Elements(_) => Unit::Element,
        }
    }

    /// What is being read.
    fn place(&self) -> String {
        match self {
            Form::Lines(lines) => format!("line {}", lines.current()),
            Form::Elements(elements) => format!("element {}", elements.current()),
        }
    }
}

struct Chunks {
    file: File,
    is_file: bool,
    buffer: Vec<u8>,
}

impl Chunks {
    /// Reads behind the first `kept` bytes of the buffer; gives how many bytes it has then, or
    /// 0 at the end. What was read before does not wait for an input that is slow.
    fn next(&mut self, kept: usize, batcher: &mut Batcher) -> io::Result<usize> {
        if !self.is_file && batcher.has_some() && !self.has_more_soon() {
            // If nobody takes it, the next to be handed over ends the reading.
            let _ = batcher.hand_over();
        }
        loop {
            match self.file.read(&mut self.buffer[kept..]) {
                Ok(read) => return Ok(kept + read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn has_more_soon(&self) -> bool {
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        poll(&mut fds, Some(&LINGER)).is_ok_and(|ready| ready > 0)
    }

    /// Reads until it is known what the input is. Gives that, and the part of the buffer that
    /// is to be split.
    fn first(&mut self, batcher: &mut Batcher) -> Result<(Form, usize, usize), ReadStop> {
        let failed = |error| io_stop(&error, "at its start");
        let mut length = 0;
        while length < BYTE_ORDER_MARK.len() {
            let now = self.next(length, batcher).map_err(failed)?;
            if now == length {
                break;
            }
            length = now;
        }
        let has_mark = self.buffer[..length].starts_with(BYTE_ORDER_MARK);
        let mut start = if has_mark { BYTE_ORDER_MARK.len() } else { 0 };
        let mut blank_lines = 0;
        loop {
            let chunk = &self.buffer[start..length];
            let blank = chunk.iter().take_while(|byte| byte.is_ascii_whitespace());
            let blank = blank.count();
            let line_ends = chunk[..blank].iter().filter(|&&byte| byte == b'\n').count();
            blank_lines += line_ends as u64;
            if let Some(first) = chunk.get(blank) {
                start += blank;
                return Ok(match first {
                    b'[' => (
                        Form::Elements(Elements::new(EVENT_BYTES_MAX)),
                        length,
                        start + 1,
                    ),
                    _ => {
                        let lines = Lines::new(blank_lines, EVENT_BYTES_MAX);
                        (Form::Lines(lines), length, start)
                    }
                });
            }
            start = 0;
            length = self.next(0, batcher).map_err(failed)?;
            if length == 0 {
                return Ok((Form::Lines(Lines::new(0, EVENT_BYTES_MAX)), 0, 0));
            }
        }
    }
}

fn io_stop(error: &io::Error, place: &str) -> ReadStop {
    ReadStop::Broken {
        what: format!("cannot be read {place}: {error}"),
        is_io: true,
    }
}
