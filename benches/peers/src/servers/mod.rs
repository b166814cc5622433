//! The servers: how each is found, started and driven.

mod durable_streams;
mod oncelog;
mod postgres;
mod redis;

use std::path::{Path, PathBuf};
use std::process::Command;

use ::oncelog::cli::bench::engine::{Load, Measured, drive};
use anyhow::{Result, bail};
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::process::{Process, free_port};

/// All that there are.
pub(crate) const PEERS: [&str; 3] = ["durable-streams", "redis", "postgresql"];

/// One of them.
pub(crate) struct Server {
    name: String,
    version: String,
    /// The program, or for PostgreSQL the directory of its programs.
    program: PathBuf,
    kind: Kind,
}

#[derive(Copy, Clone)]
enum Kind {
    Oncelog,
    DurableStreams,
    Redis,
    Postgres,
}

impl Server {
    /// That of this clone, built now.
    pub(crate) fn oncelog_of(root: &Path) -> Result<Server> {
        let program = oncelog::build(root)?;
        Ok(Server::oncelog(&program, false))
    }

    /// This program, which may be one of several.
    pub(crate) fn oncelog(program: &Path, is_one_of_several: bool) -> Server {
        let name = match is_one_of_several {
            true => program.display().to_string(),
            false => "oncelog".to_owned(),
        };
        Server::new(&name, program.to_owned(), Kind::Oncelog)
    }

    /// A peer, or how to install it.
    pub(crate) fn find(name: &str) -> Result<std::result::Result<Server, &'static str>> {
        let (program, kind, how_to_install) = match name {
            "durable-streams" => (
                durable_streams::find(),
                Kind::DurableStreams,
                "cargo install durable-streams --version 0.1.5",
            ),
            "redis" => (
                in_path("redis-server"),
                Kind::Redis,
                "Debian package redis-server",
            ),
            "postgresql" => (
                postgres::find(),
                Kind::Postgres,
                "Debian package postgresql-15",
            ),
            _ => bail!("{name} is none of {PEERS:?}"),
        };
        let server = program.map(|program| Server::new(name, program, kind));
        Ok(server.ok_or(how_to_install))
    }

    fn new(name: &str, program: PathBuf, kind: Kind) -> Server {
        let version = match kind {
            Kind::DurableStreams => "0.1.5".to_owned(),
            Kind::Postgres => version_of(&program.join("postgres")),
            Kind::Oncelog | Kind::Redis => version_of(&program),
        };
        Server {
            name: name.to_owned(),
            version,
            program,
            kind,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Directories whose files are not counted: what is in them is used again.
    pub(crate) fn not_data(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Postgres => &["pg_wal"],
            _ => &[],
        }
    }

    /// Starts it on a port of its own, with its data here.
    pub(crate) async fn start(&self, data_dir: &Path) -> Result<Process> {
        let port = free_port()?;
        let (command, stop) = match self.kind {
            Kind::Oncelog => (
                oncelog::command(&self.program, data_dir, port),
                Signal::TERM,
            ),
            Kind::DurableStreams => (
                durable_streams::command(&self.program, data_dir, port),
                Signal::TERM,
            ),
            Kind::Redis => (redis::command(&self.program, data_dir, port)?, Signal::TERM),
            // It does not wait for connections to close.
            Kind::Postgres => (
                postgres::command(&self.program, data_dir, port)?,
                Signal::INT,
            ),
        };
        let process = Process::start(command, port, stop).await?;
        match self.kind {
            Kind::Oncelog => oncelog::wait_until_ready(port).await?,
            Kind::DurableStreams => durable_streams::create(port)?,
            Kind::Redis => {}
            Kind::Postgres => postgres::create(port).await?,
        }
        Ok(process)
    }

    /// Sends it this load.
    pub(crate) async fn drive(&self, port: u16, load: Load) -> Result<Measured> {
        let stop = CancellationToken::new();
        Ok(match self.kind {
            Kind::Oncelog => drive(oncelog::target(port), load, stop, |_| ()).await?,
            Kind::DurableStreams => {
                drive(durable_streams::target(port), load, stop, |_| ()).await?
            }
            Kind::Redis => drive(redis::Target::new(port).await?, load, stop, |_| ()).await?,
            Kind::Postgres => drive(postgres::Target { port }, load, stop, |_| ()).await?,
        })
    }
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|program| program.is_file())
}

fn version_of(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
