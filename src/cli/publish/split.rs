//! Events out of a stream of bytes: the lines of NDJSON, or the elements of an array. Only
//! their ends are looked for, in memory for one event; whether they are JSON is judged
//! afterwards, so that a broken one costs no other.
//!
//! A streaming JSON parser was not taken for arrays because it ends at the first fault, and
//! holds an element whole before it can tell that it is too large.

/// The text between two ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// All of it, white space around it included.
    Whole(&'t [u8]),
    /// Too long to be kept.
    TooLong {
        /// How long it is.
        bytes: u64,
    },
}

/// Takes each piece and its number, from 1; an error ends the splitting.
pub(super) type Take<'f, E> = dyn FnMut(u64, Piece<'_>) -> Result<(), E> + 'f;

/// What was read of a piece whose end is not yet read.
#[derive(Debug)]
struct Begun {
    text: Vec<u8>,
    /// Those that were too many included.
    bytes: u64,
    bytes_max: usize,
}

impl Begun {
    /// A buffer that one long piece made large is given back.
    const KEPT_BYTES: usize = 1 << 20;

    fn new(bytes_max: usize) -> Begun {
        Begun {
            text: Vec::new(),
            bytes: 0,
            bytes_max,
        }
    }

    fn add(&mut self, part: &[u8]) {
        self.bytes += part.len() as u64;
        if self.bytes <= self.bytes_max as u64 {
            self.text.extend_from_slice(part);
        } else {
            self.text = Vec::new();
        }
    }

    /// Ends the piece, `last` being its last part.
    fn end<E>(&mut self, number: u64, last: &[u8], take: &mut Take<'_, E>) -> Result<(), E> {
        if self.bytes == 0 && last.len() <= self.bytes_max {
            return take(number, Piece::Whole(last));
        }
        self.add(last);
        let bytes = std::mem::take(&mut self.bytes);
        let taken = if bytes > self.bytes_max as u64 {
            take(number, Piece::TooLong { bytes })
        } else {
            take(number, Piece::Whole(&self.text))
        };
        if self.text.capacity() > Self::KEPT_BYTES {
            self.text = Vec::new();
        }
        self.text.clear();
        taken
    }
}

/// Splits lines.
#[derive(Debug)]
pub(super) struct Lines {
    begun: Begun,
    ended: u64,
}

impl Lines {
    /// `ended` lines have been read.
    pub(super) fn new(ended: u64, bytes_max: usize) -> Lines {
        Lines {
            begun: Begun::new(bytes_max),
            ended,
        }
    }

    /// Reads on.
    pub(super) fn push<E>(&mut self, mut chunk: &[u8], take: &mut Take<'_, E>) -> Result<(), E> {
        while let Some(end) = chunk.iter().position(|&byte| byte == b'\n') {
            self.ended += 1;
            self.begun.end(self.ended, &chunk[..end], take)?;
            chunk = &chunk[end + 1..];
        }
        self.begun.add(chunk);
        Ok(())
    }

    /// Nothing follows; the last line needs no end of its own.
    pub(super) fn finish<E>(&mut self, take: &mut Take<'_, E>) -> Result<(), E> {
        if self.begun.bytes == 0 {
            return Ok(());
        }
        self.begun.end(self.ended + 1, b"", take)
    }

    /// The number of the line that is being read.
    pub(super) fn current(&self) -> u64 {
        self.ended + 1
    }
}

/// Splits the elements of an array, whose `[` has been read.
#[derive(Debug)]
pub(super) struct Elements {
    begun: Begun,
    ended: u64,
    /// Brackets and braces that are open inside the element.
    depth: u64,
    in_string: bool,
    is_escaped: bool,
    /// The array's own end has been read.
    is_over: bool,
}

/// Something other than white space follows the array.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct SomethingFollows;

impl Elements {
    pub(super) fn new(bytes_max: usize) -> Elements {
        Elements {
            begun: Begun::new(bytes_max),
            ended: 0,
            depth: 0,
            in_string: false,
            is_escaped: false,
            is_over: false,
        }
    }

    /// Reads on.
    pub(super) fn push<E: From<SomethingFollows>>(
        &mut self,
        chunk: &[u8],
        take: &mut Take<'_, E>,
    ) -> Result<(), E> {
        let mut start = 0;
        for (at, &byte) in chunk.iter().enumerate() {
            if self.is_over {
                if !byte.is_ascii_whitespace() {
                    return Err(SomethingFollows.into());
                }
            } else if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'[' | b'{' => self.depth += 1,
                    b',' if self.depth == 0 => {
                        self.end(&chunk[start..at], take)?;
                        start = at + 1;
                    }
                    b']' if self.depth == 0 => {
                        self.is_over = true;
                        self.end_last(&chunk[start..at], take)?;
                    }
                    // Which kind it closes is not looked at: it belongs to this element.
                    b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
        if !self.is_over {
            self.begun.add(&chunk[start..]);
        }
        Ok(())
    }

    fn end<E>(&mut self, last: &[u8], take: &mut Take<'_, E>) -> Result<(), E> {
        self.ended += 1;
        self.begun.end(self.ended, last, take)
    }

    /// Before the array's own end there is no element if the array has none.
    fn end_last<E>(&mut self, last: &[u8], take: &mut Take<'_, E>) -> Result<(), E> {
        let is_blank = |text: &[u8]| text.trim_ascii().is_empty();
        let is_short = self.begun.bytes <= self.begun.bytes_max as u64;
        if self.ended == 0 && is_short && is_blank(&self.begun.text) && is_blank(last) {
            return Ok(());
        }
        self.end(last, take)
    }

    /// Whether the array's own end was read.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The number of the element that is being read.
    pub(super) fn current(&self) -> u64 {
        self.ended + 1
    }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
