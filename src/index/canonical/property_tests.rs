//! Random values in random spellings.

use proptest::prelude::*;

use super::{canonical_digest, json_form};
use crate::event::PayloadKind::{Bytes, Json};

/// JSON with its value spelt by a seed: order of members, white space, escapes, numbers.
#[derive(Clone, Debug)]
enum Tree {
    Word(&'static str),
    Number { digits: u64, exponent: i64 },
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let text = || {
        prop::collection::vec(
            prop::sample::select(vec![
                'a', 'b', '}', '"', '\\', '/', '\n', '\0', 'é', '\u{ffff}', '😀',
            ]),
            0..4,
        )
        .prop_map(String::from_iter)
    };
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(Tree::Word),
        (0..2_000u64, -30..30i64).prop_map(|(digits, exponent)| Tree::Number { digits, exponent }),
        text().prop_map(Tree::Text),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let members = prop::collection::btree_map(text(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Tree::List),
            members.prop_map(|members| Tree::Object(members.into_iter().collect())),
        ]
    })
}

/// A small source of choices (xorshift); zero always chooses the plainest.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn space(&mut self) -> &'static str {
        ["", " ", "\n", "\t \r"][self.below(4) as usize]
    }
}

fn write(tree: &Tree, choices: &mut Choices, out: &mut String) {
    out.push_str(choices.space());
    match tree {
        Tree::Word(word) => out.push_str(word),
        Tree::Number { digits, exponent } => write_number(*digits, *exponent, choices, out),
        Tree::Text(text) => write_text(text, choices, out),
        Tree::List(list) => {
            out.push('[');
            for (index, element) in list.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(element, choices, out);
            }
            out.push_str(choices.space());
            out.push(']');
        }
        Tree::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            for last in (1..members.len()).rev() {
                let other = choices.below(last as u64 + 1) as usize;
                members.swap(last, if choices.0 == 0 { last } else { other });
            }
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                out.push_str(choices.space());
                write_text(name, choices, out);
                out.push_str(choices.space());
                out.push(':');
                write(value, choices, out);
            }
            out.push('}');
        }
    }
    out.push_str(choices.space());
}

fn write_number(digits: u64, exponent: i64, choices: &mut Choices, out: &mut String) {
    // A zero may not be followed by zeros.
    let more = choices.below(if digits == 0 { 1 } else { 4 });
    let e = ["e", "E"][choices.below(2) as usize];
    let text = match choices.below(3) {
        0 => format!("{digits}{e}{exponent}"),
        1 => format!(
            "{digits}{}{e}{}",
            "0".repeat(more as usize),
            exponent - more as i64
        ),
        _ => format!(
            "0.{}{digits}{e}{:+}",
            "0".repeat(more as usize),
            exponent + more as i64 + digits.to_string().len() as i64
        ),
    };
    out.push_str(&text);
}

fn write_text(text: &str, choices: &mut Choices, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        let must_escape = char < ' ' || char == '"' || char == '\\';
        if must_escape || choices.below(3) == 1 {
            for unit in char.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(char);
        }
    }
    out.push('"');
}

fn spelt(tree: &Tree, seed: u64) -> String {
    let mut out = String::new();
    write(tree, &mut Choices(seed), &mut out);
    out
}

/// A number as it cannot be compared by `Tree`'s own equality: without trailing zeros.
fn same_value(a: &Tree, b: &Tree) -> bool {
    match (a, b) {
        (Tree::Word(a), Tree::Word(b)) => a == b,
        (Tree::Text(a), Tree::Text(b)) => a == b,
        (
            Tree::Number {
                digits: d1,
                exponent: e1,
            },
            Tree::Number {
                digits: d2,
                exponent: e2,
            },
        ) => {
            let shift = (*e1).min(*e2);
            let at = |digits: u64, exponent: i64| {
                u128::from(digits).checked_mul(10u128.checked_pow((exponent - shift) as u32)?)
            };
            match (at(*d1, *e1), at(*d2, *e2)) {
                (Some(a), Some(b)) => a == b,
                _ => *d1 == 0 && *d2 == 0,
            }
        }
        (Tree::List(a), Tree::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b))
        }
        (Tree::Object(a), Tree::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| a.0 == b.0 && same_value(&a.1, &b.1))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_value_written_in_two_ways_is_equal(tree in tree(), seed in any::<u64>(), other in any::<u64>()) {
        let (a, b) = (spelt(&tree, seed), spelt(&tree, other));
        prop_assert!(json_form(a.as_bytes()).is_some(), "{}", a);
        prop_assert!(json_form(b.as_bytes()).is_some(), "{}", b);
        prop_assert_eq!(canonical_digest(Json, a.as_bytes()), canonical_digest(Json, b.as_bytes()), "{} {}", a, b);
    }

    #[test]
    fn two_values_are_equal_only_if_they_are(a in tree(), b in tree(), seed in any::<u64>()) {
        let (text_a, text_b) = (spelt(&a, seed), spelt(&b, 0));
        let equal = canonical_digest(Json, text_a.as_bytes()) == canonical_digest(Json, text_b.as_bytes());
        prop_assert_eq!(equal, same_value(&a, &b), "{} {}", text_a, text_b);
    }

    #[test]
    fn numbers_are_equal_only_as_decimals(a in 0..300u64, e1 in -3..3i64, b in 0..300u64, e2 in -3..3i64, seed in any::<u64>()) {
        let (a, b) = (Tree::Number { digits: a, exponent: e1 }, Tree::Number { digits: b, exponent: e2 });
        let form = |text: String| json_form(text.as_bytes());
        prop_assert_eq!(form(spelt(&a, seed)) == form(spelt(&b, 0)), same_value(&a, &b));
    }

    #[test]
    fn a_changed_leaf_changes_the_digest(tree in tree(), depth in 0..6usize) {
        let wrapped = (0..depth).fold(tree, |inner, _| Tree::Object(vec![("k".into(), Tree::List(vec![inner]))]));
        let text = spelt(&wrapped, 0);
        let changed = format!("[{text},0]");
        let other = format!("[{text},1]");
        prop_assert_ne!(canonical_digest(Json, changed.as_bytes()), canonical_digest(Json, other.as_bytes()));
    }

    #[test]
    fn any_bytes_have_a_digest(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        canonical_digest(Json, &bytes);
        canonical_digest(Bytes, &bytes);
    }

    #[test]
    fn any_text_of_json_tokens_has_a_digest(tokens in prop::collection::vec(
        prop::sample::select(vec!["[", "]", "{", "}", ",", ":", "\"a\"", "\"", "\\ud800", "1", "-", "e", ".", "0", "null", " "]),
        0..20,
    )) {
        let text = tokens.concat();
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(json_form(text.as_bytes()).is_some(), is_json, "{}", text);
    }
}
