//! RFC 8259, strictly: the pieces of JSON text, without a tree and without recursion.
//!
//! The text is known to be UTF-8; everything else is checked here. Whatever
//! [`Lexer::value`] has passed over is valid JSON, however deep it is nested.

use super::string::JsonString;

/// The text is not JSON.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {at}")]
pub(crate) struct Unexpected {
    /// Where, in bytes.
    pub(crate) at: usize,
    /// What must stand there, for people.
    pub(crate) expected: &'static str,
}

/// Which kind of value.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Null,
    Bool,
    Number,
    String { has_escapes: bool },
    Array,
    Object,
}

/// A value that was passed over.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    pub(crate) kind: ValueKind,
    /// Its own text, without the white space around.
    pub(crate) text: &'a str,
    /// The most arrays and objects around anything in it, itself included.
    pub(crate) depth: usize,
}

impl<'a> Value<'a> {
    /// The string that the value is, if it is one.
    pub(crate) fn string(&self) -> Option<JsonString<'a>> {
        let ValueKind::String { has_escapes } = self.kind else {
            return None;
        };
        let raw = &self.text[1..self.text.len() - 1];
        Some(JsonString::new(raw, has_escapes))
    }
}

/// Reads JSON text from its beginning to its end. Every call first passes over white
/// space. After an error it is of no more use.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    nesting: Nesting,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Lexer<'a> {
        Lexer {
            text,
            at: 0,
            nesting: Nesting::default(),
        }
    }

    /// How many bytes were read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space; it is not taken.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte()?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Takes the next byte if it is this one.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Nothing may follow.
    pub(crate) fn end(&mut self) -> Result<(), Unexpected> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.expected("the end"),
        }
    }

    /// Whether an array or object has another element; takes the comma before it, or
    /// the closing bracket if there is none.
    #[inline]
    pub(crate) fn next_element(&mut self, close: u8, is_first: bool) -> Result<bool, Unexpected> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ if is_first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ if close == b']' => self.expected("`,` or `]`"),
            _ => self.expected("`,` or `}`"),
        }
    }

    /// A member's name and the colon.
    #[inline(always)]
    pub(crate) fn member_name(&mut self) -> Result<JsonString<'a>, Unexpected> {
        if self.peek() != Some(b'"') {
            return self.expected("a member's name in double quotes");
        }
        let start = self.at + 1;
        let has_escapes = self.string()?;
        let name = JsonString::new(&self.text[start..self.at - 1], has_escapes);
        if !self.take(b':') {
            return self.expected("`:`");
        }
        Ok(name)
    }

    /// A whole value.
    #[inline(always)]
    pub(crate) fn value(&mut self) -> Result<Value<'a>, Unexpected> {
        let first = self.peek();
        let start = self.at;
        let (kind, depth) = match first {
            Some(b'{') => (ValueKind::Object, self.container()?),
            Some(b'[') => (ValueKind::Array, self.container()?),
            _ => (self.scalar(first)?, 0),
        };
        Ok(Value {
            kind,
            text: &self.text[start..self.at],
            depth,
        })
    }

    /// A value that is no array or object, of which this is the first byte.
    #[inline]
    fn scalar(&mut self, first: Option<u8>) -> Result<ValueKind, Unexpected> {
        match first {
            Some(b'"') => Ok(ValueKind::String {
                has_escapes: self.string()?,
            }),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Ok(ValueKind::Number)
            }
            Some(b't') => self.word("true", ValueKind::Bool),
            Some(b'f') => self.word("false", ValueKind::Bool),
            Some(b'n') => self.word("null", ValueKind::Null),
            _ => self.expected("a value"),
        }
    }

    /// Passes over an array or object; gives its depth.
    fn container(&mut self) -> Result<usize, Unexpected> {
        let mut deepest = 0;
        self.nesting.clear();
        loop {
            // Here a value is due.
            let opened = match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    self.at += 1;
                    self.nesting.push(open == b'{');
                    deepest = deepest.max(self.nesting.depth);
                    true
                }
                first => {
                    self.scalar(first)?;
                    false
                }
            };
            // Here an element has ended, or a container has begun.
            let mut is_first = opened;
            loop {
                let in_object = self.nesting.top_is_object();
                let close = if in_object { b'}' } else { b']' };
                if self.next_element(close, is_first)? {
                    if in_object {
                        self.member_name()?;
                    }
                    break;
                }
                is_first = false;
                if self.nesting.pop() == 0 {
                    return Ok(deepest);
                }
            }
        }
    }

    fn word(&mut self, word: &'static str, kind: ValueKind) -> Result<ValueKind, Unexpected> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.expected("a value");
        }
        self.at += word.len();
        Ok(kind)
    }

    /// The next byte must be a digit or a minus sign.
    fn number(&mut self) -> Result<(), Unexpected> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        // A zero stands alone: what follows it is no digit of this number, and then it
        // is nothing that may follow a value.
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Unexpected> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start {
            return self.expected("a digit");
        }
        Ok(())
    }

    /// Passes over a string, of which the next byte must be the opening quote, and tells
    /// whether it has escapes.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, Unexpected> {
        self.at += 1;
        let mut has_escapes = false;
        loop {
            self.at += ordinary_bytes(&self.text.as_bytes()[self.at..]);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(has_escapes);
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                Some(_) => return self.expected("no control character in a string"),
                None => return self.expected("a string's closing quote"),
            }
        }
    }

    #[cold]
    fn escape(&mut self) -> Result<(), Unexpected> {
        self.at += 1;
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.byte().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.expected("four hexadecimal digits after `\\u`");
                    }
                    self.at += 1;
                }
            }
            _ => return self.expected("an escape that JSON has"),
        }
        Ok(())
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    fn expected<T>(&self, expected: &'static str) -> Result<T, Unexpected> {
        Err(Unexpected {
            at: self.at,
            expected,
        })
    }
}

