//! Writing JSON piece by piece, where a tree of it would be large.

use std::io::Write as _;

/// Appends a string with its quotes.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    // Most strings have nothing to escape, and to see that is much cheaper than to escape.
    let escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Not `any`: without a way out in the middle it is done for many bytes at once.
    if text
        .bytes()
        .fold(false, |found, byte| found | escaped(byte))
    {
        // Writing a string into memory cannot fail.
        let _ = serde_json::to_writer(out, text);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Appends a number. Without `fmt`, which takes longer than all else in a small event.
pub fn push_number(out: &mut Vec<u8>, number: u64) {
    // Writing a number into memory cannot fail.
    let _ = serde_json::to_writer(out, &number);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_escaped_needs_no_escape() {
        let alone = (0..0x180).filter_map(char::from_u32).map(String::from);
        let within = (0..0x180)
            .filter_map(char::from_u32)
            .map(|c| format!("grüße{c} und mehr ✓"));
        for text in alone.chain(within).chain([String::new()]) {
            let mut out = Vec::new();
            push_string(&mut out, &text);
            assert_eq!(
                out,
                serde_json::to_vec(&text).expect("a string"),
                "{text:?}"
            );
        }
    }
}
