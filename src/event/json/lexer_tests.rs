use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::{Lexer, ordinary_bytes};

fn is_json(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    lexer.value().is_ok() && lexer.end().is_ok()
}

fn depth(text: &str) -> usize {
    Lexer::new(text).value().expect("valid JSON").depth
}

#[test]
fn all_that_is_json_is_taken() {
    for good in [
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "1.5",
        "0.0",
        "1e5",
        "1E+5",
        "1e-5",
        "0e0",
        "-0.0e-00",
        "1e999999999999999999999",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "\"é\u{7f}\u{2028}\u{10ffff}\"",
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u0000""#,
        r#""\ud800""#,
        r#""\uDC00\ud800""#,
        r#""\uABCD\uabcd""#,
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1]",
        "[1,2]",
        "[[],{}]",
        r#"{"a":1}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"":{"":[]}}"#,
        " [ 1 , 2 ] ",
        "\t\r\n { \"a\" : [ ] , \"b\" : { } } \n",
        "[1,\"a\",null,true,false,{},[]]",
    ] {
        assert!(is_json(good), "{good}");
    }
}

#[test]
fn all_that_is_not_json_is_refused() {
    for bad in [
        "",
        " ",
        "-",
        "+1",
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "-.5",
        "1.e5",
        "1e",
        "1e+",
        "1E-",
        "0x1",
        "1_000",
        "1 2",
        "1,",
        "- 1",
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "nul",
        "nulll",
        "True",
        "truefalse",
        "undefined",
        "'a'",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\",
        r#""\x41""#,
        r#""\u""#,
        r#""\u12""#,
        r#""\u12G4""#,
        r#""\u+123""#,
        r#""\U0041""#,
        r#""\'""#,
        "\"\\\u{e9}\"",
        "\"\n\"",
        "\"\t\"",
        "\"\0\"",
        "\"\u{1f}\"",
        "\"\\\n\"",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,]",
        "[,1]",
        "[1,,2]",
        "[1 2]",
        "[1]]",
        "[1}",
        "{1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{\"a\",1}",
        "{\"a\":1]",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{null:1}",
        "{\"a\":1}}",
        "[{]}",
        "[1]x",
        "[1]//",
        "/**/1",
        "#1",
        "1\u{a0}",
        "\u{a0}1",
        "1\u{c}",
        "\u{b}1",
        "\u{feff}1",
        "[1\u{2028}]",
        "{\"a\":1,,\"b\":2}",
        "{\"a\"::1}",
        "[\"a\":1]",
        "\"a\"\"b\"",
    ] {
        assert!(!is_json(bad), "{bad:?}");
    }
}

#[test]
fn hostile_depth_needs_no_stack() {
    let levels = 1_000_000;
    let arrays = "[".repeat(levels) + &"]".repeat(levels);
    assert_eq!(depth(&arrays), levels);
    let objects = "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
    assert_eq!(depth(&objects), levels);
    let mixed = "[{\"a\":".repeat(levels) + "1" + &"}]".repeat(levels);
    assert_eq!(depth(&mixed), 2 * levels);
    assert!(!is_json(&"[".repeat(levels)));
    assert!(!is_json(
        &("[{\"a\":".repeat(levels) + "1" + &"]}".repeat(levels))
    ));
}

#[test]
fn a_bracket_of_the_other_kind_closes_nothing_at_any_level() {
    for level in [1, 2, 63, 64, 65, 127, 128, 129, 300] {
        let open = "[".repeat(level);
        assert!(is_json(&format!("{open}{{}}{}", "]".repeat(level))));
        assert!(!is_json(&format!("{open}{}}}", "]".repeat(level - 1))));
    }
}

#[test]
fn depth_counts_brackets_that_are_open_and_no_others() {
    for (text, levels) in [
        ("1", 0),
        (r#""[[[""#, 0),
        (r#""\"[""#, 0),
        ("[]", 1),
        ("{}", 1),
        ("[[],[]]", 2),
        ("[[[]],[]]", 3),
        (r#"{"a":[1],"b":{"[[[[":"]]"}}"#, 2),
        ("[{\"a\":[]}]", 3),
    ] {
        assert_eq!(depth(text), levels, "{text}");
    }
}

#[test]
fn every_special_byte_is_found_at_every_place() {
    for length in 0..20 {
        for filler in [b'a', b' ', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
            let plain = vec![filler; length];
            assert_eq!(ordinary_bytes(&plain), length);
            for place in 0..length {
                for byte in 0..=255 {
                    let mut text = plain.clone();
                    text[place] = byte;
                    let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    let expected = if is_special { place } else { length };
                    assert_eq!(ordinary_bytes(&text), expected, "{byte:02x} at {place}");
                    // Another one further on changes nothing.
                    if let Some(last) = text.last_mut().filter(|_| is_special && place + 1 < length)
                    {
                        *last = 0;
                        assert_eq!(ordinary_bytes(&text), place, "{byte:02x} at {place}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_value_keeps_its_own_text() {
    let mut lexer = Lexer::new(" \n[1 , 2] \t, ");
    let value = lexer.value().expect("an array");
    assert_eq!(value.text, "[1 , 2]");
    assert_eq!(lexer.peek(), Some(b','));
}

proptest! {
    /// `serde_json` skips values by the same rules, with other code.
    #[test]
    fn any_text_of_json_tokens_is_judged_as_by_serde(tokens in prop::collection::vec(
        prop::sample::select(vec![
            "[", "]", "{", "}", ",", ":", "\"", "\"a\"", "\"a\":", "\\", "\\u", "12", "0", "-", ".", "e",
            "+", "1", "true", "null", "nul", " ", "\n", "\u{1}", "é", "[]", "{}", "1.5e3",
        ]), 0..14)) {
        let text = tokens.concat();
        prop_assert_eq!(is_json(&text), serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{}", text);
    }
}
