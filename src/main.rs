//! Arguments, tracing, exit codes.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use oncelog::cli::{dump, health, serve};
use oncelog::config::ServeOptions;

/// An event store for one machine: at-least-once in, exactly-once kept.
#[derive(Debug, Parser)]
#[command(name = "oncelog", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Without a subcommand: serve
    #[command(flatten)]
    serve: ServeOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve HTTP
    Serve(ServeOptions),
    /// Show what is in the log, of a stopped or a running store
    Dump(dump::DumpOptions),
    /// Ask a running server whether it is well
    Health(health::HealthOptions),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("ONCELOG_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .with_ansi(stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .with_writer(stderr)
        .init();
    match arguments.command {
        None => serve::run(&arguments.serve),
        Some(Command::Serve(options)) => serve::run(&options),
        Some(Command::Dump(options)) => dump::run(&options),
        Some(Command::Health(options)) => ExitCode::from(health::run(&options)),
    }
}
