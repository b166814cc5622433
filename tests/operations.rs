//! The page for who is on call says what the binary says: every message that it quotes is
//! held against a real one by a test, and every document it names is there.

mod support {
    pub mod operations;
}

use std::path::Path;

use support::operations::{matches, quoted, without_time};

#[test]
fn a_template_matches_what_it_stands_for_and_nothing_else() {
    assert!(matches("in <dir>: uid <n>", "in /a b: uid 7"));
    assert!(!matches("in <dir>: uid <n>", "in /a b: uid "));
    assert!(!matches("in <dir>: uid <n>", "on /a b: uid 7"));
    assert!(!matches("in <dir>: gone", "in /a: gone too"));
    assert!(matches("exact", "exact") && !matches("exact", "exactly"));
    assert_eq!(without_time("2026-01-02T03:04:05.1Z  WARN so"), "WARN so");
}

#[test]
fn every_message_quoted_is_one_that_a_test_has_heard() {
    let tests: String = sources().collect();
    let quoted = quoted();
    assert!(quoted.len() > 10, "the messages were found");
    for (heading, _) in quoted {
        let heard = format!("{heading:?}");
        assert!(tests.contains(&heard), "no test names {heard}");
    }
}

fn sources() -> impl Iterator<Item = String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let entries_of = |dir: &Path| {
        let entries = std::fs::read_dir(dir).expect("the tests");
        entries.map(|entry| entry.expect("an entry").path())
    };
    // Some tests have their parts in a directory.
    entries_of(&tests)
        .flat_map(move |path| match path.is_dir() {
            true => entries_of(&path).collect(),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| std::fs::read_to_string(path).expect("a test"))
}
