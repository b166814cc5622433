//! The server under attack.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::http::Answer;
use crate::support::raw::RawClient;
use crate::support::served::Served;

/// A server with one event in its store.
pub struct Target {
    served: Served,
    directory: TempDir,
}

/// All that it has.
#[derive(Debug, PartialEq)]
pub struct Contents {
    received: Value,
    fold_hash: Value,
    events: String,
}

impl Target {
    /// With its defaults.
    pub fn start() -> Target {
        Target::with(&[])
    }

    pub fn with(options: &[&str]) -> Target {
        let directory = tempfile::tempdir().expect("a directory");
        let served = Served::start(&directory.path().join("data"), options);
        let target = Target { served, directory };
        target.takes(
            "",
            r#"{"topic":"known","event_id":"1","payload":{"first":1}}"#,
        );
        target
    }

    pub fn server(&self) -> &Served {
        &self.served
    }

    /// The directory above the data directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn address(&self) -> SocketAddr {
        self.served.address()
    }

    pub fn connect(&self) -> RawClient {
        RawClient::connect(self.address())
    }

    /// Sends these bytes over a connection of their own and gives the first answer to them.
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect();
        client.send(bytes);
        client.answer()
    }

    /// Publishes this body with this query.
    pub fn publish(&self, query: &str, body: impl Into<reqwest::blocking::Body>) -> Answer {
        let request = self.served.client.post(self.served.url("/publish"));
        let request = request.header("content-type", "application/json");
        let mut request = request.body(body).build().expect("a request");
        request
            .url_mut()
            .set_query((!query.is_empty()).then_some(query));
        Answer::of(self.served.client.execute(request))
    }

    /// The same with what must be taken.
    pub fn takes(&self, query: &str, body: impl Into<reqwest::blocking::Body>) -> Value {
        let answer = self.publish(query, body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// The same with what must be refused like this; nothing of it may be written.
    pub fn refuses(
        &self,
        query: &str,
        body: impl Into<reqwest::blocking::Body>,
        status: u16,
        code: &str,
    ) -> Value {
        let before = self.contents();
        let problem = self.publish(query, body).assert_problem(status, code);
        assert_eq!(self.contents(), before, "something of it was written");
        problem
    }

    /// What it has now.
    pub fn contents(&self) -> Contents {
        let stats = self.served.wait_until_well();
        Contents {
            received: stats["received"].clone(),
            fold_hash: stats["fold_hash"].clone(),
            events: self.served.get("/events?verdict=all").text,
        }
    }

    /// The memory that is its own, files apart.
    pub fn anonymous_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.served.pid());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<u64>().ok()).expect("a size") * 1024
    }
}
