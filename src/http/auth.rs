//! Who may come in: a bearer token, if the server was given one.

use std::fmt;

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue};

use super::error::{ErrorCode, Problem};

/// Paths that monitors ask without a token.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// The token that clients must show. Only its hash is kept, so that it cannot be
/// logged, and two hashes are compared in constant time.
#[derive(Clone)]
pub struct Token(blake3::Hash);

impl Token {
    /// The token in this text, white space around it apart; `None` if it is empty, or
    /// has characters that no `Authorization` header can carry.
    pub fn new(text: &str) -> Option<Token> {
        let token = text.trim();
        let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Token(blake3::hash(token.as_bytes())))
    }

    fn is(&self, shown: &[u8]) -> bool {
        self.0 == blake3::hash(shown)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Lets a request in, or says why not.
pub(super) fn authorise(
    token: Option<&Token>,
    path: &str,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let Some(token) = token else { return Ok(()) };
    if OPEN_PATHS.contains(&path) {
        return Ok(());
    }
    match headers.get(AUTHORIZATION).and_then(shown_token) {
        Some(shown) if token.is(shown) => Ok(()),
        Some(_) => Err(refusal(
            "the token is not the right one",
            "Bearer realm=\"oncelog\", error=\"invalid_token\"",
        )),
        None => Err(refusal(
            "send `Authorization: Bearer <token>`",
            "Bearer realm=\"oncelog\"",
        )),
    }
}

fn shown_token(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

fn refusal(detail: &str, challenge: &'static str) -> Problem {
    Problem::new(ErrorCode::Unauthorized, detail)
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            HeaderValue::from_str(value).expect("a header value"),
        );
        headers
    }

    #[test]
    fn only_the_token_opens_and_health_needs_none() {
        let token = Token::new("s3cret\n").expect("a token");
        let enter =
            |path: &str, headers: &HeaderMap| authorise(Some(&token), path, headers).is_ok();
        assert!(enter("/stats", &with("Bearer s3cret")));
        assert!(enter("/stats", &with("bearer  s3cret ")));
        assert!(enter("/readyz", &HeaderMap::new()));
        for wrong in [
            "Bearer s3cre",
            "Bearer s3crets",
            "Bearer ",
            "Bearer",
            "Basic s3cret",
            "s3cret",
        ] {
            assert!(!enter("/stats", &with(wrong)), "{wrong}");
        }
        assert!(!enter("/stats", &HeaderMap::new()));
        assert!(authorise(None, "/stats", &HeaderMap::new()).is_ok());
    }

    #[test]
    fn an_empty_token_file_is_no_open_door() {
        assert!(Token::new(" \n").is_none());
        assert!(Token::new("two words").is_none());
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = Token::new("s3cret").expect("a token");
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
