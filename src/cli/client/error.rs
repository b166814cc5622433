//! Why a request has no answer.

use std::error::Error as _;
use std::io;
use std::time::Duration;

/// Why there is no answer. Whether the server got the request is not known.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum NoAnswer {
    /// The name has no address, nobody listens there, or the connection broke.
    #[error("{0}")]
    Io(io::Error),
    /// It did not come in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Late(Duration),
    /// What came is not HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// The connection ended before the answer did.
    #[error("the answer broke off")]
    Cut,
    /// The answer is larger than an answer to this request can be.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

impl NoAnswer {
    pub(super) fn of_hyper(error: &hyper::Error) -> NoAnswer {
        if error.is_parse() {
            return NoAnswer::NotHttp;
        }
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                // The system's error of that number, because an `io::Error` has no clone.
                return match io.raw_os_error() {
                    Some(number) => NoAnswer::Io(io::Error::from_raw_os_error(number)),
                    None if io.kind() == io::ErrorKind::UnexpectedEof => NoAnswer::Cut,
                    None => NoAnswer::Io(io::Error::new(io.kind(), io.to_string())),
                };
            }
            cause = inner.source();
        }
        NoAnswer::Cut
    }

    /// In few words, the same for every occurrence: `connection refused`.
    pub(in crate::cli) fn in_short(&self) -> String {
        match self {
            NoAnswer::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "connection refused".into(),
                io::ErrorKind::ConnectionReset => "connection reset".into(),
                io::ErrorKind::BrokenPipe => "connection closed".into(),
                io::ErrorKind::TimedOut => "no connection in time".into(),
                _ => error.to_string(),
            },
            other => other.to_string(),
        }
    }
}
