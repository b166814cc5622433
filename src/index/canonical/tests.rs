use super::{canonical_digest, json_form};
use crate::event::PayloadKind::{Bytes, Json};

/// All spellings in a row are one value, and no two rows are the same.
const VALUES: &[&[&str]] = &[
    &["null", " null", "null\n", "\t\r\n null \n"],
    &["true"],
    &["false"],
    &[
        "0",
        "-0",
        "0.0",
        "-0.0",
        "0e0",
        "0e999999999999999999999999999999999999999",
        "-0.000E-7",
    ],
    &[
        "1",
        "1.0",
        "1e0",
        "10e-1",
        "1.000000",
        "0.1e1",
        "0.1E+01",
        "100e-00002",
        "0.00001e5",
        "1e-0",
    ],
    &["-1", "-1.0", "-10e-1"],
    &["10", "1e1", "1E+1", "10.0", "0.1e2"],
    &["100", "1e2", "1e002", "0.0001e6"],
    &["12", "1.2e1", "12.0"],
    &["1.2", "12e-1", "0.12e1"],
    &["102"],
    &["0.1", "1e-1", "0.10"],
    &["0.5", "5e-1", "0.50e0"],
    &[
        "10000000000000000000001",
        "10000000000000000000001.0",
        "1.0000000000000000000001e22",
    ],
    &["10000000000000000000002"],
    &["10000000000000000000000", "1e22"],
    &["9007199254740992"],
    &["9007199254740993"],
    &["0.1000000000000000055511151231257827"],
    &[
        "1e999999999999999999999",
        "10e999999999999999999998",
        "0.1e1000000000000000000000",
        "1E+0999999999999999999999",
    ],
    &["1e999999999999999999998"],
    &[
        "1e-999999999999999999999",
        "10e-1000000000000000000000",
        "0.01e-999999999999999999997",
    ],
    &["-1e999999999999999999999"],
    // Exponents of 29 to 41 digits, over the border between the two ways to add.
    &[
        "1e999999999999999999999999999999",
        "0.1e1000000000000000000000000000000",
        "10e999999999999999999999999999998",
    ],
    &[
        "1e1000000000000000000000000000000",
        "10e999999999999999999999999999999",
        "0.01e1000000000000000000000000000002",
    ],
    &[
        "1e-1000000000000000000000000000000",
        "10e-1000000000000000000000000000001",
        "0.1e-999999999999999999999999999999",
    ],
    &[
        "1e-999999999999999999999999999999",
        "10e-1000000000000000000000000000000",
    ],
    &[
        "1e9999999999999999999999999999999999999999",
        "0.1e10000000000000000000000000000000000000000",
        "100e9999999999999999999999999999999999999997",
    ],
    &[
        "1e10000000000000000000000000000000000000000",
        "1000e9999999999999999999999999999999999999997",
    ],
    &[
        "1e-10000000000000000000000000000000000000000",
        "0.1e-9999999999999999999999999999999999999999",
    ],
    &["\"\"", " \"\" "],
    &["\"A\"", r#""\u0041""#],
    &["\"a\""],
    &["\"1\""],
    &["\"null\""],
    &["\"/\"", r#""\/""#, r#""\u002f""#, r#""\u002F""#],
    &["\"\\\"\"", r#""\u0022""#],
    &["\"\\\\\"", r#""\u005c""#],
    &[r#""\n""#, r#""\u000a""#, r#""\u000A""#],
    &[r#""\b\f\r\t""#, r#""\u0008\u000c\u000d\u0009""#],
    &[r#""\u0000""#],
    &[r#""\\u0041""#],
    &["\"é\"", r#""\u00e9""#],
    // Not normalised: e and a combining accent.
    &["\"e\u{301}\"", r#""e\u0301""#],
    &["\"😀\"", r#""\ud83d\ude00""#, r#""\uD83D\uDE00""#],
    &["\"\u{10000}\"", r#""\ud800\udc00""#],
    &["\"\u{10ffff}\"", r#""\udbff\udfff""#],
    &[r#""\ud7ff\udc00""#],
    &[r#""\ud800\ue000""#],
    &[r#""\ud83d""#],
    &[r#""\ude00""#],
    &[r#""\ude00\ud83d""#],
    &[r#""\ud83d\ud83d\ude00""#, "\"\\ud83d😀\""],
    &[r#""\ud83d \ude00""#],
    &[r#""\ud83d\u0041""#, r#""\ud83dA""#],
    &["\"\u{fffd}\"", r#""\ufffd""#],
    &["[]", "[ ]", " [\n] "],
    &["{}", "{ }"],
    &["[null]"],
    &["[[]]", "[ [ ] ]"],
    &["[[],[]]"],
    &["[[[]]]"],
    &["[{}]"],
    &["[1,2]", "[ 1.0 ,2e0 ]"],
    &["[2,1]"],
    &["[12]"],
    &["[1,[2]]"],
    &["[[1],2]"],
    &["[[1,2]]"],
    &["[\"a\",\"b\"]"],
    &["[\"ab\"]"],
    &["[\"a\",\"\",\"b\"]"],
    &[r#"["a\",\"b"]"#],
    &[r#"{"a":1}"#, r#"{ "\u0061" : 10e-1 }"#],
    &[r#"{"a":2}"#],
    &[r#"{"b":1}"#],
    &[r#"{"a":null}"#],
    &[r#"{"a":{}}"#],
    &[
        r#"{"a":1,"b":2}"#,
        r#"{"b":2,"a":1}"#,
        "{\n\"b\": 2.0,\n\"a\": 1\n}",
    ],
    &[r#"{"a":2,"b":1}"#],
    &[r#"{"a":{"b":2}}"#],
    &[
        r#"{"a":1,"":0,"b":2}"#,
        r#"{"":0,"b":2,"a":1}"#,
        r#"{"b":2,"a":1,"":0}"#,
    ],
    &[
        r#"{"a":1,"ab":2,"é":3}"#,
        r#"{"é":3,"ab":2,"a":1}"#,
        r#"{"ab":2,"\u00e9":3,"a":1}"#,
    ],
    // A name may be there twice: which came first counts, and nothing else does.
    &[r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#],
    &[r#"{"a":2,"a":1}"#],
    &[r#"{"a":1,"a":1}"#],
    &[
        r#"{"a":1,"b":0,"a":2}"#,
        r#"{"b":0,"a":1,"a":2}"#,
        r#"{"a":1,"a":2,"b":0}"#,
    ],
    &[
        r#"{"a":[{"c":1,"b":[2,{"e":3,"d":4}]}]}"#,
        r#"{"a":[{"b":[2,{"d":4,"e":3}],"c":1}]}"#,
    ],
    &[r#"{"}":1}"#],
    &[r#"{"\ud800":1,"\udfff":2}"#, r#"{"\udfff":2,"\ud800":1}"#],
];

#[test]
fn one_value_has_one_digest_however_it_is_written() {
    for spellings in VALUES {
        for spelling in *spellings {
            let form = json_form(spelling.as_bytes());
            assert!(form.is_some(), "{spelling} is JSON");
            assert_eq!(
                form,
                json_form(spellings[0].as_bytes()),
                "{spelling} is {}",
                spellings[0]
            );
        }
    }
}

#[test]
fn two_values_never_share_a_digest() {
    for (row, spellings) in VALUES.iter().enumerate() {
        for other in &VALUES[..row] {
            let digest = |text: &str| canonical_digest(Json, text.as_bytes());
            assert_ne!(
                digest(spellings[0]),
                digest(other[0]),
                "{} and {}",
                spellings[0],
                other[0]
            );
        }
    }
}

/// Digests stand in `erased` frames: a change here is a change of the version.
#[test]
fn forms_and_digests_of_version_1_are_frozen() {
    let text = br#"{"b": [1.50, -1200, 0.0, "\u00e9"], "a": {"x": null, "": true}, "c": false}"#;
    let form = b"{sa\xff{s\xfftsx\xffn}sb\xff[d15e-1\xffd-12e2\xffd0\xffs\xc3\xa9\xff]sc\xfff}";
    assert_eq!(json_form(text).as_deref(), Some(&form[..]));
    for (kind, payload, digest) in [
        (
            Json,
            &text[..],
            "0a73a46d1fad6510573ad9c736ec01cd3e8edd1ed1782b52b3130efee063dab0",
        ),
        (
            Bytes,
            text,
            "d58d14ac3c76052cd17ed9224149251c2ee0ba0391c0772237421614914178cb",
        ),
        (
            Json,
            b"nul",
            "fa778a3aa733db0aacee4c2a10de882eee73796c1becbc45ccca8d9777dbc991",
        ),
    ] {
        assert_eq!(canonical_digest(kind, payload).to_string(), digest);
    }
}

#[test]
fn payloads_of_different_domains_are_never_equal() {
    let payloads: [&[u8]; 5] = [b"1", b"nul", b"", b"\xff", b"d1\xff"];
    for payload in payloads {
        assert_ne!(
            canonical_digest(Json, payload),
            canonical_digest(Bytes, payload)
        );
    }
    // The form of one text, sent as something else.
    assert_ne!(
        canonical_digest(Json, b"1"),
        canonical_digest(Json, b"d1\xff")
    );
    assert_ne!(
        canonical_digest(Json, b"1"),
        canonical_digest(Bytes, b"d1\xff")
    );
}

#[test]
fn what_is_no_json_is_compared_byte_for_byte() {
    for text in [
        &b"nul"[..],
        b"1 2",
        b"[1,]",
        b"01",
        b"\"\xff\"",
        b"",
        b"\xef\xbb\xbf1",
        b"{\"a\":1",
        b"NaN",
    ] {
        assert_eq!(json_form(text), None);
        let spaced = [text, b" "].concat();
        assert_ne!(
            canonical_digest(Json, text),
            canonical_digest(Json, &spaced)
        );
        assert_eq!(canonical_digest(Json, text), canonical_digest(Json, text));
    }
}

#[test]
fn depth_beyond_the_limit_is_opaque_and_costs_no_stack() {
    let nested =
        |open: &str, close: &str, levels| open.repeat(levels) + "1" + &close.repeat(levels);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        assert!(json_form(nested(open, close, 128).as_bytes()).is_some());
        assert!(json_form(nested(open, close, 129).as_bytes()).is_none());
        assert!(json_form(nested(open, close, 1_000_000).as_bytes()).is_none());
        assert!(json_form(open.repeat(1_000_000).as_bytes()).is_none());
    }
}

#[test]
fn numbers_of_a_million_digits_are_compared_and_not_worked_out() {
    let zeros = "0".repeat(1_000_000);
    let nines = "9".repeat(1_000_000);
    let form = |text: String| json_form(text.as_bytes()).expect("JSON");
    assert_eq!(form(format!("1{zeros}")), form("1e1000000".to_owned()));
    assert_eq!(form(format!("0.{zeros}1")), form("1e-1000001".to_owned()));
    assert_eq!(form(format!("10e{nines}")), form(format!("1e1{zeros}")));
    assert_eq!(form(format!("0.1e-{nines}")), form(format!("1e-1{zeros}")));
    assert_eq!(
        form(format!("1{zeros}.{zeros}e-1000000")),
        form("1".to_owned())
    );
    assert_ne!(form(format!("1{zeros}1")), form(format!("1{zeros}2")));
}
