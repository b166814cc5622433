//! What a tool printed, held against what it printed before: the files of `tests/data`, which
//! `UPDATE_SNAPSHOTS=1` writes anew.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::fs;
use std::path::PathBuf;

/// The times at which this run received events are those of every other one, and so are the
/// offsets: a mark may come between two batches.
pub fn masked(mut rest: &str) -> String {
    const TIME: &str = "YYYY-MM-DDTHH:MM:SS.ffffffZ";
    let mut masked = String::new();
    while let Some(at) = rest.find("20") {
        let is_time = |text: &&str| {
            let bytes = text.as_bytes();
            (bytes[10], bytes[19], bytes[26]) == (b'T', b'.', b'Z')
        };
        let time = rest.get(at..at + TIME.len()).filter(is_time);
        masked.push_str(&rest[..at]);
        masked.push_str(time.map_or("20", |_| TIME));
        rest = &rest[at + time.map_or(2, str::len)..];
    }
    masked.push_str(rest);
    let mut after = "";
    let words = masked.split(' ').map(|word| {
        let is_offset = after.starts_with("offset") || after == "to" && word.ends_with(',');
        after = word;
        match is_offset && word.starts_with(|c: char| c.is_ascii_digit()) {
            true => {
                let end = word.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("N{end}")
            }
            false => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Compares with the file of this name in this directory of `tests/data`.
#[track_caller]
pub fn is_as_before(directory: &str, name: &str, printed: &[u8]) {
    let text = masked(std::str::from_utf8(printed).expect("UTF-8"));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(directory)
        .join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &text).expect("it can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "{}:\n{text}\nand not\n{expected}",
        path.display()
    );
}
