//! A publisher's and a reader's side of the real HTTP interface.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Longer than anything takes that works, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Talks to one server.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::blocking::Client,
    base: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<String>,
    pub text: String,
}

impl Answer {
    pub fn parse<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The `code` of a problem after which the same ids are to be sent again.
    pub fn problem_code(&self) -> String {
        let problem: serde_json::Value = self.parse();
        assert_eq!(problem["status"], self.status, "{}", self.text);
        assert_eq!(problem["retry"], "same_ids", "{}", self.text);
        let code = problem["code"].as_str().expect("a code");
        code.to_owned()
    }

    /// Checks that it is a 200.
    pub fn ok(self) -> Answer {
        assert_eq!(self.status, 200, "{}", self.text);
        self
    }
}

/// An event as `GET /events` and `dump --json` show it, and nothing that is not known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownEvent {
    pub seq: u64,
    pub topic: String,
    pub event_id: String,
    pub source: String,
    pub timestamp: Option<String>,
    /// The bytes as they stand in the answer.
    pub payload: Box<RawValue>,
    pub received_at: String,
    pub verdict: Option<String>,
    pub original_seq: Option<u64>,
    #[serde(default)]
    pub unproven: bool,
}

/// What a publisher is answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Receipt {
    pub status: String,
    pub message: String,
    pub received: u64,
    pub unique: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub first_seq: u64,
    pub last_seq: u64,
    pub receipts: Vec<Judged>,
}

/// What became of one event of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Judged {
    pub index: usize,
    pub verdict: String,
    pub seq: u64,
    pub original_seq: Option<u64>,
}

/// The flat figures of `GET /stats`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Stats {
    pub received: u64,
    pub unique_processed: u64,
    pub duplicate_dropped: u64,
    pub conflicts: u64,
    pub lost: u64,
    pub pending: u64,
    pub topics: Vec<String>,
    pub topics_total: u64,
    pub uptime: f64,
    pub fold_hash: String,
}

impl Stats {
    /// received, unique, duplicates, conflicts.
    pub fn counts(&self) -> (u64, u64, u64, u64) {
        (
            self.received,
            self.unique_processed,
            self.duplicate_dropped,
            self.conflicts,
        )
    }
}

impl Client {
    pub fn new(address: SocketAddr) -> Client {
        Client {
            http: reqwest::blocking::Client::builder()
                .timeout(PATIENCE)
                .build()
                .expect("a client"),
            base: format!("http://{address}"),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).expect("an answer")
    }

    /// The same, and tells when the answer broke off.
    pub fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        read(self.http.get(format!("{}{path}", self.base)).send())
    }

    /// Publishes, and tells when there is no answer.
    pub fn try_publish(&self, query: &str, body: String) -> reqwest::Result<Answer> {
        let request = self
            .http
            .post(format!("{}/publish{query}", self.base))
            .header("content-type", "application/json");
        read(request.body(body).send())
    }

    /// Publishes what must be taken and judged.
    pub fn publish(&self, body: impl Into<String>) -> Receipt {
        self.publish_with("", body)
    }

    /// The same with a query.
    pub fn publish_with(&self, query: &str, body: impl Into<String>) -> Receipt {
        let answer = self.try_publish(query, body.into());
        answer.expect("an answer").ok().parse()
    }

    pub fn stats(&self) -> Stats {
        self.get("/stats").ok().parse()
    }

    /// Waits until all that is durable is judged and the index is whole.
    pub fn settled(&self) -> Stats {
        let until = Instant::now() + PATIENCE;
        loop {
            let ready = self.get("/readyz");
            let is_whole = ready.status == 200 && ready.text.contains(r#""state":"ready""#);
            let stats = self.stats();
            if is_whole && stats.pending == 0 {
                return stats;
            }
            assert!(
                Instant::now() < until,
                "does not settle: {} {stats:?}",
                ready.text
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `GET /events` with this query.
    pub fn events(&self, query: &str) -> Vec<ShownEvent> {
        self.get(&format!("/events{query}")).ok().parse()
    }
}

fn read(answer: reqwest::Result<reqwest::blocking::Response>) -> reqwest::Result<Answer> {
    let answer = answer?;
    Ok(Answer {
        status: answer.status().as_u16(),
        retry_after: answer
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().expect("visible characters").to_owned()),
        text: answer.text()?,
    })
}

/// An event as text, with this payload as it is.
pub fn event(topic: &str, event_id: &str, payload: &str) -> String {
    format!(r#"{{"topic":"{topic}","event_id":"{event_id}","payload":{payload}}}"#)
}

/// The three forms of a body.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The event itself; of one only.
    One,
    Array,
    Envelope,
}

impl Shape {
    pub fn body(self, events: &[impl AsRef<str>]) -> String {
        let events: Vec<&str> = events.iter().map(AsRef::as_ref).collect();
        let list = events.join(",");
        match self {
            Shape::One => {
                assert_eq!(events.len(), 1, "this form has room for one event");
                list
            }
            Shape::Array => format!("[{list}]"),
            Shape::Envelope => format!(r#"{{"events":[{list}]}}"#),
        }
    }
}
