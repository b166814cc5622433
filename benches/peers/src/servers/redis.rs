//! Redis: a stream of events, and a key for each id that is known, in its append-only file,
//! which is synced before every answer.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use oncelog::cli::bench::shape::{Sent, Shape};
use oncelog::cli::bench::target::{Connection, Counts, Outcome, Target as Driven};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

/// A whole batch at once: it is applied and synced whole, as oncelog's is, and costs Redis no
/// more than a call for each event (`benches/RESULTS.md` has the figures).
const PUBLISH: &str = "
local new = 0
for i = 1, #KEYS do
  if redis.call('SET', KEYS[i], '', 'NX') then
    redis.call('XADD', 'events', '*', 'topic', ARGV[3 * i - 2], 'event_id', ARGV[3 * i - 1],
      'source', 'bench', 'payload', ARGV[3 * i])
    new = new + 1
  end
end
return new";

const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn command(program: &Path, data_dir: &Path, port: u16) -> Result<Command> {
    std::fs::create_dir_all(data_dir)?;
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]);
    command.arg(data_dir);
    command.args(["--appendonly", "yes", "--appendfsync", "always"]);
    // No snapshots, and the file is not written anew: both would take from it.
    command.args(["--save", "", "--auto-aof-rewrite-percentage", "0"]);
    Ok(command)
}

pub(super) struct Target {
    client: redis::Client,
    /// The script's, by which it is called.
    hash: String,
}

impl Target {
    pub(super) async fn new(port: u16) -> Result<Target> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut load = redis::cmd("SCRIPT");
        let hash = load.arg("LOAD").arg(PUBLISH).query_async(&mut connection);
        Ok(Target {
            hash: hash.await?,
            client,
        })
    }
}

impl Driven for Target {
    type Connection = Session;

    async fn connect(&self) -> io::Result<Session> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_TIMEOUT));
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        Ok(Session {
            connection: connection.await.map_err(io::Error::other)?,
            hash: self.hash.clone(),
            payload: Vec::new(),
        })
    }
}

pub(super) struct Session {
    connection: MultiplexedConnection,
    hash: String,
    payload: Vec<u8>,
}

impl Connection for Session {
    async fn send(&mut self, shape: &Shape, events: &[Sent]) -> io::Result<Outcome> {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hash).arg(events.len());
        for event in events {
            let mut key = shape.topic(event.number).into_bytes();
            key.push(b':');
            key.extend_from_slice(&shape.id(event.number));
            call.arg(key);
        }
        for event in events {
            self.payload.clear();
            shape
                .push_payload(event.number, &mut self.payload)
                .ok_or_else(|| io::Error::other("no payload"))?;
            call.arg(shape.topic(event.number))
                .arg(&shape.id(event.number)[..])
                .arg(&self.payload);
        }
        let new = call.query_async(&mut self.connection).await;
        let unique: u64 = new.map_err(io::Error::other)?;
        Ok(Outcome {
            status: 200,
            verdicts: Some(Counts {
                unique,
                duplicates: (events.len() as u64).saturating_sub(unique),
                conflicts: 0,
            }),
            request_bytes: events.len() * shape.event_bytes(),
            ..Outcome::default()
        })
    }
}
