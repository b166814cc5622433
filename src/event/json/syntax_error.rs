//! Why a body is no JSON that can be taken.

use std::fmt;

use super::lexer::Unexpected;

/// A place in a request body, for people.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In bytes, from 0.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Place {
    /// `offset` must be where a character of `text` begins, or its end.
    fn in_text(text: &str, offset: usize) -> Place {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            offset,
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place {
            offset,
            line,
            column,
        } = self;
        write!(f, "byte {offset} (line {line}, column {column})")
    }
}

/// The body is malformed as a whole: nothing of it may be taken, whatever its events are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishSyntaxError {
    /// Nothing, or only white space.
    #[error("the body is empty; one event, an array of events or {{\"events\": […]}} is needed")]
    EmptyBody,
    /// Bytes that are not UTF-8.
    #[error("the body is not UTF-8 at byte {offset}")]
    InvalidUtf8 {
        /// The first byte that is not.
        offset: usize,
    },
    /// A byte order mark, which JSON must not have.
    #[error("the body begins with a byte order mark, which JSON must not have")]
    ByteOrderMark,
    /// Not RFC 8259.
    #[error("the body is not JSON at {place}: expected {expected}, found {found}")]
    InvalidJson {
        /// Where.
        place: Place,
        /// What must stand there.
        expected: &'static str,
        /// What stands there.
        found: Found,
    },
    /// A member of the envelope, or of an event, is there twice.
    #[error("the member `{name}` is there twice, the second time before {place}")]
    DuplicateMember {
        /// Its name, shortened if it is long.
        name: String,
        /// The end of the second name.
        place: Place,
    },
}

impl PublishSyntaxError {
    /// The stable name, as in answers.
    pub const fn code(&self) -> &'static str {
        match self {
            PublishSyntaxError::EmptyBody => "empty_body",
            PublishSyntaxError::InvalidUtf8 { .. } => "invalid_utf8",
            PublishSyntaxError::ByteOrderMark | PublishSyntaxError::InvalidJson { .. } => {
                "invalid_json"
            }
            PublishSyntaxError::DuplicateMember { .. } => "duplicate_member",
        }
    }

    pub(super) fn unexpected(
        text: &str,
        Unexpected { at, expected }: Unexpected,
    ) -> PublishSyntaxError {
        PublishSyntaxError::InvalidJson {
            place: Place::in_text(text, at),
            expected,
            found: Found(text.get(at..).and_then(|rest| rest.chars().next())),
        }
    }

    pub(super) fn duplicate(text: &str, name: &[u8], after_name: usize) -> PublishSyntaxError {
        PublishSyntaxError::DuplicateMember {
            name: shortened(name),
            place: Place::in_text(text, after_name),
        }
    }
}

/// What stands where something else must stand: a character, or the end of the body.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Found(pub Option<char>);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(char) if char.is_control() => {
                write!(f, "the control character U+{:04X}", u32::from(char))
            }
            Some(char) => write!(f, "`{char}`"),
            None => f.write_str("the end of the body"),
        }
    }
}

/// A member's name for people: its first 64 characters.
pub(super) fn shortened(name: &[u8]) -> String {
    const CHARS_SHOWN: usize = 64;
    // Four bytes a character, and a few for what is cut in two.
    let beginning = &name[..name.len().min(CHARS_SHOWN * 4 + 4)];
    let text = String::from_utf8_lossy(beginning);
    match text.char_indices().nth(CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
