//! A server in this process, on a port of its own, with a store of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oncelog::http::{ErrorCode, HttpOptions, serve};
use oncelog::store::{Store, StoreOptions};
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Longer than anything takes that works.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A store for one test, in a directory that goes with it.
fn open_store() -> (Arc<Store>, TempDir) {
    let directory = TempDir::new().expect("a directory");
    let store = Store::open(StoreOptions {
        data_dir: directory.path().join("data"),
        segment_bytes: 1024 * 1024,
        ..StoreOptions::default()
    });
    (Arc::new(store.expect("a new store")), directory)
}

/// A running server; it stops when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub client: Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start() -> Server {
        Server::with(HttpOptions::default())
    }

    pub fn with(options: HttpOptions) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = oneshot::channel::<()>();
        let (store, directory) = open_store();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let shutdown = async { stopped.await.unwrap_or(()) };
                serve(vec![listener], store.clone(), options, shutdown).await
            });
            store.stop(Instant::now() + PATIENCE);
            drop(directory);
        });
        let client = Client::builder()
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        Server {
            address,
            client,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        self.client.request(method, self.url(path))
    }

    pub fn get(&self, path: &str) -> Answer {
        Answer::of(self.request("GET", path).send())
    }

    /// Publishes this JSON text.
    pub fn publish(&self, query: &str, body: impl Into<String>) -> Answer {
        let request = self
            .request("POST", &format!("/publish{query}"))
            .header("content-type", "application/json");
        Answer::of(request.body(body.into()).send())
    }

    /// Publishes an event with this topic, id and payload, which must be taken.
    pub fn publish_one(&self, topic: &str, id: &str, payload: &str) {
        let topic = serde_json::to_string(topic).expect("JSON");
        let body = format!(r#"{{"topic":{topic},"event_id":"{id}","payload":{payload}}}"#);
        let answer = self.publish("", body);
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A pooled connection that nobody uses any more would be waited for.
        self.client = Client::new();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "the server panicked"
            );
        }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn of(response: reqwest::Result<Response>) -> Answer {
        let response = response.expect("an answer");
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().expect("a whole body"),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("visible characters"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The path in `Link: <…>; rel="next"`.
    pub fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        let (path, relation) = link.strip_prefix('<')?.split_once('>')?;
        assert_eq!(relation, r#"; rel="next""#);
        Some(path.to_owned())
    }

    /// Checks that this is a whole problem document with this status and code, and that it says
    /// what that code always says.
    pub fn assert_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text
        );
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}", self.text);
        let known = ErrorCode::ALL.iter().find(|known| known.code() == code);
        let known = known.unwrap_or_else(|| panic!("there is no code {code}"));
        assert_eq!(known.status().as_u16(), status, "{code}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/docs/errors.md#{code}"));
        assert_eq!(problem["title"], known.title());
        assert_eq!(problem["retry"], known.retry().name());
        let detail = problem["detail"].as_str();
        assert!(detail.is_some_and(|text| !text.is_empty()), "{}", self.text);
        let may_pass = matches!(status, 503 | 507);
        assert_eq!(self.header("retry-after").is_some(), may_pass, "{code}");
        problem
    }
}
