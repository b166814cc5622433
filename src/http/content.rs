//! What the headers say the body is.

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};

use super::error::{ErrorCode, Problem};

/// Takes JSON, and what has no type; refuses the rest in words that help.
pub(super) fn check_content(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && !encoding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    {
        let shown = encoding.to_str().unwrap_or("something else");
        let detail = format!("the body must be sent as it is, not encoded as `{shown}`");
        let problem = Problem::new(ErrorCode::UnsupportedEncoding, detail);
        return Err(problem.with_header(ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    }
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let value = value.to_str().unwrap_or("something else").trim();
    if value.is_empty() {
        return Ok(());
    }
    let (media_type, parameters) = value.split_once(';').unwrap_or((value, ""));
    let detail = match media_type.trim().to_ascii_lowercase().as_str() {
        "application/json" => match other_charset(parameters) {
            None => return Ok(()),
            Some(charset) => format!("JSON is UTF-8; the charset `{charset}` is not taken"),
        },
        "application/x-www-form-urlencoded" => String::from(
            "curl sends this type unless it is told otherwise: add -H 'content-type: application/json'",
        ),
        other => format!("`{other}` is not taken: send application/json"),
    };
    let problem = Problem::new(ErrorCode::UnsupportedMediaType, detail);
    Err(problem.with_header(ACCEPT, HeaderValue::from_static("application/json")))
}

fn other_charset(parameters: &str) -> Option<&str> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        let utf8 = value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8");
        (name.trim().eq_ignore_ascii_case("charset") && !utf8).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal_of(name: axum::http::HeaderName, value: &str) -> Option<ErrorCode> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        check_content(&headers).err().map(|problem| problem.code())
    }

    #[test]
    fn json_is_taken_however_it_is_spelt_and_nothing_else() {
        assert!(check_content(&HeaderMap::new()).is_ok());
        for json in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json ;charset=\"UTF-8\"; v=1",
            "",
        ] {
            assert_eq!(refusal_of(CONTENT_TYPE, json), None, "{json}");
        }
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "json",
        ] {
            assert_eq!(
                refusal_of(CONTENT_TYPE, other),
                Some(ErrorCode::UnsupportedMediaType),
                "{other}"
            );
        }
    }

    #[test]
    fn compressed_bodies_are_refused_and_not_read_as_json() {
        assert_eq!(refusal_of(CONTENT_ENCODING, "identity"), None);
        for encoding in ["gzip", "identity, gzip", "br"] {
            assert_eq!(
                refusal_of(CONTENT_ENCODING, encoding),
                Some(ErrorCode::UnsupportedEncoding),
                "{encoding}"
            );
        }
    }
}
