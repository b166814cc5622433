//! An input, read in chunks; its beginning says what it is.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::batcher::Batcher;
use super::portion::Unit;
use super::split::{Elements, Lines};

/// What is read at once, at most.
pub(super) const CHUNK_BYTES: usize = 256 << 10;
/// The longest text of one event; no server takes more.
const EVENT_BYTES_MAX: usize = 32 << 20;
/// How long what was read waits for more to go with it, when more is slow to come.
const LINGER: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What an input is, as its first byte that is no white space says.
pub(super) enum Form {
    Lines(Lines),
    Elements(Elements),
}

impl Form {
    pub(super) fn unit(&self) -> Unit {
        match self {
            Form::Lines(_) => Unit::Line,
            Form::Elements(_) => Unit::Element,
        }
    }

    /// What is being read.
    pub(super) fn place(&self) -> String {
        match self {
            Form::Lines(lines) => format!("line {}", lines.current()),
            Form::Elements(elements) => format!("element {}", elements.current()),
        }
    }
}

/// An open input.
pub(super) struct Chunks {
    file: File,
    is_file: bool,
    /// A terminal would have to be told twice.
    is_at_end: bool,
    pub(super) buffer: Vec<u8>,
}

impl Chunks {
    pub(super) fn new(file: File) -> io::Result<Chunks> {
        Ok(Chunks {
            is_file: file.metadata()?.is_file(),
            file,
            is_at_end: false,
            buffer: vec![0; CHUNK_BYTES],
        })
    }

    /// Reads the next chunk; gives how long it is, 0 at the end. What was read before does not
    /// wait for an input that is slow.
    pub(super) fn next(&mut self, batcher: &mut Batcher) -> io::Result<usize> {
        if !self.is_file && batcher.has_some() && !self.has_more_soon() {
            // If nobody takes it, the next to be handed over ends the reading.
            let _ = batcher.hand_over();
        }
        self.read_behind(0)
    }

    /// Reads until it is known what the input is. Gives that, and the part of the buffer that
    /// is to be split.
    pub(super) fn first(&mut self, batcher: &mut Batcher) -> io::Result<(Form, Range<usize>)> {
        let mut length = self.next(batcher)?;
        while !self.is_at_end && length < BYTE_ORDER_MARK.len() {
            length += self.read_behind(length)?;
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
            let first = chunk.get(blank).copied();
            start += blank;
            if first == Some(b'[') {
                let elements = Elements::new(EVENT_BYTES_MAX);
                return Ok((Form::Elements(elements), start + 1..length));
            }
            if first.is_some() || self.is_at_end {
                let lines = Lines::new(blank_lines, EVENT_BYTES_MAX);
                return Ok((Form::Lines(lines), start..length));
            }
            (start, length) = (0, self.next(batcher)?);
        }
    }

    fn read_behind(&mut self, kept_bytes: usize) -> io::Result<usize> {
        loop {
            if self.is_at_end {
                return Ok(0);
            }
            match self.file.read(&mut self.buffer[kept_bytes..]) {
                Ok(read) => {
                    self.is_at_end = read == 0;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn has_more_soon(&self) -> bool {
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        poll(&mut fds, Some(&LINGER)).is_ok_and(|ready| ready > 0)
    }
}
