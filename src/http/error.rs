//! Every way in which a request can fail, as RFC 9457 problem documents.
//!
//! [`ErrorCode`] owns what is fixed for a code: its status, its title and whether to
//! send the same ids again. `docs/errors.md` has one section for each, and `type` in
//! an answer leads there; a test keeps the two together.

use std::fmt;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::event::EventError;

/// The media type of problem documents.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What a publisher should do after an error.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Send the same events with the same ids again, after `Retry-After` if given.
    SameIds,
    /// Not before the request, the store's settings or its disk were put right.
    AfterFix,
    /// It will never succeed.
    Never,
}

impl Retry {
    /// As it stands in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Retry::SameIds => "same_ids",
            Retry::AfterFix => "after_fix",
            Retry::Never => "never",
        }
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal, $retry:ident, $title:literal;)*) => {
        /// A stable name for each way to fail. Part of the HTTP interface: codes are
        /// added, never renamed.
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }

        impl ErrorCode {
            /// All codes, in the order of their statuses.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The name, as in answers.
            pub const fn code(self) -> &'static str {
                match self { $(ErrorCode::$variant => $code,)* }
            }

            const fn status_number(self) -> u16 {
                match self { $(ErrorCode::$variant => $status,)* }
            }

            /// One line for people, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(ErrorCode::$variant => $title,)* }
            }

            /// What the publisher should do.
            pub const fn retry(self) -> Retry {
                match self { $(ErrorCode::$variant => Retry::$retry,)* }
            }

            /// Where the code is explained: a reference relative to this server, which
            /// serves that page.
            pub const fn type_reference(self) -> &'static str {
                match self { $(ErrorCode::$variant => concat!("/docs/errors.md#", $code),)* }
            }
        }
    };
}

error_codes! {
    /// The request line or a header is no HTTP/1.1.
    MalformedRequest = "malformed_request", 400, AfterFix, "The request is not HTTP/1.1";
    /// The body ended early, or its chunks are malformed.
    IncompleteBody = "incomplete_body", 400, SameIds, "The request body did not arrive whole";
    /// There is nothing in the body.
    EmptyBody = "empty_body", 400, AfterFix, "The request body is empty";
    /// The body is not UTF-8.
    InvalidUtf8 = "invalid_utf8", 400, AfterFix, "The request body is not UTF-8";
    /// The body is not one JSON text.
    InvalidJson = "invalid_json", 400, AfterFix, "The request body is not JSON";
    /// A member of an event or of the envelope stands there twice.
    DuplicateMember = "duplicate_member", 400, AfterFix, "A member is given twice";
    /// An unknown or twice given query parameter, or a value that it cannot have.
    InvalidQuery = "invalid_query", 400, AfterFix, "The query is not understood";
    /// No token, or not the right one.
    Unauthorized = "unauthorized", 401, AfterFix, "A valid bearer token is required";
    /// No such path.
    NotFound = "not_found", 404, AfterFix, "There is nothing at this path";
    /// A seq that was never given.
    UnknownSeq = "unknown_seq", 404, AfterFix, "No event has this seq";
    /// The path is there, the method is not.
    MethodNotAllowed = "method_not_allowed", 405, AfterFix, "The method is not allowed here";
    /// The header lines did not arrive in time.
    HeaderTimeout = "header_timeout", 408, SameIds, "The request did not arrive in time";
    /// The body did not arrive in time.
    BodyTimeout = "body_timeout", 408, SameIds, "The request body did not arrive in time";
    /// The event's bytes are gone: a hole that `repair` left.
    Lost = "lost", 410, Never, "The event was lost";
    /// The body has too many bytes.
    BodyTooLarge = "body_too_large", 413, AfterFix, "The request body is too large";
    /// An event has too many bytes.
    EventTooLarge = "event_too_large", 413, AfterFix, "An event is too large";
    /// The batch has too many events.
    TooManyEvents = "too_many_events", 413, AfterFix, "The batch has too many events";
    /// The request line has too many bytes.
    UriTooLong = "uri_too_long", 414, AfterFix, "The request line is too long";
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, AfterFix, "The Content-Type is not supported";
    /// The body is compressed.
    UnsupportedEncoding = "unsupported_encoding", 415, AfterFix, "The Content-Encoding is not supported";
    /// Events break rules; `errors` says which.
    InvalidEvents = "invalid_events", 422, AfterFix, "The batch has invalid events";
    /// There is no event in the batch.
    EmptyBatch = "empty_batch", 422, AfterFix, "The batch has no events";
    /// The store has as many topics as it may have.
    TooManyTopics = "too_many_topics", 422, AfterFix, "The store cannot take another topic";
    /// The header lines have too many bytes.
    HeadersTooLarge = "headers_too_large", 431, AfterFix, "The request headers are too large";
    /// A fault in this program.
    Internal = "internal", 500, SameIds, "The server met an internal fault";
    /// The log cannot be read there.
    LogUnreadable = "log_unreadable", 500, AfterFix, "The log cannot be read";
    /// Too many requests or connections at once.
    Overloaded = "overloaded", 503, SameIds, "The server is busy";
    /// Too much is durable and not yet judged.
    BacklogFull = "backlog_full", 503, SameIds, "The index is too far behind the log";
    /// Nothing of the batch was written.
    NotWritten = "not_written", 503, SameIds, "The batch was not written";
    /// Whether the batch was kept is not known.
    OutcomeUnknown = "outcome_unknown", 503, SameIds, "It is not known whether the batch was kept";
    /// The store is not open yet.
    Opening = "opening", 503, SameIds, "The server is starting";
    /// The server is stopping.
    Draining = "draining", 503, SameIds, "The server is stopping";
    /// The index cannot answer at the moment.
    IndexUnavailable = "index_unavailable", 503, SameIds, "The index cannot answer at the moment";
    /// A publish would not be taken.
    NotReady = "not_ready", 503, SameIds, "The store does not take events at the moment";
    /// The disk has no room for the batch.
    DiskFull = "disk_full", 507, SameIds, "The disk is full";
}

