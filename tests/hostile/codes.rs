//! Every code that a server can answer is met by some test from outside.

use std::fs;
use std::path::{Path, PathBuf};

use oncelog::http::ErrorCode;

/// Codes that no client can bring about, and why.
const OUT_OF_REACH: [(ErrorCode, &str); 2] = [
    (
        ErrorCode::Internal,
        "only a fault in the program itself; its own tests make a handler panic",
    ),
    (
        ErrorCode::Opening,
        "a start that takes as long as a test needs cannot be had; see src/http/health.rs",
    ),
];

#[test]
fn every_code_is_met_by_a_test_from_outside_or_listed_with_its_reason() {
    let tests = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    for code in ErrorCode::ALL {
        // As `assert_problem` is given it, or a table for it.
        let pair = format!("{},\"{code}\"", code.status().as_u16());
        let met = tests.iter().any(|text| is_expected(text, &pair));
        let listed = OUT_OF_REACH.iter().any(|(listed, _)| listed == code);
        assert!(met || listed, "no test meets {code}");
        assert!(!(met && listed), "{code} is met: the list is out of date");
    }
}

/// Whether a test expects it; a server that is only played says it by `again`.
fn is_expected(text: &str, pair: &str) -> bool {
    let mut found = text.match_indices(pair);
    found.any(|(at, _)| !text[..at].ends_with("again("))
}

/// The sources below a directory, without white space.
fn sources(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").flatten();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let is_source = |path: &Path| path.extension().is_some_and(|name| name == "rs");
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if is_source(&path) {
            let text = fs::read_to_string(path).expect("a source");
            found.push(text.split_whitespace().collect());
        }
    }
    found
}
