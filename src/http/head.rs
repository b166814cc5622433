//! What HTTP asks of a request's head beyond what hyper checks. A proxy and this server that
//! read the same bytes differently would let one client's body become another's request.

use axum::http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, Version};

use super::error::{ErrorCode, Problem};

/// Refuses a head that is ambiguous. The connection is closed: where the request ends is only
/// what we think.
pub(super) fn check_head(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    if hosts.next().is_none() && version == Version::HTTP_11 {
        return Err(malformed("the request has no Host header"));
    }
    if hosts.next().is_some() {
        return Err(malformed("the request has more than one Host header"));
    }
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |encoding: &HeaderValue| {
        encoding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked")
    };
    if !encodings.next().is_none_or(is_chunked) || encodings.next().is_some() {
        let detail = "the only Transfer-Encoding that is taken is `chunked`, once";
        return Err(malformed(detail));
    }
    Ok(())
}

fn malformed(detail: &str) -> Problem {
    Problem::new(ErrorCode::MalformedRequest, detail)
        .with_header(CONNECTION, HeaderValue::from_static("close"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn is_taken(version: Version, lines: &[(HeaderName, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        check_head(version, &headers).is_ok()
    }

    #[test]
    fn one_host_is_needed_and_two_are_one_too_many() {
        let host = |value| (HOST, value);
        assert!(is_taken(Version::HTTP_11, &[host("a")]));
        assert!(is_taken(Version::HTTP_10, &[]));
        assert!(!is_taken(Version::HTTP_11, &[]));
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert!(!is_taken(version, &[host("a"), host("a")]));
        }
    }

    #[test]
    fn a_body_that_is_encoded_twice_is_not_taken() {
        let encoded = |values: &[&'static str]| {
            let mut lines = vec![(HOST, "a")];
            lines.extend(values.iter().map(|&value| (TRANSFER_ENCODING, value)));
            is_taken(Version::HTTP_11, &lines)
        };
        assert!(encoded(&["chunked"]) && encoded(&["Chunked "]));
        for values in [
            &["gzip, chunked"][..],
            &["gzip", "chunked"],
            &["chunked", "chunked"],
            &["chunked, chunked"],
            &[""],
        ] {
            assert!(!encoded(values), "{values:?}");
        }
    }
}
