//! A server with routes made for a test, and a client that can misbehave.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::options::HttpOptions;
use super::server::{Served, serve_routes};
use super::service::Front;
use crate::log::LogId;

pub(super) const SHORT: Duration = Duration::from_millis(200);
pub(super) const LONG: Duration = Duration::from_secs(20);
pub(super) const LOG_ID: LogId = LogId([0x5a; 16]);

pub(super) fn patient() -> HttpOptions {
    HttpOptions {
        header_timeout: LONG,
        body_timeout: LONG,
        idle_timeout: LONG,
        write_timeout: LONG,
        ..HttpOptions::default()
    }
}

/// See the module.
pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: mpsc::Receiver<Served>,
}

impl TestServer {
    pub(super) fn start(routes: Router, options: HttpOptions) -> TestServer {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = oneshot::channel();
        let (tell, ended) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            let runtime = runtime.expect("a runtime");
            let served = runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                let shutdown = async { stopped.await.unwrap_or(()) };
                let front = Front::new(routes, Some(LOG_ID), options, Arc::default());
                serve_routes(vec![listener], front, shutdown).await
            });
            let _ = tell.send(served);
        });
        TestServer {
            address,
            stop,
            ended,
        }
    }

    pub(super) fn connect(&self) -> Client {
        let stream = StdStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(LONG)).expect("a timeout");
        Client {
            stream,
            read: Vec::new(),
        }
    }

    pub(super) fn stop(self) -> Served {
        let _ = self.stop.send(());
        self.ended.recv_timeout(LONG).expect("the server ends")
    }
}

/// A client that sends and reads bytes.
pub(super) struct Client {
    pub(super) stream: StdStream,
    read: Vec<u8>,
}

impl Client {
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("sent");
    }

    pub(super) fn get(&mut self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        self.answer()
    }

    /// One answer that has a Content-Length.
    pub(super) fn answer(&mut self) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .expect("a length");
                let end = head.len() + 4 + length.parse::<usize>().expect("a number");
                if self.read.len() >= end {
                    return String::from_utf8(self.read.drain(..end).collect()).expect("UTF-8");
                }
            }
            let mut chunk = [0; 4096];
            let read = self.stream.read(&mut chunk).expect("bytes of an answer");
            assert_ne!(read, 0, "closed after {text:?}");
            self.read.extend_from_slice(&chunk[..read]);
        }
    }

    /// All that comes until the server closes.
    pub(super) fn rest(&mut self) -> String {
        self.stream
            .read_to_end(&mut self.read)
            .expect("closed, not reset");
        String::from_utf8(std::mem::take(&mut self.read)).expect("UTF-8")
    }
}
