//! Writing JSON piece by piece, where a tree of it would be large.

use std::io::Write as _;

/// Appends a string with its quotes.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Appends what `Display` says, for numbers and hexadecimal digits.
pub fn push_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing into memory cannot fail.
    let _ = write!(out, "{value}");
}

/// Appends a comma unless this is the first of a list.
pub fn push_comma(out: &mut Vec<u8>, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(b',');
    }
}

/// Appends `"name":value,…` of numbers.
pub fn push_numbers(out: &mut Vec<u8>, numbers: &[(&str, u64)]) {
    for (name, number) in numbers {
        let _ = write!(out, ",\"{name}\":{number}");
    }
}
