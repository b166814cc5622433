//! JSON strings as values: escapes resolved.

use std::borrow::Cow;

/// A string of JSON text that the lexer has checked.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonString<'a> {
    raw: &'a str,
    has_escapes: bool,
}

impl<'a> JsonString<'a> {
    /// `raw` is what stands between the quotes; only the lexer may say that it is valid.
    pub(super) fn new(raw: &'a str, has_escapes: bool) -> JsonString<'a> {
        JsonString { raw, has_escapes }
    }

    /// The string in WTF-8: UTF-8 in which a surrogate without its other half, which
    /// only an escape can write, stands as three bytes.
    pub(crate) fn wtf8(&self) -> Cow<'a, [u8]> {
        if !self.has_escapes {
            return Cow::Borrowed(self.raw.as_bytes());
        }
        let mut bytes = Vec::with_capacity(self.raw.len());
        self.append_wtf8(&mut bytes);
        Cow::Owned(bytes)
    }

    /// The string, unless a surrogate in it lacks its other half.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        if !self.has_escapes {
            return Some(Cow::Borrowed(self.raw));
        }
        let mut bytes = Vec::with_capacity(self.raw.len());
        self.append_wtf8(&mut bytes);
        String::from_utf8(bytes).ok().map(Cow::Owned)
    }

    /// Appends what [`wtf8`](Self::wtf8) gives.
    pub(crate) fn append_wtf8(&self, out: &mut Vec<u8>) {
        let mut rest = self.raw;
        while let Some(at) = rest.find('\\') {
            out.extend_from_slice(&rest.as_bytes()[..at]);
            let (code_point, length) = escaped(&rest.as_bytes()[at..]);
            append_code_point(code_point, out);
            rest = &rest[at + length..];
        }
        out.extend_from_slice(rest.as_bytes());
    }
}

/// The code point of the escape at the beginning of `text`, and its length in bytes.
fn escaped(text: &[u8]) -> (u32, usize) {
    let byte = match text[1] {
        b'u' => return unicode_escaped(text),
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'f' => 0x0c,
        b'r' => b'\r',
        quote_or_slash => quote_or_slash,
    };
    (u32::from(byte), 2)
}

fn unicode_escaped(text: &[u8]) -> (u32, usize) {
    let first = hexadecimal(&text[2..6]);
    if (0xd800..0xdc00).contains(&first)
        && let Some([b'\\', b'u', digits @ ..]) = text.get(6..12)
        && let second @ 0xdc00..0xe000 = hexadecimal(digits)
    {
        return (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12);
    }
    (first, 6)
}

/// The number that these hexadecimal digits write.
fn hexadecimal(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            _ => (digit | 0x20) - b'a' + 10,
        };
        number << 4 | u32::from(value)
    })
}

fn append_code_point(code_point: u32, out: &mut Vec<u8>) {
    match char::from_u32(code_point) {
        Some(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[
            0xe0 | (code_point >> 12) as u8,
            0x80 | (code_point >> 6 & 0x3f) as u8,
            0x80 | (code_point & 0x3f) as u8,
        ]),
    }
}
