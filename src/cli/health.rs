//! `oncelog health`: asks a running server, so that a container needs no curl.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;

use super::client::{Client, ClientOptions, NoAnswer, Target, UrlError, block_on};
use crate::config::ServerUrl;

/// For the help.
pub const EXAMPLE: &str = "\
Example:
  oncelog health --ready --url http://127.0.0.1:8080 || echo 'takes no events now'";

/// How long the whole of it may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// The most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The options of `health`.
#[derive(Clone, Debug, Args)]
pub struct HealthOptions {
    /// Ask whether it takes events (/readyz), and not only whether it lives (/healthz)
    #[arg(long)]
    pub ready: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub server: ServerUrl,
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
    #[error(transparent)]
    Url(#[from] UrlError),
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
            HealthError::Url(_) => 2,
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
    let target = Target::parse(&options.server.url)?;
    let host = target.authority.clone();
    let client = ClientOptions {
        user_agent: "oncelog-health",
        token: None,
        connect_timeout: DEADLINE,
        answer_timeout: DEADLINE,
    };
    let path = if options.ready { "/readyz" } else { "/healthz" };
    let asked = block_on(async {
        let mut client = Client::new(target, client);
        client.get(path, ANSWER_BYTES_MAX).await
    });
    let no_answer = |source| HealthError::NoAnswer {
        host: host.clone(),
        source,
    };
    let answer = asked.map_err(no_answer)?.map_err(|error| match error {
        NoAnswer::Io(error) => no_answer(error),
        NoAnswer::Late(_) => no_answer(io::ErrorKind::TimedOut.into()),
        NoAnswer::NotHttp | NoAnswer::Cut | NoAnswer::TooLarge(_) => {
            HealthError::NotHttp { host: host.clone() }
        }
    })?;
    Ok(match answer.status.as_u16() {
        200 => Health::Well,
        status => {
            let body = String::from_utf8_lossy(&answer.body);
            Health::Unwell(format!("{path} answers {status}: {}", body.trim()))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    fn options(url: String) -> HealthOptions {
        HealthOptions {
            ready: false,
            server: ServerUrl { url },
        }
    }

    /// What is found when a server answers these bytes and closes.
    fn found(answer: &'static [u8]) -> Result<Health, HealthError> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            assert_ne!(stream.read(&mut [0; 1024]).expect("a request"), 0);
            stream.write_all(answer).expect("an answer");
        });
        let found = ask(&options(format!("http://{address}")));
        server.join().expect("it answered");
        found
    }

    #[test]
    fn only_a_whole_head_is_an_answer() {
        assert_eq!(
            found(b"HTTP/1.1 503 x\r\na: b\r\n\r\nno").expect("an answer"),
            Health::Unwell("/healthz answers 503: no".to_owned())
        );
        for other in [&b"HTTP/1.1 200 OK\r\n"[..], b"SSH-2.0-x\r\n\r\n"] {
            assert!(matches!(found(other), Err(HealthError::NotHttp { .. })));
        }
    }

    #[test]
    fn nobody_there_is_unwell_and_a_bad_url_is_a_usage_error() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        assert_eq!(run(&options(format!("http://{address}"))), 1);
        assert_eq!(run(&options("ftp://x".to_owned())), 2);
    }
}
