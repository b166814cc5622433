//! A client that says what it likes, byte for byte.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::http::{Answer, PATIENCE};

/// One connection.
pub struct RawClient {
    pub stream: TcpStream,
    /// What has come and was not asked for yet.
    come: Vec<u8>,
}

impl RawClient {
    pub fn connect(address: SocketAddr) -> RawClient {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        RawClient {
            stream,
            come: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("sent");
    }

    /// Fails once the server has closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    pub fn ends(&mut self) {
        self.stream
            .shutdown(Shutdown::Write)
            .expect("half a connection");
    }

    /// Sends a GET and gives the answer.
    pub fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        self.answer()
    }

    /// The next answer, which must tell its length; interim ones are passed over.
    pub fn answer(&mut self) -> Answer {
        loop {
            let head_ends = self.come_until(end_of_head);
            let head: Vec<u8> = self.come.drain(..head_ends).collect();
            let (status, headers) = read_head(&head);
            if status == 100 {
                continue;
            }
            let length = headers.get("content-length").expect("a length");
            let length = length.to_str().expect("ASCII").parse().expect("a number");
            self.come_until(|come| (come.len() >= length).then_some(length));
            let body: Vec<u8> = self.come.drain(..length).collect();
            return Answer {
                status,
                headers,
                text: String::from_utf8(body).expect("UTF-8"),
            };
        }
    }

    /// The first line of what comes, interim answers included; it stays to be read.
    pub fn first_line(&mut self) -> String {
        let ends = self.come_until(|come| come.iter().position(|&byte| byte == b'\n'));
        String::from_utf8_lossy(&self.come[..ends]).into_owned()
    }

    /// Whether the server has said something already; does not wait for it.
    pub fn has_answer(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a mode");
        let come = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a mode");
        // An error other than that nothing has come will be met again when it is read.
        !matches!(come, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads until this finds what it wants in what has come.
    fn come_until(&mut self, found: impl Fn(&[u8]) -> Option<usize>) -> usize {
        loop {
            if let Some(at) = found(&self.come) {
                return at;
            }
            let mut chunk = [0; 16 << 10];
            let read = self.stream.read(&mut chunk).expect("bytes of an answer");
            let so_far = String::from_utf8_lossy(&self.come);
            assert_ne!(read, 0, "closed after {so_far:?}");
            self.come.extend_from_slice(&chunk[..read]);
        }
    }

    /// Waits until the server closes, and checks that it says nothing more before.
    pub fn assert_closed(&mut self) {
        let rest = self.rest();
        assert_eq!(String::from_utf8_lossy(&rest), "", "nothing more is said");
    }

    /// All that comes until the server closes.
    pub fn rest(&mut self) -> Vec<u8> {
        self.stream
            .read_to_end(&mut self.come)
            .expect("closed, not reset");
        std::mem::take(&mut self.come)
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(at + 4)
}

fn read_head(head: &[u8]) -> (u16, HeaderMap) {
    let head = std::str::from_utf8(head).expect("UTF-8");
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12));
    let status = status.and_then(|digits| digits.parse().ok());
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a header");
        let name: HeaderName = name.parse().expect("a header's name");
        (
            name,
            HeaderValue::from_str(value).expect("a header's value"),
        )
    });
    (status.expect("a status"), headers.collect())
}
