//! A running server and what tests ask of it, over kills and restarts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::Value;

use super::http::{Answer, PATIENCE};
use super::process::{Ended, Oncelog, Starting, serve_command};

/// A serving process; it is killed when it is dropped.
pub struct Served {
    /// None only in between two processes.
    running: Option<Oncelog>,
    data_dir: PathBuf,
    options: Vec<String>,
    pub client: Client,
}

impl Served {
    pub fn start(data_dir: &Path, options: &[&str]) -> Served {
        Served::spawn(data_dir, options, serve_command(data_dir, options))
    }

    /// Started with this command, and later again with these options.
    pub fn spawn(data_dir: &Path, options: &[&str], command: Command) -> Served {
        Served {
            running: Some(Starting::spawn(command).ready()),
            data_dir: data_dir.to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            client: Client::builder()
                .timeout(PATIENCE)
                .build()
                .expect("a client"),
        }
    }

    pub fn running(&self) -> &Oncelog {
        self.running.as_ref().expect("it was not killed")
    }

    /// Kills it, which leaves it no time for anything.
    pub fn kill(&mut self) {
        self.running.take().expect("it runs").kill();
    }

    /// Kills it and starts it again.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        self.running = Some(Oncelog::start_with(&self.data_dir, &options));
    }

    /// Asks it to stop; it may take its time.
    pub fn ask_to_stop(&self) {
        self.running().ask_to_stop();
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) -> Ended {
        self.running.take().expect("it runs").terminate()
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> Ended {
        self.running.take().expect("it runs").ended()
    }

    /// Waits until it has said a line with these words, and gives that line.
    pub fn wait_for_line(&self, words: &str) -> String {
        self.running().wait_for_line(words)
    }

    /// What it wrote on stderr so far.
    pub fn said(&self) -> String {
        self.running().stderr()
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The database of its index.
    pub fn index_file(&self) -> PathBuf {
        self.data_dir.join("index/index.sqlite3")
    }

    pub fn address(&self) -> SocketAddr {
        self.running().address
    }

    pub fn pid(&self) -> u32 {
        self.running().pid()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub fn get(&self, path: &str) -> Answer {
        Answer::of(self.client.get(self.url(path)).send())
    }

    /// An answer, or that it broke off.
    pub fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        let response = self.client.get(self.url(path)).send()?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text()?,
        })
    }

    pub fn publish(&self, body: String) -> Answer {
        let request = self.client.post(self.url("/publish?receipts=all"));
        Answer::of(request.body(body).send())
    }

    pub fn stats(&self) -> Value {
        let answer = self.get("/stats");
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// The state, as /readyz tells it.
    pub fn state(&self) -> String {
        let state = self.get("/readyz").json()["state"].clone();
        state.as_str().expect("a state").to_owned()
    }

    /// Waits until the figures are such.
    pub fn wait_for(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let stats = self.stats();
            if is_so(&stats) {
                return stats;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "not {what}: {stats:#}\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn wait_for_state(&self, state: &str) -> Value {
        self.wait_for(state, |stats| stats["state"]["state"] == state)
    }

    /// Waits until it is ready and every event has its verdict.
    pub fn wait_until_well(&self) -> Value {
        self.wait_for("well", |stats| {
            stats["state"]["state"] == "ready" && stats["pending"] == 0
        })
    }

    /// Waits until all that was received is in SQLite.
    pub fn wait_until_flushed(&self) -> Value {
        self.wait_for("flushed", |stats| {
            stats["index"]["flushed"] == stats["received"]
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let (true, Some(running)) = (std::thread::panicking(), &self.running) {
            eprintln!("the server said:\n{}", running.stderr());
        }
    }
}
