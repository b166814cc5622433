//! Arguments, the log on stderr, exit codes.

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use oncelog::cli::{
    bench, completions, dump, health, info, logging, publish, rebuild, repair, serve, verify, why,
};
use oncelog::config::{ServeOptions, given_options};

/// Chosen by measurement: see "Allocator" in `benches/RESULTS.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    #[command(after_help = serve::EXAMPLE)]
    Serve(ServeOptions),
    /// Show what is in the log, of a stopped or a running store
    ///
    /// Nothing is changed. What is damaged is shown in its place, and reading goes on behind it.
    ///
    /// Exit codes: 0 all well (bytes that a crash left unfinished are a note); 1 damage was met; 2
    /// could not run.
    #[command(after_help = dump::EXAMPLE)]
    Dump(dump::DumpOptions),
    /// Show what a store has, and how it is, of a stopped or a running one
    ///
    /// At once, however large it is: only the ends of its files are read, so damage elsewhere is
    /// not met. Nothing is changed.
    ///
    /// Exit codes: 0 all well (an index that is missing, or behind, is made good by the next
    /// start); 1 damage was met, or the index is ahead of the log or another log's; 2 could not
    /// run.
    #[command(after_help = info::EXAMPLE)]
    Info(info::InfoArguments),
    /// Check everything that a store has, of a stopped or a running one
    ///
    /// Every frame and segment of the log, and the index, row by row, against a fresh fold of that
    /// log in a temporary directory. Nothing is changed.
    ///
    /// Exit codes: 0 all well (bytes that a crash left unfinished, and an index that is missing or
    /// of another version, are notes); 1 damage or a difference was found; 2 could not run.
    #[command(after_help = verify::EXAMPLE)]
    Verify(verify::VerifyArguments),
    /// Tell the life of an event: did it arrive, when, and what became of it
    ///
    /// Each arrival of its key with time, place and source, which one is kept, and why the others
    /// are not; of a conflict, what differs. At once where there is an index, of a stopped or a
    /// running store. Nothing is changed.
    ///
    /// Exit codes: 0 it is there; 1 it has never arrived, its seq is lost or not given yet, or
    /// damage was met; 2 could not run.
    #[command(after_help = why::EXAMPLE)]
    Why(why::WhyArguments),
    /// Take the damage out of a stopped store
    ///
    /// It says what it would do, and changes nothing, unless --yes is given. Every event that is
    /// intact is kept with its seq; where others were, a hole stays, so that no seq is given twice.
    /// What is lost may be sent again. The old segments are kept aside, with a report; the index is
    /// made anew, and all is verified. It may be stopped at any time, and run again.
    ///
    /// Exit codes: 0 nothing to do, or repaired and verified; 1 damage was found, or is left; 2
    /// could not run.
    #[command(after_help = repair::EXAMPLE)]
    Repair(repair::RepairArguments),
    /// Make the index of a stopped store anew from its log, and put it in the old one's place
    ///
    /// The new index is made beside the old one, compared with it row by row, and takes its
    /// place by a rename. A stop at any moment leaves one of both, and the next start removes
    /// what is left over. The log is only read.
    ///
    /// Exit codes: 0 the old index was equal, or there was none; 1 it was damaged or different
    /// (the new one is in its place all the same); 2 could not run, and the old one stays.
    #[command(after_help = rebuild::EXAMPLE)]
    Rebuild(rebuild::RebuildArguments),
    /// Send events from files or standard input, until every one is acknowledged
    ///
    /// The same ids are sent again after every unknown outcome, for as long as it takes, so a
    /// store that is restarted is waited for, and a run that was killed can be begun again
    /// from the start: what had been kept is then a duplicate.
    ///
    /// Exit codes: 0 every event is acknowledged (conflicts too: they are in the log, and are
    /// listed here); 1 events were refused for good, an array broke off, another log answered,
    /// or --give-up-after was reached; 2 could not run, or the server takes no batch at all;
    /// 130 and 143 after Ctrl-C and SIGTERM.
    #[command(after_help = publish::EXAMPLE)]
    Publish(publish::PublishOptions),
    /// Measure a running server, and check every one of its answers
    ///
    /// Sends events that it makes up, so it needs a store that may be filled with them. Every
    /// answer is held against what was sent, and at the end the counters of /stats are too, so
    /// nobody else may publish meanwhile.
    ///
    /// Exit codes: 0 all well; 1 refused or missing answers, or a difference between what was
    /// sent and what the server says; 2 could not run; 130 and 143 after Ctrl-C and SIGTERM,
    /// with the summary up to then.
    #[command(after_help = bench::EXAMPLE)]
    Bench(bench::BenchOptions),
    /// Ask a running server whether it is well
    #[command(after_help = health::EXAMPLE)]
    Health(health::HealthOptions),
    /// Print what a shell needs to complete command lines
    #[command(after_help = completions::EXAMPLE)]
    Completions(completions::CompletionsOptions),
}

fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match arguments.command {
        None | Some(Command::Serve(_)) => logging::start_without_waiting(),
        Some(_) => logging::start(),
    }
    let code = match arguments.command {
        None => serve::run(&arguments.serve, &given_options(&matches)),
        Some(Command::Serve(options)) => {
            let of_serve = matches.subcommand_matches("serve").unwrap_or(&matches);
            serve::run(&options, &given_options(of_serve))
        }
        Some(Command::Dump(options)) => dump::run(&options),
        Some(Command::Info(options)) => info::run(&options),
        Some(Command::Verify(options)) => verify::run(&options),
        Some(Command::Why(options)) => why::run(&options),
        Some(Command::Repair(options)) => repair::run(&options),
        Some(Command::Rebuild(options)) => rebuild::run(&options),
        Some(Command::Publish(options)) => publish::run(&options),
        Some(Command::Bench(options)) => bench::run(&options),
        Some(Command::Health(options)) => ExitCode::from(health::run(&options)),
        Some(Command::Completions(options)) => completions::run(&options, Arguments::command()),
    };
    logging::flush();
    code
}
