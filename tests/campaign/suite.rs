//! All engines in turn: short, for a change, or as long as it takes to believe it.

use std::process::Command;
use std::time::Instant;

use clap::Args;

use crate::keeping::{say, seed_or_clock};

/// With which seed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Suite {
    /// Of all engines; the clock's if not given
    #[arg(long)]
    seed: Option<u64>,
}

/// About five minutes on two cores.
const SHORT: [(&str, u64); 14] = [
    ("kill", 20),
    ("power-cut", 10),
    ("recovery-cuts", 10),
    ("blocks", 30),
    ("calls", 50),
    ("faults", 20),
    ("pause", 6),
    ("clock", 8),
    ("twins", 8),
    ("index-gone", 8),
    ("network", 6),
    ("containers", 8),
    ("damage", 40),
    ("flood", 1),
];

/// Of `calls` there are fewer; all of them are tried.
const LONG: [(&str, u64); 14] = [
    ("kill", 1000),
    ("power-cut", 500),
    ("recovery-cuts", 200),
    ("blocks", 2000),
    ("calls", 10_000),
    ("faults", 1000),
    ("pause", 50),
    ("clock", 200),
    ("twins", 200),
    ("index-gone", 50),
    ("network", 200),
    ("containers", 100),
    ("damage", 1000),
    ("flood", 20),
];

pub(crate) fn short(suite: &Suite) -> u8 {
    run(suite, &SHORT)
}

pub(crate) fn long(suite: &Suite) -> u8 {
    run(suite, &LONG)
}

/// Runs each, whatever came of those before. 0 nothing found, 1 something is wrong, 2 none of them
/// can be done here.
fn run(suite: &Suite, engines: &[(&str, u64)]) -> u8 {
    let seed = seed_or_clock(suite.seed);
    let mut rows = Vec::new();
    let mut codes = Vec::new();
    for (engine, rounds) in engines {
        let begun = Instant::now();
        let code = run_one(engine, seed, *rounds);
        let what = match code {
            Some(0) => "nothing wrong",
            Some(1) => "FAILED",
            Some(2) => "SKIPPED",
            _ => "BROKE OFF",
        };
        let seconds = begun.elapsed().as_secs();
        rows.push(format!("| {engine} | {rounds} | {seconds} s | {what} |"));
        codes.push(code);
    }
    say(&format!(
        "\n| engine, seed {seed} | rounds | time | |\n|---|---|---|---|"
    ));
    rows.iter().for_each(|row| say(row));
    if codes.iter().any(|code| !matches!(code, Some(0 | 2))) {
        1
    } else if codes.contains(&Some(0)) {
        0
    } else {
        2
    }
}

/// On its own: a process that breaks off ends no other engine.
fn run_one(engine: &str, seed: u64, rounds: u64) -> Option<i32> {
    let campaign = std::env::current_exe().expect("this program");
    let mut one = Command::new(campaign);
    one.args([engine, "--seed", &seed.to_string()]);
    let ended = one.args(["--rounds", &rounds.to_string()]).status();
    ended.expect("an engine").code()
}
