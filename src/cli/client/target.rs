//! Which server is meant: a URL as people write it.

/// A server, and the path that stands before its own paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Target {
    /// `host:port`, always with the port.
    pub(in crate::cli) authority: String,
    /// Without a slash at its end; mostly empty.
    pub(in crate::cli) prefix: String,
}

/// A URL that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--url {url}: {reason}")]
pub struct UrlError {
    /// What was given.
    url: String,
    /// What is wrong with it.
    reason: &'static str,
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`UrlError`]: it is not `http://`, or has what no server here is asked with.
    pub(in crate::cli) fn parse(url: &str) -> Result<Target, UrlError> {
        let bad = |reason| UrlError {
            url: url.to_owned(),
            reason,
        };
        if url.starts_with("https://") {
            return Err(bad(
                "https is not spoken here; only http:// can be asked: let a proxy on this machine speak TLS",
            ));
        }
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| bad("only http:// can be asked"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.is_empty()
            || authority.contains(|char: char| char == '@' || !char.is_ascii_graphic())
        {
            return Err(bad("a host and a port are needed"));
        }
        if path.contains(|char: char| matches!(char, '?' | '#') || !char.is_ascii_graphic()) {
            return Err(bad("the path must be a plain one"));
        }
        // The colon of a port stands behind the bracket of an IPv6 address.
        let has_port = authority.rfind(':') > authority.rfind(']');
        let authority = if has_port {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        Ok(Target {
            authority,
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }

    /// One of the server's own paths, with the prefix before it, unless it is there already.
    pub(in crate::cli) fn path(&self, own: &str) -> String {
        match own.strip_prefix(&self.prefix) {
            Some(rest) if !self.prefix.is_empty() && rest.starts_with('/') => own.to_owned(),
            _ => format!("{}{own}", self.prefix),
        }
    }

    /// As it is shown.
    pub(in crate::cli) fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_people_write_them() {
        let parsed = |url| {
            Target::parse(url)
                .map(|target| (target.authority, target.prefix))
                .ok()
        };
        let is = |host: &str, path: &str| Some((host.to_owned(), path.to_owned()));
        assert_eq!(parsed("http://127.0.0.1:8080"), is("127.0.0.1:8080", ""));
        assert_eq!(parsed("http://oncelog/"), is("oncelog:80", ""));
        assert_eq!(parsed("http://[::1]:8080/a/b/"), is("[::1]:8080", "/a/b"));
        assert_eq!(parsed("http://[::1]"), is("[::1]:80", ""));
        for url in [
            "https://a:1",
            "127.0.0.1:8080",
            "http://",
            "http://a@b",
            "http://a/\r\nx",
            "http://a/?x",
        ] {
            assert_eq!(parsed(url), None, "{url}");
        }
    }

    #[test]
    fn a_prefix_is_put_before_a_path_once() {
        let target = Target::parse("http://a/log").expect("a URL");
        assert_eq!(target.path("/publish"), "/log/publish");
        assert_eq!(target.path("/log/receipts?from=1"), "/log/receipts?from=1");
        assert_eq!(target.path("/logs"), "/log/logs");
        let bare = Target::parse("http://a").expect("a URL");
        assert_eq!(bare.path("/publish"), "/publish");
    }

    #[test]
    fn https_is_refused_in_words_that_help() {
        let error = Target::parse("https://a").expect_err("no https");
        assert!(error.to_string().contains("https is not spoken"), "{error}");
    }
}
