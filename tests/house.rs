//! The rules of the house that a compiler does not check: who may use whom, and who alone
//! may do what.

use std::path::{Path, PathBuf};

/// A layer may use itself and those before it.
/// What is only for tests and fuzzers comes last: it may use all, and nobody it.
const LAYERS: [&str; 11] = [
    "event", "log", "index", "render", "replayer", "inspect", "store", "http", "config", "cli",
    "fuzzing",
];

#[test]
fn dependencies_go_one_way() {
    let mut broken = Vec::new();
    for file in sources() {
        let name = relative(&file);
        if ["lib.rs", "main.rs"].contains(&name.as_str()) {
            continue;
        }
        let own = layer_of(&file).unwrap_or_else(|| panic!("{name} is in no layer"));
        for (number, line) in code(&file) {
            assert!(
                !line.contains("crate::{"),
                "one path a use: {name}:{number}"
            );
            for (place, layer) in LAYERS.iter().enumerate() {
                if place > own && line.contains(&format!("crate::{layer}::")) {
                    broken.push(format!("{}:{number}: {line}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_file_says_unsafe() {
    only("unsafe ", &[]);
    only("unsafe_code", &[]);
}

#[test]
fn only_the_codec_names_bincode() {
    only("bincode::", &["log/codec.rs"]);
}

#[test]
fn the_log_knows_nothing_of_sqlite_or_http() {
    for word in ["rusqlite", "axum", "hyper::", "tokio::"] {
        let users = users_of(word);
        let in_log: Vec<_> = users
            .iter()
            .filter(|user| user.starts_with("log/"))
            .collect();
        assert!(in_log.is_empty(), "{word}: {in_log:?}");
    }
}

/// They stand before what keeps them, and before what joins both.
#[test]
fn postings_know_nothing_of_where_they_are_kept() {
    for word in ["rusqlite", "schema::", "writer::", "merging::"] {
        let users = users_of(word);
        let in_postings: Vec<_> = users
            .iter()
            .filter(|user| user.starts_with("index/postings/"))
            .collect();
        assert!(in_postings.is_empty(), "{word}: {in_postings:?}");
    }
}

#[test]
fn only_schema_query_and_flush_write_sql() {
    for word in [
        "SELECT ",
        "INSERT ",
        "REPLACE INTO",
        "DELETE FROM",
        "UPDATE ",
        "PRAGMA ",
    ] {
        for user in users_of(word) {
            let allowed = ["index/schema/", "index/query/", "index/flush"];
            assert!(
                allowed.iter().any(|place| user.starts_with(place)),
                "{user} writes SQL: {word}"
            );
        }
    }
}

#[test]
fn only_recovery_and_sealing_cut() {
    // The log, that is: the publisher's receipts are a file of its own, on another machine
    // perhaps, and what it cuts off is a line that was never whole.
    only(
        ".set_len(",
        &[
            "log/recovery.rs",
            "log/writer.rs",
            "log/storage/",
            "log/lock.rs",
            "cli/publish/receipts.rs",
        ],
    );
}

fn only(word: &str, places: &[&str]) {
    for user in users_of(word) {
        assert!(
            places.iter().any(|place| user.starts_with(place)),
            "{user} has {word:?}"
        );
    }
}

/// The files whose code, tests apart, has this word; relative to `src`.
fn users_of(word: &str) -> Vec<String> {
    sources()
        .into_iter()
        .filter(|file| code(file).iter().any(|(_, line)| line.contains(word)))
        .map(|file| relative(&file))
        .collect()
}

fn relative(file: &Path) -> String {
    let inside = file.strip_prefix(source_dir()).expect("a file of src");
    inside.to_str().expect("UTF-8").to_owned()
}

fn layer_of(file: &Path) -> Option<usize> {
    let name = relative(file);
    let first = name.split(['/', '.']).next()?;
    LAYERS.iter().position(|layer| *layer == first)
}

/// The lines of code: no comments, and nothing from the unit tests on.
fn code(file: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(file).expect("a source file");
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.to_owned()))
        .take_while(|(_, line)| !line.starts_with("mod tests {"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .collect()
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![source_dir()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let is_tests = name.to_str().is_some_and(|name| name.contains("tests"));
            if path.is_dir() && !is_tests {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !is_tests {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 50, "the sources were found");
    found
}

fn source_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
