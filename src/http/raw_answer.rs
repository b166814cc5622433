//! Answers as bytes, for what goes wrong before there is a request: hyper answers a
//! malformed head by itself, with a bare status, which is replaced by the same problem
//! document that every other error gets.

use std::sync::Arc;

use axum::http::StatusCode;

use super::error::{ErrorCode, Problem};
use super::traffic::Traffic;
use crate::log::LogId;

/// Makes whole HTTP/1.1 answers that end their connection.
#[derive(Clone, Debug)]
pub(super) struct RawAnswers {
    /// None while the log is being opened.
    pub(super) log_id: Option<LogId>,
    /// The most bytes of a request's head, for the detail.
    pub(super) header_bytes: usize,
    /// Where they are counted.
    pub(super) traffic: Arc<Traffic>,
}

impl RawAnswers {
    /// What stands in for an answer that hyper made by itself; `None` if these bytes
    /// are none. `line_bytes` is how long the request line is.
    pub(super) fn instead_of(&self, made_by_hyper: &[u8], line_bytes: usize) -> Option<Vec<u8>> {
        let digits = made_by_hyper.strip_prefix(b"HTTP/1.")?.get(2..5)?;
        let status = StatusCode::from_bytes(digits)
            .ok()
            .filter(StatusCode::is_client_error)?;
        let limit = self.header_bytes;
        let problem = match status {
            StatusCode::URI_TOO_LONG => uri_too_long(limit),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if line_bytes >= limit => {
                uri_too_long(limit)
            }
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Problem::new(
                ErrorCode::HeadersTooLarge,
                format!("the request line and headers may have {limit} bytes and 100 headers"),
            ),
            _ => Problem::new(
                ErrorCode::MalformedRequest,
                "the request line or a header is malformed",
            ),
        };
        Some(self.bytes(&problem))
    }

    /// The headers did not come in time.
    pub(super) fn header_timeout(&self) -> Vec<u8> {
        self.bytes(&Problem::new(
            ErrorCode::HeaderTimeout,
            "the request's headers did not arrive in time",
        ))
    }

    /// There are too many connections.
    pub(super) fn too_many_connections(&self, limit: usize) -> Vec<u8> {
        let detail =
            format!("the server has {limit} connections, as many as it may; nothing was read");
        self.bytes(&Problem::new(ErrorCode::Overloaded, detail))
    }

    fn bytes(&self, problem: &Problem) -> Vec<u8> {
        let status = problem.code().status();
        self.traffic.answered(status.as_u16());
        let retry = if status == StatusCode::SERVICE_UNAVAILABLE {
            "retry-after: 1\r\n"
        } else {
            ""
        };
        let log_id = match self.log_id {
            Some(log_id) => format!("oncelog-log-id: {log_id}\r\n"),
            None => String::new(),
        };
        let body = problem.to_json();
        let mut answer = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
             {retry}{log_id}connection: close\r\n\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or("Error"),
            body.len(),
        )
        .into_bytes();
        answer.extend_from_slice(&body);
        answer
    }
}

fn uri_too_long(limit: usize) -> Problem {
    Problem::new(
        ErrorCode::UriTooLong,
        format!("the request line does not fit into {limit} bytes"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_that_hyper_makes_to_a_broken_head_are_replaced() {
        let answers = RawAnswers {
            log_id: Some(LogId([7; 16])),
            header_bytes: 16384,
            traffic: Arc::default(),
        };
        let replaced = |bytes: &[u8], line_bytes| {
            answers
                .instead_of(bytes, line_bytes)
                .map(|answer| answer[..12].to_vec())
        };
        assert_eq!(
            replaced(b"HTTP/1.1 400 Bad Request\r\n", 80),
            Some(b"HTTP/1.1 400".to_vec())
        );
        assert_eq!(
            replaced(b"HTTP/1.0 431 x\r\n", 80),
            Some(b"HTTP/1.1 431".to_vec())
        );
        assert_eq!(
            replaced(b"HTTP/1.1 431 x\r\n", 16384),
            Some(b"HTTP/1.1 414".to_vec())
        );
        assert_eq!(replaced(b"HTTP/1.1 200 OK\r\n", 80), None);
        assert_eq!(replaced(b"0\r\n\r\n", 80), None);
        let counted = answers.traffic.answers();
        assert_eq!(
            counted.into_iter().collect::<Vec<_>>(),
            [(400, 1), (414, 1), (431, 1)]
        );
    }
}
