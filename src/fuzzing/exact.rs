//! JSON by the strictest reader there is at hand: `serde_json` cuts a text into pieces, and what
//! the pieces mean is compared here, exactly. (Its `arbitrary_precision` would keep numbers as text
//! too, but for the whole program under test.)

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_bytes::ByteBuf;
use serde_json::value::RawValue;

/// Deeper payloads are no values.
const DEPTH_MAX: usize = 128;

/// A member of an object.
pub(super) struct Member<'a> {
    /// As it is written.
    written: &'a str,
    /// In WTF-8: UTF-8 with surrogates that lack their other half.
    pub(super) name: Vec<u8>,
    /// As it is written.
    pub(super) value: &'a str,
}

/// The members of an object, repeated ones too.
pub(super) struct Members<'a>(pub(super) Vec<Member<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    let name = name.get();
                    members.push(Member {
                        written: name,
                        name: string(name).expect("a string"),
                        value: value.get(),
                    });
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl Members<'_> {
    pub(super) fn has_repeated(&self) -> bool {
        let mut names: Vec<_> = self.0.iter().map(|member| &member.name).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// The string that this text is, in WTF-8; `None` if it is something else.
pub(super) fn string(text: &str) -> Option<Vec<u8>> {
    let bytes = text.starts_with('"').then(|| serde_json::from_str(text));
    bytes.map(|bytes: Result<ByteBuf, _>| bytes.expect("a string").into_vec())
}

pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// How many arrays and objects stand around the innermost value of a valid text.
pub(super) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string) = (0_usize, 0, false);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => drop(bytes.next()),
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// What a JSON text means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Exact {
    Word(String),
    Number(Decimal),
    Text(Vec<u8>),
    List(Vec<Exact>),
    /// In order of the names, and those of one name as they stand.
    Object(Vec<(Vec<u8>, Exact)>),
}

impl Exact {
    /// The value of these bytes; `None` where they are no JSON, or too deep.
    pub(super) fn of(bytes: &[u8]) -> Option<Exact> {
        let text = std::str::from_utf8(bytes).ok()?;
        (is_json(text) && depth(text) <= DEPTH_MAX).then(|| Exact::of_valid(text))
    }

    fn of_valid(text: &str) -> Exact {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        match text.as_bytes()[0] {
            b'[' => {
                let list: Vec<&RawValue> = serde_json::from_str(text).expect("an array");
                Exact::List(list.iter().map(|one| Exact::of_valid(one.get())).collect())
            }
            b'{' => {
                let Members(mut members) = serde_json::from_str(text).expect("an object");
                members.sort_by(|one, another| one.name.cmp(&another.name));
                let members = members.into_iter();
                let valued = members.map(|one| (one.name, Exact::of_valid(one.value)));
                Exact::Object(valued.collect())
            }
            b'"' => Exact::Text(string(text).expect("a string")),
            b'-' | b'0'..=b'9' => Exact::Number(Decimal::of(text)),
            _ => Exact::Word(text.to_owned()),
        }
    }
}

/// A number: digits without zeros at either end, and the power of ten of the last one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: Power,
}

/// An integer of any length, by what is left of it when it is divided by 2^128 and by a prime: so
/// two that differ by less than 10^57 are never taken for equal.
#[derive(Debug, Default, PartialEq, Eq)]
struct Power(u128, u64);

const PRIME: u64 = 0xffff_ffff_ffff_ffc5;

impl Power {
    fn of(digits: &str, is_negative: bool, plus: i64) -> Power {
        let (mut wrapped, mut rest) = (0_u128, 0_u128);
        for digit in digits.bytes().map(|digit| u128::from(digit - b'0')) {
            wrapped = wrapped.wrapping_mul(10).wrapping_add(digit);
            rest = (rest * 10 + digit) % u128::from(PRIME);
        }
        if is_negative {
            wrapped = wrapped.wrapping_neg();
            rest = (u128::from(PRIME) - rest) % u128::from(PRIME);
        }
        let rest = (rest as i128 + i128::from(plus)).rem_euclid(i128::from(PRIME));
        Power(wrapped.wrapping_add_signed(i128::from(plus)), rest as u64)
    }
}

impl Decimal {
    fn of(text: &str) -> Decimal {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let unsigned = mantissa.trim_start_matches('-');
        let fraction = unsigned
            .split_once('.')
            .map_or(0, |(_, digits)| digits.len());
        let digits = unsigned.replace('.', "");
        let digits = digits.trim_start_matches('0');
        let short = digits.trim_end_matches('0');
        if short.is_empty() {
            return Decimal {
                is_negative: false,
                digits: String::new(),
                exponent: Power::default(),
            };
        }
        let plus = (digits.len() - short.len()) as i64 - fraction as i64;
        Decimal {
            is_negative: mantissa.starts_with('-'),
            digits: short.to_owned(),
            exponent: Power::of(
                exponent.trim_start_matches(['+', '-']),
                exponent.starts_with('-'),
                plus,
            ),
        }
    }
}

/// The same value, written in another way: numbers longer, strings escaped, members of different
/// names in another order, white space where it may be.
pub(super) fn respelt(text: &str) -> String {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    match text.as_bytes()[0] {
        b'[' => {
            let list: Vec<&RawValue> = serde_json::from_str(text).expect("an array");
            let list: Vec<_> = list.iter().map(|one| respelt(one.get())).collect();
            format!(" [ {} ]", list.join(" ,\t"))
        }
        b'{' => {
            let Members(mut members) = serde_json::from_str(text).expect("an object");
            members.sort_by(|one, another| another.name.cmp(&one.name));
            let respelt =
                |one: &Member<'_>| format!("{} :{}", respelt(one.written), respelt(one.value));
            let members: Vec<_> = members.iter().map(respelt).collect();
            format!("{{\n{}\r}} ", members.join(", "))
        }
        b'"' => match serde_json::from_str::<String>(text) {
            Ok(text) => {
                let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
                format!("\"{}\"", units.collect::<String>())
            }
            // A surrogate without its other half.
            Err(_) => text.to_owned(),
        },
        b'-' | b'0'..=b'9' => {
            let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
            let more = if mantissa.contains('.') { "00" } else { ".0" };
            format!("{mantissa}{more}E{exponent}")
        }
        _ => text.to_owned(),
    }
}