/// How many bytes come before the first quote, backslash or control character; eight at
/// a time, for most of JSON is in strings.
#[inline(always)]
fn ordinary_bytes(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH_BITS: u64 = ONES * 0x80;
    // The high bit of each byte less than `bound`. A borrow makes false ones, but only
    // above a true one; and only the lowest is looked at.
    const fn below(word: u64, bound: u64) -> u64 {
        word.wrapping_sub(ONES * bound) & !word & HIGH_BITS
    }

    let mut count = 0;
    while let Some(bytes) = text[count..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*bytes);
        let quote = below(word ^ (ONES * b'"' as u64), 1);
        let backslash = below(word ^ (ONES * b'\\' as u64), 1);
        let special = below(word, 0x20) | quote | backslash;
        if special != 0 {
            return count + special.trailing_zeros() as usize / 8;
        }
        count += 8;
    }
    let is_ordinary = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    count + text[count..].iter().take_while(is_ordinary).count()
}

/// What stands around the next value: a bit for each level, so that hostile depth costs
/// an eighth of the body at most.
#[derive(Default)]
struct Nesting {
    is_object: Vec<u64>,
    depth: usize,
}

impl Nesting {
    fn clear(&mut self) {
        self.depth = 0;
    }

    #[inline]
    fn push(&mut self, is_object: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word == self.is_object.len() {
            self.is_object.push(0);
        }
        self.is_object[word] = self.is_object[word] & !(1 << bit) | u64::from(is_object) << bit;
        self.depth += 1;
    }

    /// Only while something is open.
    #[inline]
    fn pop(&mut self) -> usize {
        self.depth -= 1;
        self.depth
    }

    /// Only while something is open.
    #[inline]
    fn top_is_object(&self) -> bool {
        let top = self.depth - 1;
        self.is_object[top / 64] >> (top % 64) & 1 == 1
    }
}

#[cfg(test)]
#[path = "lexer_tests.rs"]
mod tests;
