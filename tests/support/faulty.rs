//! A server that stands before a real one and misbehaves as it is told, a request at a time.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::process::PATIENCE;

/// What it does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Passes it on, and the answer back.
    Pass,
    /// The same, and asks for an answer before the verdicts are known.
    PassDurable,
    /// Passes it on to another server from now on.
    PassTo(SocketAddr),
    /// Passes it on, and closes instead of answering.
    Swallow,
    /// Passes it on, and gives back so many bytes of the answer.
    Cut(usize),
    /// Closes, and passes nothing on.
    Close,
    /// Answers these bytes, and passes nothing on.
    Say(String),
    /// Never answers, and passes nothing on.
    Stall,
    /// Passes it on once that is allowed.
    Hold,
}

impl Act {
    /// An error with this status and code, which says to send the same again.
    pub fn again(status: u16, code: &str) -> Act {
        let body = format!(
            r#"{{"type":"x","title":"x","status":{status},"detail":"d","code":"{code}","retry":"same_ids"}}"#
        );
        Act::answer(status, "", &body)
    }

    /// An answer with further header lines.
    pub fn answer(status: u16, headers: &str, body: &str) -> Act {
        let length = body.len();
        Act::Say(format!(
            "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ))
    }
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `POST /publish`.
    pub line: String,
    pub body: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    acts: Mutex<VecDeque<Act>>,
    requests: Mutex<Vec<Request>>,
    upstream: Mutex<SocketAddr>,
    /// Whether what is held may be passed on.
    is_released: Mutex<bool>,
    /// A request came, or what is held was released.
    changed: Condvar,
}

/// The server; it serves until the process ends.
pub struct Faulty {
    pub url: String,
    shared: Arc<Shared>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faulty {
    /// Does these, one for each request, and then passes on.
    pub fn start(upstream: SocketAddr, acts: impl IntoIterator<Item = Act>) -> Faulty {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            acts: Mutex::new(acts.into_iter().collect()),
            requests: Mutex::default(),
            upstream: Mutex::new(upstream),
            is_released: Mutex::default(),
            changed: Condvar::new(),
        });
        let serves = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serves);
                // Whoever asks may be gone, which is what some tests are about.
                std::thread::spawn(move || _ = shared.serve(stream));
            }
        });
        Faulty {
            url: format!("http://{address}"),
            shared,
        }
    }

    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Waits until so many requests have come.
    pub fn wait_for_requests(&self, count: usize) {
        let until = Instant::now() + PATIENCE;
        let mut requests = lock(&self.shared.requests);
        while requests.len() < count {
            assert!(Instant::now() < until, "they do not come");
            let wait = self.shared.changed.wait_timeout(requests, PATIENCE);
            requests = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Passes on what is held.
    pub fn release(&self) {
        *lock(&self.shared.is_released) = true;
        self.shared.changed.notify_all();
    }

    /// Those that publish.
    pub fn published(&self) -> Vec<Vec<u8>> {
        let requests = self.requests().into_iter();
        let publishes = requests.filter(|request| request.line.starts_with("POST /publish"));
        publishes.map(|request| request.body).collect()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        while let Some(request) = read_request(&mut stream)? {
            lock(&self.requests).push(request.clone());
            self.changed.notify_all();
            let act = lock(&self.acts).pop_front().unwrap_or(Act::Pass);
            match act {
                Act::Pass => stream.write_all(&self.pass(&request, "")?)?,
                Act::PassDurable => stream.write_all(&self.pass(&request, "wait=durable")?)?,
                Act::PassTo(other) => {
                    *lock(&self.upstream) = other;
                    stream.write_all(&self.pass(&request, "")?)?;
                }
                Act::Swallow => {
                    self.pass(&request, "")?;
                    return Ok(());
                }
                Act::Cut(bytes) => {
                    let answer = self.pass(&request, "")?;
                    return stream.write_all(&answer[..bytes.min(answer.len())]);
                }
                Act::Close => return Ok(()),
                Act::Say(answer) => return stream.write_all(answer.as_bytes()),
                Act::Hold => {
                    self.wait_for_release();
                    stream.write_all(&self.pass(&request, "")?)?;
                }
                Act::Stall => {
                    // Until whoever asks has enough of it.
                    stream.read_to_end(&mut Vec::new())?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn wait_for_release(&self) {
        let released = lock(&self.is_released);
        let wait = self
            .changed
            .wait_timeout_while(released, PATIENCE, |released| !*released);
        drop(wait);
    }

    /// Passes a request on, on a connection of its own, and gives the answer.
    fn pass(&self, request: &Request, more_query: &str) -> std::io::Result<Vec<u8>> {
        let mut upstream = TcpStream::connect(*lock(&self.upstream))?;
        upstream.set_read_timeout(Some(PATIENCE))?;
        let length = request.body.len();
        let line = &request.line;
        let before = match (more_query, line.contains('?')) {
            ("", _) => "",
            (_, true) => "&",
            (_, false) => "?",
        };
        write!(
            upstream,
            "{line}{before}{more_query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )?;
        upstream.write_all(&request.body)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// A whole request; `None` at the end of the connection.
fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    let line = head.lines().next().unwrap_or_default();
    let line = line.strip_suffix(" http/1.1").unwrap_or(line);
    Ok(Some(Request {
        line: line
            .replacen("post ", "POST ", 1)
            .replacen("get ", "GET ", 1),
        body,
    }))
}
