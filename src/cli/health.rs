//! `oncelog health`: asks a running server, so that a container needs no curl.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use clap::Args;

/// How long the whole of it may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// The most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// The options of `health`.
#[derive(Clone, Debug, Args)]
pub struct HealthOptions {
    /// Ask whether it takes events (/readyz), and not only whether it lives (/healthz)
    #[arg(long)]
    pub ready: bool,

    /// The server
    #[arg(
        long,
        value_name = "URL",
        env = "ONCELOG_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub url: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It says it is well.
    Well,
    /// It says it is not; with its words.
    Unwell(String),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The URL cannot be used.
    #[error("--url {url}: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nobody answers there.
    #[error("{host}: {source}")]
    NoAnswer {
        /// Who was asked.
        host: String,
        /// Why not.
        source: io::Error,
    },
    /// What answers there does not speak HTTP.
    #[error("{host} does not answer in HTTP")]
    NotHttp {
        /// Who was asked.
        host: String,
    },
}

impl HealthError {
    /// Of the process: 2 when nobody could be asked, 1 when nobody answered well.
    pub fn exit_code(&self) -> u8 {
        match self {
            HealthError::Url { .. } => 2,
            HealthError::NoAnswer { .. } | HealthError::NotHttp { .. } => 1,
        }
    }
}

/// Runs the command: one line on stdout when all is well, or on stderr what is not.
/// Gives the exit code: 0 well, 1 not well or no answer, 2 could not ask.
pub fn run(options: &HealthOptions) -> u8 {
    let (code, line) = match ask(options) {
        Ok(Health::Well) => (0, String::from("ok")),
        Ok(Health::Unwell(words)) => (1, words),
        Err(error) => (error.exit_code(), error.to_string()),
    };
    // Whether anybody reads it does not change the answer.
    let _ = match code {
        0 => writeln!(io::stdout(), "{line}"),
        _ => writeln!(io::stderr(), "oncelog health: {line}"),
    };
    code
}

/// Asks the server.
///
/// # Errors
/// [`HealthError`] when there is no answer to judge by.
pub fn ask(options: &HealthOptions) -> Result<Health, HealthError> {
    let (host, prefix) = parse_url(&options.url)?;
    let path = if options.ready { "/readyz" } else { "/healthz" };
    let answer = fetch(&host, &format!("{prefix}{path}"));
    let answer = answer.map_err(|source| HealthError::NoAnswer {
        host: host.clone(),
        source,
    })?;
    let (status, body) = parse_answer(&answer).ok_or(HealthError::NotHttp { host })?;
    Ok(match status {
        200 => Health::Well,
        _ => Health::Unwell(format!("{path} answers {status}: {}", body.trim())),
    })
}

/// `host:port`, and the path to put before, without a slash at its end.
fn parse_url(url: &str) -> Result<(String, &str), HealthError> {
    let bad = |reason| HealthError::Url {
        url: url.to_owned(),
        reason,
    };
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
    let host = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    Ok((host, path.trim_end_matches('/')))
}

fn fetch(host: &str, path: &str) -> io::Result<Vec<u8>> {
    let until = Instant::now() + DEADLINE;
    let mut stream = connect(host, until)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: oncelog-health\r\nconnection: close\r\n\r\n"
    );
    stream.set_write_timeout(Some(left(until)?))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while (answer.len() as u64) < ANSWER_BYTES_MAX {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut chunk)? {
            0 => break,
            read => answer.extend_from_slice(&chunk[..read]),
        }
    }
    Ok(answer)
}

fn connect(host: &str, until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(until)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

fn parse_answer(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let digits = head.strip_prefix("HTTP/1.")?.get(2..5)?;
    Some((digits.parse().ok()?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_people_write_them() {
        let parsed = |url| {
            parse_url(url)
                .map(|(host, path)| (host, path.to_owned()))
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
    fn only_a_whole_head_is_an_answer() {
        assert_eq!(
            parse_answer(b"HTTP/1.1 503 x\r\na: b\r\n\r\nno"),
            Some((503, "no".to_owned()))
        );
        assert_eq!(parse_answer(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(parse_answer(b"SSH-2.0-x\r\n\r\n"), None);
    }

    #[test]
    fn nobody_there_is_unwell_and_a_bad_url_is_a_usage_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let options = |url| HealthOptions { ready: false, url };
        assert_eq!(run(&options(format!("http://{address}"))), 1);
        assert_eq!(run(&options("ftp://x".to_owned())), 2);
    }
}
