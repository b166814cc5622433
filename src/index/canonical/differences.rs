//! What differs between two payloads, by the rules by which they are compared: what is equal
//! there is no difference here.
//!
//! Elements of arrays are held against each other by their places, members of objects by their
//! names, and where a name is there more than once, by their order.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{DEPTH_MAX, number};
use crate::event::json::lexer::{Lexer, Unexpected, Value, ValueKind};
use crate::event::json::pointer::{append_index, append_name};

/// A value, or a pointer, longer than this is cut.
const EXCERPT_BYTES_MAX: usize = 200;

/// The differences between two JSON payloads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The first of them, in order of their places.
    pub listed: Vec<Difference>,
    /// How many there are.
    pub total: u64,
}

/// One place at which two payloads differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: an RFC 6901 pointer, of which the empty one is all of the payload.
    pub pointer: Excerpt,
    /// What the first payload has there; none if nothing.
    pub first: Option<Excerpt>,
    /// What the other one has.
    pub other: Option<Excerpt>,
}

/// A text, or its beginning.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Excerpt {
    /// The text, or as much of it as is kept.
    pub text: String,
    /// Bytes of the whole text.
    pub bytes: usize,
}

impl Excerpt {
    fn of(text: &str) -> Excerpt {
        let mut end = text.len().min(EXCERPT_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Excerpt {
            text: text[..end].to_owned(),
            bytes: text.len(),
        }
    }

    /// Whether it is not the whole text.
    pub fn is_cut(&self) -> bool {
        self.text.len() < self.bytes
    }
}

/// The differences between two payloads, of which at most so many are listed; none when one of
/// them is no JSON that is compared as a value.
pub fn differences(first: &[u8], other: &[u8], listed_max: usize) -> Option<Differences> {
    let (first, other) = (whole(first)?, whole(other)?);
    let mut comparing = Comparing {
        pointer: String::new(),
        listed_max,
        found: Differences::default(),
    };
    // What the lexer has passed over once it passes over again.
    comparing.values(&first, &other).ok()?;
    Some(comparing.found)
}

fn whole(payload: &[u8]) -> Option<Value<'_>> {
    let mut lexer = Lexer::new(std::str::from_utf8(payload).ok()?);
    let value = lexer.value().ok()?;
    lexer.end().ok()?;
    (value.depth <= DEPTH_MAX).then_some(value)
}

struct Comparing {
    /// Where it is.
    pointer: String,
    listed_max: usize,
    found: Differences,
}

impl Comparing {
    fn values(&mut self, first: &Value<'_>, other: &Value<'_>) -> Result<(), Unexpected> {
        match (first.kind, other.kind) {
            _ if first.text == other.text => {}
            (ValueKind::Object, ValueKind::Object) => self.objects(first, other)?,
            (ValueKind::Array, ValueKind::Array) => self.arrays(first, other)?,
            _ if is_equal(first, other) => {}
            _ => self.tell(Some(first), Some(other)),
        }
        Ok(())
    }

    fn objects(&mut self, first: &Value<'_>, other: &Value<'_>) -> Result<(), Unexpected> {
        let (first, other) = (members(first.text)?, members(other.text)?);
        let (mut first, mut other) = (first.iter().peekable(), other.iter().peekable());
        loop {
            let order = match (first.peek(), other.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((one, _)), Some((another, _))) => one.cmp(another),
            };
            let before = first.next_if(|_| order.is_le());
            let after = other.next_if(|_| order.is_ge());
            let Some((name, _)) = before.or(after) else {
                return Ok(());
            };
            let outer = self.pointer.len();
            append_name(&mut self.pointer, &String::from_utf8_lossy(name));
            match (before, after) {
                (Some((_, before)), Some((_, after))) => self.values(before, after)?,
                _ => self.tell(
                    before.map(|(_, value)| value),
                    after.map(|(_, value)| value),
                ),
            }
            self.pointer.truncate(outer);
        }
    }

    fn arrays(&mut self, first: &Value<'_>, other: &Value<'_>) -> Result<(), Unexpected> {
        let (first, other) = (elements(first.text)?, elements(other.text)?);
        for place in 0..first.len().max(other.len()) {
            let outer = self.pointer.len();
            append_index(&mut self.pointer, place);
            match (first.get(place), other.get(place)) {
                (Some(before), Some(after)) => self.values(before, after)?,
                (before, after) => self.tell(before, after),
            }
            self.pointer.truncate(outer);
        }
        Ok(())
    }

    fn tell(&mut self, first: Option<&Value<'_>>, other: Option<&Value<'_>>) {
        self.found.total += 1;
        if self.found.listed.len() < self.listed_max {
            let excerpt = |value: Option<&Value<'_>>| value.map(|value| Excerpt::of(value.text));
            self.found.listed.push(Difference {
                pointer: Excerpt::of(&self.pointer),
                first: excerpt(first),
                other: excerpt(other),
            });
        }
    }
}

/// Whether two values that are no containers both are equal.
fn is_equal(first: &Value<'_>, other: &Value<'_>) -> bool {
    let form = |value: &Value<'_>| {
        let mut form = Vec::new();
        number::append_form(value.text, &mut form);
        form
    };
    match (first.kind, other.kind) {
        (ValueKind::Number, ValueKind::Number) => form(first) == form(other),
        _ => match (first.string(), other.string()) {
            (Some(first), Some(other)) => first.wtf8() == other.wtf8(),
            _ => false,
        },
    }
}

