//! A client that behaves well while others do not, and must not suffer by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;

use crate::support::http::Answer;
use crate::support::process::PATIENCE;
use crate::target::Target;

/// Of all bystanders, since a server may have several.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Publishes and reads all the while.
pub struct Bystander {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Bystander {
    /// Starts, and waits until it was served once.
    pub fn start(target: &Target) -> Bystander {
        let base = format!("http://{}", target.address());
        let (stop, rounds) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            let client = Client::builder().timeout(PATIENCE).build();
            let client = client.expect("a client");
            while !stopped.load(Ordering::Relaxed) {
                one_round(&client, &base, NEXT_ID.fetch_add(1, Ordering::Relaxed));
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let bystander = Bystander {
            stop,
            rounds,
            thread: Some(thread),
        };
        bystander.wait_for_rounds(1);
        bystander
    }

    /// Waits until it was served so many times more.
    pub fn wait_for_rounds(&self, more: u64) {
        let goal = self.rounds.load(Ordering::Relaxed) + more;
        let until = Instant::now() + PATIENCE;
        while self.rounds.load(Ordering::Relaxed) < goal {
            let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            assert!(!ended, "the bystander was not served as it must be");
            assert!(Instant::now() < until, "the bystander is not served");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Stops it and checks that it was always served, once more at the end.
    pub fn end(mut self) {
        self.wait_for_rounds(2);
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it ends once");
        assert!(thread.join().is_ok(), "the bystander was not served");
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The test fails already.
            let _ = thread.join();
        }
    }
}

fn one_round(client: &Client, base: &str, id: u64) {
    let body = format!(r#"{{"topic":"bystander","event_id":"{id}","payload":{id}}}"#);
    let published = Answer::of(client.post(format!("{base}/publish")).body(body).send());
    assert_eq!(published.status, 200, "{}", published.text);
    let receipt = published.json();
    assert_eq!(receipt["unique"], 1, "{receipt}");
    let seq = receipt["first_seq"].as_u64().expect("a seq");
    let path = format!("{base}/events?topic=bystander&after={}&limit=1", seq - 1);
    let read = Answer::of(client.get(path).send());
    assert_eq!(read.status, 200, "{}", read.text);
    assert_eq!(read.json()[0]["payload"], id, "{}", read.text);
}