impl ErrorCode {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status_number()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// After how long a retry makes sense, where the server can tell.
    const fn retry_after(self) -> Option<Duration> {
        match self {
            ErrorCode::DiskFull => Some(Duration::from_secs(5)),
            _ if self.status_number() == 503 => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One occurrence of an error, on its way to the client.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: ErrorCode,
    detail: String,
    /// The first errors of single events, and how many there are.
    errors: Option<(Vec<EventError>, usize)>,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem that this sentence describes.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Problem {
        Problem(Box::new(Parts {
            code,
            detail: detail.into(),
            errors: None,
            members: Map::new(),
            headers: Vec::new(),
        }))
    }

    /// With errors of single events: the first ones, and how many there are.
    pub fn with_errors(mut self, listed: Vec<EventError>, total: usize) -> Problem {
        self.0.errors = Some((listed, total));
        self
    }

    /// With further members of the document.
    pub fn with_members(mut self, members: Map<String, Value>) -> Problem {
        self.0.members = members;
        self
    }

    /// With a header.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.0.headers.push((name, value));
        self
    }

    /// Which error it is.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The document.
    pub fn to_json(&self) -> Vec<u8> {
        // Only a map with keys that are no strings could fail; there is none.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)
    }
}

impl serde::Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Parts {
            code,
            detail,
            errors,
            members,
            ..
        } = &*self.0;
        let mut document = serializer.serialize_map(None)?;
        document.serialize_entry("type", code.type_reference())?;
        document.serialize_entry("title", code.title())?;
        document.serialize_entry("status", &code.status_number())?;
        document.serialize_entry("detail", detail)?;
        document.serialize_entry("code", code.code())?;
        document.serialize_entry("retry", code.retry().name())?;
        for (name, value) in members {
            document.serialize_entry(name, value)?;
        }
        if let Some((listed, total)) = errors {
            document.serialize_entry("errors", listed)?;
            document.serialize_entry("errors_total", total)?;
        }
        document.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.to_json();
        let mut response = Response::new(body.into());
        *response.status_mut() = self.0.code.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(after) = self.0.code.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        headers.extend(self.0.headers);
        response
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
