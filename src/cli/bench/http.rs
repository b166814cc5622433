//! A plain HTTP/1.1 connection: the request is made once and its digits are changed in place,
//! and it goes to the socket as one piece.

use std::io;

use hyper::header::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::shape::{Sent, Shape};
use super::target::{Connection, Outcome, Target};

const ANSWER_BYTES_MAX: usize = 64 << 20;
const READ_BYTES: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// What an answer says of these events: its status and its body.
pub type ReadAnswer = fn(u16, &[u8], &[Sent]) -> Outcome;

/// A server that takes arrays of events by POST.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    authority: String,
    /// The request's head up to the length.
    head: Vec<u8>,
    read_answer: ReadAnswer,
}

impl HttpTarget {
    /// The server at `host:port`, and the path where it takes events.
    pub fn new(
        authority: &str,
        path: &str,
        authorization: Option<&HeaderValue>,
        read_answer: ReadAnswer,
    ) -> HttpTarget {
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n"
        )
        .into_bytes();
        if let Some(value) = authorization {
            head.extend_from_slice(b"authorization: ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"content-length: ");
        HttpTarget {
            authority: authority.to_owned(),
            head,
            read_answer,
        }
    }
}

impl Target for HttpTarget {
    type Connection = HttpConnection;

    async fn connect(&self) -> io::Result<HttpConnection> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        Ok(HttpConnection {
            stream,
            target: self.clone(),
            request: Vec::new(),
            body_at: 0,
            events: 0,
            come: Vec::new(),
            is_open: true,
        })
    }
}

/// One connection to it.
#[derive(Debug)]
pub struct HttpConnection {
    stream: TcpStream,
    target: HttpTarget,
    /// For so many events.
    request: Vec<u8>,
    body_at: usize,
    events: usize,
    come: Vec<u8>,
    is_open: bool,
}

impl Connection for HttpConnection {
    async fn send(&mut self, shape: &Shape, events: &[Sent]) -> io::Result<Outcome> {
        self.make_request(shape, events);
        let written = self.stream.write_all(&self.request).await;
        self.is_open = written.is_ok();
        // A server may answer and close before it has read the whole request.
        let answer = match (self.read().await, written) {
            (Ok(answer), _) => answer,
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
        };
        let body = &self.come[answer.head_bytes..answer.bytes];
        let mut outcome = (self.target.read_answer)(answer.status, body, events);
        outcome.request_bytes = self.request.len();
        self.come.drain(..answer.bytes);
        self.is_open &= !answer.closes && self.come.is_empty();
        Ok(outcome)
    }

    fn is_open(&self) -> bool {
        self.is_open
    }
}

/// Where an answer lies in what has come.
struct Answer {
    status: u16,
    head_bytes: usize,
    bytes: usize,
    closes: bool,
}

impl HttpConnection {
    fn make_request(&mut self, shape: &Shape, events: &[Sent]) {
        if self.events != events.len() {
            let body = shape.array(events.len());
            self.request.clear();
            self.request.extend_from_slice(&self.target.head);
            let length = format!("{}\r\n\r\n", body.len());
            self.request.extend_from_slice(length.as_bytes());
            self.body_at = self.request.len();
            self.request.extend_from_slice(&body);
            self.events = events.len();
        }
        shape.fill(&mut self.request[self.body_at..], events);
    }

    async fn read(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(answer) = find_answer(&self.come)? {
                self.read_until(answer.bytes).await?;
                match answer.status {
                    100..200 => drop(self.come.drain(..answer.bytes)),
                    _ => return Ok(answer),
                }
            } else {
                self.read_until(self.come.len() + 1).await?;
            }
        }
    }

    async fn read_until(&mut self, bytes: usize) -> io::Result<()> {
        if bytes > ANSWER_BYTES_MAX {
            return Err(invalid("the answer is too large"));
        }
        while self.come.len() < bytes {
            self.come.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.come).await? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection",
                ));
            }
        }
        Ok(())
    }
}

/// None while its head is not whole.
fn find_answer(come: &[u8]) -> io::Result<Option<Answer>> {
    if come.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(come);
    let parsed = parsed.map_err(|_error| invalid("the answer is not HTTP"))?;
    let (httparse::Status::Complete(head_bytes), Some(status)) = (parsed, response.code) else {
        return Ok(None);
    };
    let value = |name: &str| {
        let mut found = response.headers.iter();
        let found = found.find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = match (status, value("content-length")) {
        (100..200 | 204 | 304, _) => 0,
        (_, Some(length)) => length
            .trim()
            .parse()
            .map_err(|_| invalid("the answer's length is no number"))?,
        (_, None) => return Err(invalid("the answer does not say its length")),
    };
    Ok(Some(Answer {
        status,
        head_bytes,
        bytes: head_bytes.saturating_add(length),
        closes: value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
    }))
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_when_its_head_is_whole() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP";
        for part in 0..38 {
            let found = find_answer(&text[..part]).expect("no error");
            assert!(found.is_none(), "{part}");
        }
        let answer = find_answer(text).expect("no error").expect("an answer");
        assert_eq!(&text[answer.head_bytes..answer.bytes], b"ok");
        assert!(!answer.closes);
    }

    #[test]
    fn what_has_no_length_or_is_not_http_is_an_error() {
        for text in [
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        ] {
            assert!(find_answer(text.as_bytes()).is_err(), "{text}");
        }
        let closes = "HTTP/1.1 204 x\r\nconnection: close\r\n\r\n";
        let answer = find_answer(closes.as_bytes()).expect("no error");
        assert!(answer.expect("an answer").closes);
    }
}
