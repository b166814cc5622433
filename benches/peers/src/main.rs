//! Measures oncelog beside what one would pick instead, in turn on this machine, and prints
//! one table of ratios. `benches/RESULTS.md` says how to read it.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- --quick
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- disk
//! ```

mod disk;
mod measure;
mod process;
mod servers;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};

use measure::{Plan, Requests};
use servers::Server;

/// oncelog beside its peers: every answer after a sync, the same events, fresh directories.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    compare: CompareOptions,
}

#[derive(Subcommand)]
enum Command {
    /// How long the disk takes to write and sync, without any server
    Disk(disk::DiskOptions),
}

#[derive(Args)]
struct CompareOptions {
    /// Rounds; each measures every server once, in turn
    #[arg(long, default_value_t = 5)]
    pairs: usize,

    /// Of each measurement
    #[arg(long, default_value_t = 10)]
    seconds: u64,

    /// Two rounds of two seconds: a look, and no result
    #[arg(long)]
    quick: bool,

    /// Events of a request, and connections; with a rate, in events a second, in an open loop
    #[arg(long, value_name = "BATCH:CONNECTIONS[:RATE]", value_delimiter = ',', default_values = ["1:64", "100:16", "1000:16"])]
    loads: Vec<Requests>,

    /// Which peers, besides oncelog
    #[arg(long, value_delimiter = ',', default_values = servers::PEERS)]
    peers: Vec<String>,

    /// An oncelog that is built already, instead of this clone's; several are compared
    #[arg(long, value_name = "PROGRAM")]
    oncelog: Vec<PathBuf>,

    /// Where the data directories are made: on the disk that is to be measured
    #[arg(long, default_value_os_t = default_dir())]
    dir: PathBuf,

    /// Append every measurement to FILE, a JSON object a line
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("."))
}

fn default_dir() -> PathBuf {
    root().join("target/peers")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    // The servers end when what runs them is dropped.
    tokio::select! {
        done = run(arguments) => done,
        _ = terminate.recv() => anyhow::bail!("stopped"),
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped"),
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Some(Command::Disk(options)) => disk::run(&options),
        None => compare(&arguments.compare).await,
    }
}

async fn compare(options: &CompareOptions) -> Result<()> {
    std::fs::create_dir_all(&options.dir)?;
    let servers = find_servers(options)?;
    let plan = Plan {
        rounds: if options.quick { 2 } else { options.pairs },
        seconds: if options.quick { 2 } else { options.seconds },
        dir: options.dir.clone(),
        results: options.results.clone(),
    };
    ensure!(plan.rounds > 0 && plan.seconds > 0, "nothing to measure");
    println!("{}", disk::look(&options.dir)?);
    let mut text = String::new();
    for &requests in &options.loads {
        let rounds = plan.measure(&servers, requests).await?;
        text += &table::rows(&servers, requests, &rounds);
    }
    println!("{}\n{text}{}", table::HEAD, disk::look(&options.dir)?);
    Ok(())
}

/// Those that are installed; of the others it is told how to get them.
fn find_servers(options: &CompareOptions) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    if options.oncelog.is_empty() {
        servers.push(Server::oncelog_of(root())?);
    }
    for program in &options.oncelog {
        servers.push(Server::oncelog(program, options.oncelog.len() > 1));
    }
    for name in &options.peers {
        match Server::find(name)? {
            Ok(server) => servers.push(server),
            Err(how_to_install) => eprintln!("{name} is left out: {how_to_install}"),
        }
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_options_fit_together() {
        super::Arguments::command().debug_assert();
    }
}
