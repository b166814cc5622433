//! When two payloads are equal, although their bytes differ. Persisted in `erased`
//! frames, so no rule below ever changes within a version.
//!
//! # Version 1
//!
//! The digest is BLAKE3 over one byte for the version (1), one for the domain, and the
//! form. Payloads of different domains are never equal.
//!
//! | domain | payload | form |
//! |---|---|---|
//! | 0 | `Json`, and an RFC 8259 text in UTF-8 nested at most 128 levels deep | as below |
//! | 1 | `Bytes` | the bytes |
//! | 2 | `Json`, and anything else; it can only stand in a log that was made elsewhere | the bytes |
//!
//! The form of a JSON text is that of its value. White space is no part of it.
//!
//! | value | form |
//! |---|---|
//! | `null`, `true`, `false` | `n`, `t`, `f` |
//! | number | `d`, its form, `FF` |
//! | string | `s`, its characters, `FF` |
//! | array | `[`, the forms of its elements in order, `]` |
//! | object | `{`, for each member the form of its name as a string and the form of its value, `}` |
//!
//! - **Numbers** are exact decimals: `[-]D e E` without the spaces, where D is the
//!   number's digits without zeros at either end and E the power of ten of its last
//!   digit, an integer of any size: -1200 is `-12e2`, and 0.5 is `5e-1`. Without `e E` if
//!   E is zero: 1, 1.0, 1e0 and 10e-1 are `1`. Zero is `0`, whatever its sign and exponent.
//! - **Strings** are compared by code point, escapes resolved, not normalised. They
//!   stand in WTF-8: two surrogate escapes that form a pair are one character, one
//!   without its other half is three bytes and equals only itself.
//! - **Members** are sorted by the bytes of their names. A name may be there more than
//!   once: all of them count, in their order of occurrence.
//!
//! The form is a prefix code (`FF` is in no WTF-8), so equal forms are equal values.
//!
//! The form is built in memory, because members must be sorted: at most one and a half
//! times the payload, and a few times more for objects of millions of tiny members. Time
//! is proportional to the payload, and at worst to its depth as well.

pub mod differences;
mod number;

use super::digest::CanonicalDigest;
use crate::event::json::lexer::{Lexer, Unexpected, ValueKind};
use crate::event::json::string::JsonString;
use crate::event::{PAYLOAD_DEPTH_MAX, PayloadKind};

const VERSION: u8 = 1;
/// The limit is of version 1, and stays if what is admitted should change.
const DEPTH_MAX: usize = 128;
const _: () = assert!(
    PAYLOAD_DEPTH_MAX <= DEPTH_MAX,
    "what is admitted is compared as a value"
);

/// Follows names and numbers, where it cannot occur.
const END: u8 = 0xff;

#[derive(Copy, Clone)]
#[repr(u8)]
enum Domain {
    Json = 0,
    Bytes = 1,
    NotJson = 2,
}

/// The digest of a payload as a value. Total: it takes any bytes whatever.
pub fn canonical_digest(kind: PayloadKind, payload: &[u8]) -> CanonicalDigest {
    match kind {
        PayloadKind::Bytes => digest(Domain::Bytes, payload),
        PayloadKind::Json => match json_form(payload) {
            Some(form) => digest(Domain::Json, &form),
            None => digest(Domain::NotJson, payload),
        },
    }
}

fn digest(domain: Domain, form: &[u8]) -> CanonicalDigest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[VERSION, domain as u8]);
    hasher.update(form);
    CanonicalDigest(*hasher.finalize().as_bytes())
}

/// The form of a JSON text; `None` if it is none, or nested too deep.
fn json_form(payload: &[u8]) -> Option<Vec<u8>> {
    let mut writer = FormWriter {
        lexer: Lexer::new(std::str::from_utf8(payload).ok()?),
        form: Vec::with_capacity(payload.len()),
        members: Vec::new(),
    };
    writer.value(0).ok()?;
    writer.lexer.end().ok()?;
    Some(writer.form)
}

/// The payload has no form.
enum NoForm {
    NotJson,
    TooDeep,
}

impl From<Unexpected> for NoForm {
    fn from(_: Unexpected) -> NoForm {
        NoForm::NotJson
    }
}

struct FormWriter<'a> {
    lexer: Lexer<'a>,
    form: Vec<u8>,
    /// Of the objects that are open, outermost first: where in `form` each member lies.
    members: Vec<(usize, usize)>,
}

impl FormWriter<'_> {
    /// A value inside `depth` arrays and objects.
    fn value(&mut self, depth: usize) -> Result<(), NoForm> {
        match self.lexer.peek() {
            Some(b'{' | b'[') if depth == DEPTH_MAX => return Err(NoForm::TooDeep),
            Some(b'{') => return self.object(depth + 1),
            Some(b'[') => return self.array(depth + 1),
            _ => {}
        }
        let value = self.lexer.value()?;
        match value.kind {
            ValueKind::Number => {
                self.form.push(b'd');
                number::append_form(value.text, &mut self.form);
                self.form.push(END);
            }
            ValueKind::Bool | ValueKind::Null => self.form.push(value.text.as_bytes()[0]),
            _ => {
                if let Some(string) = value.string() {
                    self.append_string(string);
                }
            }
        }
        Ok(())
    }

    fn append_string(&mut self, string: JsonString<'_>) {
        self.form.push(b's');
        string.append_wtf8(&mut self.form);
        self.form.push(END);
    }

    fn array(&mut self, depth: usize) -> Result<(), NoForm> {
        self.lexer.take(b'[');
        self.form.push(b'[');
        let mut is_first = true;
        while self.lexer.next_element(b']', is_first)? {
            is_first = false;
            self.value(depth)?;
        }
        self.form.push(b']');
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), NoForm> {
        self.lexer.take(b'{');
        self.form.push(b'{');
        let outer_members = self.members.len();
        let mut is_first = true;
        while self.lexer.next_element(b'}', is_first)? {
            is_first = false;
            let start = self.form.len();
            let name = self.lexer.member_name()?;
            self.append_string(name);
            self.value(depth)?;
            self.members.push((start, self.form.len()));
        }
        self.sort_members(outer_members);
        self.members.truncate(outer_members);
        self.form.push(b'}');
        Ok(())
    }

    /// Puts the members from `outer_members` on, which are the end of `form`, in the
    /// order of their names and then of their occurrence.
    fn sort_members(&mut self, outer_members: usize) {
        let FormWriter { form, members, .. } = self;
        let members = &mut members[outer_members..];
        let Some(&(start, _)) = members.first() else {
            return;
        };
        let key = |&(start, end): &(usize, usize)| (name_at(&form[start..end]), start);
        if members.is_sorted_by_key(key) {
            return;
        }
        members.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        let end = form.len();
        form.reserve_exact(end - start);
        for &(from, to) in members.iter() {
            form.extend_from_within(from..to);
        }
        form.copy_within(end.., start);
        form.truncate(end);
    }
}

/// The name of the member whose form this is.
fn name_at(member: &[u8]) -> &[u8] {
    let end = member.iter().position(|&byte| byte == END);
    &member[..end.unwrap_or(member.len())]
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
