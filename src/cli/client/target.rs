//! Which server is meant: a URL as people write it.

use std::net::SocketAddrV6;

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
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| bad("only http:// can be asked"))?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err(bad(
                "https is not spoken here; only http:// can be asked: let a proxy on this machine speak TLS",
            ));
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(bad("only http:// can be asked"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = authority_with_port(authority).map_err(bad)?;
        if path.contains(|char: char| matches!(char, '?' | '#') || !char.is_ascii_graphic()) {
            return Err(bad("the path must be a plain one"));
        }
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

/// The same with a port, or what is wrong with it: what can never be reached would be waited
/// for without end.
fn authority_with_port(authority: &str) -> Result<String, &'static str> {
    if authority.contains(|char: char| matches!(char, '@' | '?' | '#') || !char.is_ascii_graphic())
    {
        return Err("a host and a port are needed");
    }
    // The colon of a port stands behind the bracket of an IPv6 address.
    let has_port = authority.rfind(':') > authority.rfind(']');
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if has_port => (host, port),
        _ => (authority, "80"),
    };
    if host.is_empty() {
        return Err("a host and a port are needed");
    }
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<u16> = port.parse().ok().filter(|&port| port > 0 && is_number);
    let port = number.ok_or("the port must be a number from 1 to 65535")?;
    let authority = format!("{host}:{port}");
    let is_address = host.contains(['[', ']', ':']);
    if is_address && authority.parse::<SocketAddrV6>().is_err() {
        return Err("an IPv6 address stands in brackets: http://[::1]:8080");
    }
    Ok(authority)
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
        assert_eq!(parsed("HTTP://A:1/Path"), is("A:1", "/Path"));
        assert_eq!(parsed("http://[fe80::1%2]:1"), is("[fe80::1%2]:1", ""));
        for url in [
            "https://a:1",
            "HTTPS://a:1",
            "ftp://a:1",
            "127.0.0.1:8080",
            "http://",
            "http://a@b",
            "http://a/\r\nx",
            "http://a/?x",
            "http://a?x",
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
        for url in ["https://a", "HTTPS://a"] {
            let error = Target::parse(url).expect_err("no https");
            assert!(error.to_string().contains("https is not spoken"), "{error}");
        }
    }

    #[test]
    fn what_can_never_be_reached_is_no_url() {
        let why = |url| Target::parse(url).expect_err(url).reason;
        for url in [
            "http://127.0.0.1:99999",
            "http://127.0.0.1:65536",
            "http://127.0.0.1:0",
            "http://127.0.0.1:",
            "http://127.0.0.1:/log",
            "http://a:+80",
            "http://a:http",
            "http://[::1]:",
        ] {
            assert!(why(url).contains("1 to 65535"), "{url}: {}", why(url));
        }
        for url in [
            "http://[::1",
            "http://[::1:8080",
            "http://::1]:8080",
            "http://::1:8080",
            "http://[::1]8080",
            "http://[]:8080",
            "http://[a]:8080",
            "http://a]:8080",
        ] {
            let why = why(url);
            let is_told = why.contains("in brackets") || why.contains("1 to 65535");
            assert!(is_told, "{url}: {why}");
        }
        assert!(why("http://:8080").contains("a host"));
    }
}
