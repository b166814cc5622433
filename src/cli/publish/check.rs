//! What can be said of an event before it is sent: whether it is one JSON object, so that it
//! can stand in an array with others. The rules for events are the server's.

use serde::Deserialize;

use crate::event::json::lexer::{Lexer, ValueKind};

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// As the server would name it.
    pub(super) code: &'static str,
    pub(super) detail: String,
}

/// Checks that a text is one JSON object.
pub(super) fn check(text: &[u8]) -> Result<(), Fault> {
    let text = std::str::from_utf8(text).map_err(|error| Fault {
        code: "invalid_utf8",
        detail: format!("not UTF-8 at byte {}", error.valid_up_to()),
    })?;
    let mut lexer = Lexer::new(text);
    let value = lexer
        .value()
        .and_then(|value| lexer.end().map(|()| value))
        .map_err(|error| Fault {
            code: "invalid_json",
            detail: format!("not JSON: {error}"),
        })?;
    match value.kind {
        ValueKind::Object => Ok(()),
        _ => Err(Fault {
            code: "wrong_type",
            detail: "an event must be an object".into(),
        }),
    }
}

/// The id in a text that may be no event, if it has one.
pub(super) fn event_id_in(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        event_id: String,
    }
    // A struct would be read from an array, too.
    if !text.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let named: Named = serde_json::from_slice(text).ok()?;
    Some(named.event_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_whole_object_may_stand_among_others() {
        assert_eq!(check(br#" {"topic":"t"} "#), Ok(()));
        for (text, code) in [
            (&b"{\"a\":1},{\"b\":2}"[..], "invalid_json"),
            (b"{\"a\":1", "invalid_json"),
            (b"{\"a\":NaN}", "invalid_json"),
            (b"", "invalid_json"),
            (b"hello", "invalid_json"),
            (b"[{}]", "wrong_type"),
            (b"7", "wrong_type"),
            (b"{\"a\":\"\xff\"}", "invalid_utf8"),
        ] {
            let fault = check(text).expect_err("no object");
            assert_eq!(fault.code, code, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn the_id_of_a_refused_event_is_found_if_there_is_one() {
        let id = |text: &str| event_id_in(text.as_bytes());
        assert_eq!(
            id(r#"{"event_id":"a\u002d1","x":[]}"#).as_deref(),
            Some("a-1")
        );
        assert_eq!(id(" \n{\"event_id\":\"b\"}").as_deref(), Some("b"));
        assert_eq!(id(r#"{"event_id":7}"#), None);
        assert_eq!(id(r#"["hello"]"#), None);
        assert_eq!(id(r#"{"event_id":"a","#), None);
    }
}
