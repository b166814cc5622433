//! `docs/operations.md`, and whether what the binary says stands there.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::path::Path;

/// The page.
pub fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    std::fs::read_to_string(path).expect("docs/operations.md")
}

/// The sections that quote a message, each with the lines quoted.
pub fn quoted() -> Vec<(String, Vec<String>)> {
    let page = page();
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    let mut in_quote = false;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            sections.push((heading.to_owned(), Vec::new()));
        } else if line.starts_with("## ") {
            sections.push((String::new(), Vec::new()));
        } else if line.starts_with("```") {
            in_quote = line == "```text";
        } else if in_quote && let Some((_, lines)) = sections.last_mut() {
            lines.push(line.to_owned());
        }
    }
    sections.retain(|(_, lines)| !lines.is_empty());
    sections
}

/// Checks that the section of this heading quotes what was said, line by line; what the
/// command line says to whoever started it, and each line quoted, must have a match.
#[track_caller]
pub fn assert_documented(heading: &str, said: &str) {
    let quoted = quoted();
    let (_, templates) = quoted
        .iter()
        .find(|(section, _)| section == heading)
        .unwrap_or_else(|| panic!("docs/operations.md has no section {heading:?}"));
    let said: Vec<&str> = said.lines().map(without_time).collect();
    for template in templates {
        let is_said = said.iter().any(|line| matches(template, line));
        assert!(is_said, "{heading}: {template:?} was not said: {said:#?}");
    }
    for line in said.iter().filter(|line| line.starts_with("oncelog: ")) {
        let is_quoted = templates.iter().any(|template| matches(template, line));
        assert!(
            is_quoted,
            "{heading}: {line:?} is not in docs/operations.md"
        );
    }
}

/// A line of the server's log as it is quoted.
pub fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((time, rest)) if time.ends_with('Z') && time.contains('T') => rest.trim_start(),
        _ => line,
    }
}

/// Whether a line is what a template says, where `<anything>` stands for some text.
pub fn matches(template: &str, line: &str) -> bool {
    let mut rest = line;
    let mut after_gap = false;
    let mut parts = template.split('<').peekable();
    while let Some(part) = parts.next() {
        // The first part has no placeholder before it.
        let literal = match (after_gap, part.split_once('>')) {
            (true, Some((_, literal))) => literal,
            (true, None) => return false,
            (false, _) => part,
        };
        let is_last = parts.peek().is_none();
        let found = match (after_gap, is_last) {
            (false, true) => (rest == literal).then_some(0),
            (false, false) => rest.starts_with(literal).then_some(0),
            (true, true) => rest
                .len()
                .checked_sub(literal.len())
                .filter(|_| rest.ends_with(literal)),
            // A placeholder stands for at least one character.
            (true, false) => rest
                .get(1..)
                .and_then(|later| later.find(literal))
                .map(|at| at + 1),
        };
        match found {
            Some(0) if after_gap => return false,
            Some(at) => rest = &rest[at + literal.len()..],
            None => return false,
        }
        after_gap = true;
    }
    true
}
