//! The codes as a whole: what clients and the documentation rely on.

use std::collections::HashSet;

use super::*;

const DOCS: &str = include_str!("../../docs/errors.md");

#[test]
fn every_code_is_unique_and_well_formed() {
    let mut seen = HashSet::new();
    for code in ErrorCode::ALL {
        let name = code.code();
        assert!(seen.insert(name), "{name} is given twice");
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
            "{name}"
        );
        assert!(
            code.status().is_client_error() || code.status().is_server_error(),
            "{name}"
        );
        assert_eq!(code.status().as_u16(), code.status_number(), "{name}");
        assert!(
            !code.title().is_empty() && !code.title().ends_with('.'),
            "{name}"
        );
    }
}

#[test]
fn every_code_has_its_section_in_the_docs_with_its_status_and_retry() {
    let sections: Vec<&str> = DOCS.split("\n### ").skip(1).collect();
    for code in ErrorCode::ALL {
        let heading = format!("{code}\n");
        let section = sections
            .iter()
            .find(|section| section.starts_with(&heading));
        let section = section.unwrap_or_else(|| panic!("docs/errors.md has no section {code}"));
        let facts = format!(
            "Status {}, retry `{}`.",
            code.status().as_u16(),
            code.retry().name()
        );
        assert!(
            section.contains(&facts),
            "{code}: the section must say: {facts}"
        );
    }
    assert_eq!(
        sections.len(),
        ErrorCode::ALL.len(),
        "a section for a code that is not there"
    );
}

#[test]
fn a_request_that_cannot_succeed_as_it_is_never_asks_for_the_same_ids() {
    for code in ErrorCode::ALL {
        let temporary = [
            ErrorCode::IncompleteBody,
            ErrorCode::HeaderTimeout,
            ErrorCode::BodyTimeout,
        ];
        if code.status().is_client_error() && !temporary.contains(code) {
            assert_ne!(code.retry(), Retry::SameIds, "{code}");
        }
        if code.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(code.retry(), Retry::SameIds, "{code}");
            assert!(code.retry_after().is_some(), "{code}");
        }
    }
}

#[test]
fn the_document_has_the_members_of_the_contract() {
    let problem =
        Problem::new(ErrorCode::InvalidEvents, "1 error \"here\"").with_errors(Vec::new(), 7);
    let document: Value = serde_json::from_slice(&problem.to_json()).expect("JSON");
    assert_eq!(
        document,
        serde_json::json!({
            "type": "/docs/errors.md#invalid_events",
            "title": "The batch has invalid events",
            "status": 422,
            "detail": "1 error \"here\"",
            "code": "invalid_events",
            "retry": "after_fix",
            "errors": [],
            "errors_total": 7,
        })
    );
}
