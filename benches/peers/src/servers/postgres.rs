//! PostgreSQL: a table whose primary key is an event's key, a statement for a batch.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use oncelog::cli::bench::shape::{Sent, Shape};
use oncelog::cli::bench::target::{Connection, Counts, Outcome, Target as Driven};
use tokio_postgres::{Client, NoTls, Statement};

const USER: &str = "oncelog";
/// Who runs it if this is root, which it refuses, and there is no user `postgres`.
const NOBODY: u32 = 65_534;

const TABLE: &str = "CREATE TABLE events (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    topic text COLLATE \"C\" NOT NULL,
    event_id text COLLATE \"C\" NOT NULL,
    source text NOT NULL,
    payload json NOT NULL,
    PRIMARY KEY (topic, event_id)
)";
const INSERT: &str = "INSERT INTO events (topic, event_id, source, payload)
    SELECT topic, event_id, 'bench', payload::json
    FROM unnest($1::text[], $2::text[], $3::text[]) AS new (topic, event_id, payload)
    ON CONFLICT DO NOTHING";

/// The directory of its programs.
pub(super) fn find() -> Option<PathBuf> {
    let debian = Path::new("/usr/lib/postgresql/15/bin");
    if debian.join("initdb").is_file() {
        return Some(debian.to_owned());
    }
    let found = super::in_path("initdb")?.canonicalize().ok()?;
    found.parent().map(Path::to_owned)
}

/// Makes a cluster, and gives the command that runs it.
pub(super) fn command(programs: &Path, data_dir: &Path, port: u16) -> Result<Command> {
    std::fs::create_dir_all(data_dir)?;
    let user = user(data_dir)?;
    if let Some(user) = user {
        // The directory above is made for one user alone, too.
        for dir in [Some(data_dir), data_dir.parent()].into_iter().flatten() {
            std::os::unix::fs::chown(dir, Some(user), Some(user))?;
        }
    }
    let mut make = as_user(user, &programs.join("initdb"));
    make.arg("-D")
        .arg(data_dir)
        .args(["-U", USER, "--auth=trust"]);
    make.args(["--encoding=UTF8", "--locale=C", "--no-sync"]);
    let made = make.output().context("initdb")?;
    let words = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "initdb: {words}");
    let mut command = as_user(user, &programs.join("postgres"));
    command.arg("-D").arg(data_dir);
    for setting in [
        &format!("port={port}"),
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=on",
        "synchronous_commit=on",
        // More than its defaults, so that it need not wait for checkpoints.
        "shared_buffers=512MB",
        "max_wal_size=8GB",
        "checkpoint_timeout=30min",
    ] {
        command.args(["-c", setting]);
    }
    Ok(command)
}

/// As whom it runs; none if as who runs this.
fn user(data_dir: &Path) -> Result<Option<u32>> {
    if std::fs::metadata(data_dir)?.uid() != 0 {
        return Ok(None);
    }
    let id = Command::new("id").args(["-u", "postgres"]).output()?;
    let id = String::from_utf8_lossy(&id.stdout).trim().parse();
    Ok(Some(id.unwrap_or(NOBODY)))
}

fn as_user(user: Option<u32>, program: &Path) -> Command {
    let Some(user) = user else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}"));
    command.arg(format!("--regid={user}"));
    command.arg("--clear-groups").arg(program);
    command
}

async fn connect(port: u16) -> Result<Client, tokio_postgres::Error> {
    let to = format!("host=127.0.0.1 port={port} user={USER} dbname=postgres");
    let (client, connection) = tokio_postgres::connect(&to, NoTls).await?;
    // It ends when the client is dropped; what goes wrong is told there.
    tokio::spawn(connection);
    Ok(client)
}

/// Makes the table, once it takes connections.
pub(super) async fn create(port: u16) -> Result<()> {
    let mut tries = 0;
    let client = loop {
        match connect(port).await {
            Ok(client) => break client,
            // It listens before it is ready.
            Err(_) if tries < 600 => tries += 1,
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    client.batch_execute(TABLE).await?;
    Ok(())
}

pub(super) struct Target {
    pub(super) port: u16,
}

impl Driven for Target {
    type Connection = Session;

    async fn connect(&self) -> io::Result<Session> {
        let client = connect(self.port).await.map_err(io::Error::other)?;
        let insert = client.prepare(INSERT).await.map_err(io::Error::other)?;
        Ok(Session { client, insert })
    }
}

pub(super) struct Session {
    client: Client,
    insert: Statement,
}

impl Connection for Session {
    async fn send(&mut self, shape: &Shape, events: &[Sent]) -> io::Result<Outcome> {
        let (mut topics, mut ids, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
        for event in events {
            let mut payload = Vec::with_capacity(shape.payload_bytes());
            shape
                .push_payload(event.number, &mut payload)
                .ok_or_else(|| io::Error::other("no payload"))?;
            topics.push(shape.topic(event.number));
            ids.push(text(shape.id(event.number).to_vec())?);
            payloads.push(text(payload)?);
        }
        let inserted = self
            .client
            .execute(&self.insert, &[&topics, &ids, &payloads])
            .await;
        let unique = inserted.map_err(io::Error::other)?;
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

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}