/// A member of an object: its name, escapes resolved, and its value.
type Member<'a> = (Cow<'a, [u8]>, Value<'a>);

/// The members of an object, in order of their names, and those of one name as they stand.
fn members(text: &str) -> Result<Vec<Member<'_>>, Unexpected> {
    let mut lexer = Lexer::new(text);
    lexer.take(b'{');
    let mut members = Vec::new();
    while lexer.next_element(b'}', members.is_empty())? {
        let name = lexer.member_name()?.wtf8();
        members.push((name, lexer.value()?));
    }
    members.sort_by(|one, another| one.0.cmp(&another.0));
    Ok(members)
}

fn elements(text: &str) -> Result<Vec<Value<'_>>, Unexpected> {
    let mut lexer = Lexer::new(text);
    lexer.take(b'[');
    let mut elements = Vec::new();
    while lexer.next_element(b']', elements.is_empty())? {
        elements.push(lexer.value()?);
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::canonical_digest;
    use super::*;
    use crate::event::PayloadKind;

    /// Each as `pointer: first -> other`, `-` for nothing.
    fn told(first: &str, other: &str) -> Vec<String> {
        let found = differences(first.as_bytes(), other.as_bytes(), 100).expect("JSON");
        assert_eq!(found.total, found.listed.len() as u64);
        let text = |value: &Option<Excerpt>| match value {
            Some(value) => value.text.clone(),
            None => "-".into(),
        };
        let line = |one: &Difference| {
            let (first, other) = (text(&one.first), text(&one.other));
            format!("{}: {first} -> {other}", one.pointer.text)
        };
        found.listed.iter().map(line).collect()
    }

    #[test]
    fn each_place_is_told_with_what_is_there_in_both() {
        let first = r#"{"a/b":{"~":[1,2,{"x":"y"}]},"gone":null,"kind":1, "same": [ 1.0 ]}"#;
        let other = r#"{"same":[1],"kind":[1],"new":"\u0041","a/b":{"~":[1,3,{"x":"z"},4]}}"#;
        assert_eq!(
            told(first, other),
            [
                "/a~1b/~0/1: 2 -> 3",
                r#"/a~1b/~0/2/x: "y" -> "z""#,
                "/a~1b/~0/3: - -> 4",
                "/gone: null -> -",
                "/kind: 1 -> [1]",
                r#"/new: - -> "\u0041""#,
            ]
        );
        assert_eq!(told("1", "[]"), [": 1 -> []"]);
    }

    #[test]
    fn what_is_equal_as_a_value_is_no_difference() {
        for (first, other) in [
            ("1", "1.0"),
            (r#"{"a":1,"b":"\u00e9"}"#, r#"{ "b":"é", "a":10e-1 }"#),
            (r#"{"a":1,"a":2,"b":0}"#, r#"{"a":1,"b":-0,"a":2}"#),
        ] {
            assert!(told(first, other).is_empty(), "{first} {other}");
        }
        let large = "10000000000000000000001";
        assert_eq!(told(large, "10000000000000000000002").len(), 1);
        // One name twice: its order counts, and how often it is there.
        let doubled = r#"{"a":1,"a":2}"#;
        let expected = ["/a: 1 -> 2", "/a: 2 -> 1"];
        assert_eq!(told(doubled, r#"{"a":2,"a":1}"#), expected);
        assert_eq!(told(doubled, r#"{"a":1}"#), ["/a: 2 -> -"]);
    }

    #[test]
    fn what_is_told_is_bounded() {
        let list = |value: u32| format!("[{}]", vec![value.to_string(); 50].join(","));
        let found = differences(list(1).as_bytes(), list(2).as_bytes(), 3).expect("JSON");
        assert_eq!((found.total, found.listed.len()), (50, 3));
        let long = format!("\"x{}\"", "é".repeat(300));
        let found = differences(long.as_bytes(), b"1", 3).expect("JSON");
        let value = found.listed[0].first.as_ref().expect("a value");
        assert!(value.is_cut() && value.bytes == long.len());
        assert!(long.starts_with(&value.text) && value.text.len() > EXCERPT_BYTES_MAX - 4);
    }

    #[test]
    fn what_is_no_json_is_not_taken_apart() {
        assert_eq!(differences(b"\xff", b"1", 9), None);
        assert_eq!(differences(b"1", b"1 2", 9), None);
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(differences(deep(DEPTH_MAX).as_bytes(), b"1", 9).is_some());
        assert!(differences(deep(DEPTH_MAX + 1).as_bytes(), b"1", 9).is_none());
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            proptest::sample::select(vec![
                "1",
                "1.0",
                "10e-1",
                "2",
                "\"a\"",
                "\"\\u0061\"",
                "null"
            ])
            .prop_map(str::to_owned),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let name = proptest::sample::select(vec!["\"a\"", "\"\\u0061\"", "\"b\""]);
            let member = (name, inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
            prop_oneof![
                proptest::collection::vec(inner, 0..3)
                    .prop_map(|values| format!("[{}]", values.join(" , "))),
                proptest::collection::vec(member, 0..3)
                    .prop_map(|members| format!("{{{}}}", members.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn there_is_a_difference_exactly_where_the_fold_sees_a_conflict(
            first in json(),
            other in json(),
        ) {
            let digest = |text: &str| canonical_digest(PayloadKind::Json, text.as_bytes());
            let found = differences(first.as_bytes(), other.as_bytes(), 9).expect("JSON");
            prop_assert_eq!(found.total == 0, digest(&first) == digest(&other));
        }
    }
}
