//! The crash campaign: one command that crashes a store in many ways, and holds what is left
//! against all that its publishers know. See docs/testing.md.

#[cfg(target_os = "linux")]
mod blocks;
#[path = "../judge/checker.rs"]
mod checker;
#[path = "../support/client.rs"]
mod client;
#[path = "../support/dump.rs"]
mod dump;
#[path = "../judge/history.rs"]
mod history;
mod life;
mod power_cut;
#[path = "../support/process.rs"]
mod process;
#[path = "../judge/publisher.rs"]
mod publisher;
#[path = "../support/random.rs"]
mod random;
mod rounds;
#[path = "../support/skipped.rs"]
mod skipped;
mod tool;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};

use rounds::Engine;

/// Crashes a store over and over, and looks whether it keeps what it promises.
#[derive(Debug, Parser)]
#[command(name = "campaign")]
struct Campaign {
    #[command(subcommand)]
    how: How,
}

#[derive(Debug, Subcommand)]
enum How {
    /// kill -9 at random moments
    Kill(Rounds),
    /// Power cuts of an ext4 on a loop device; needs root
    PowerCut(Rounds),
    /// Crashes of a disk whose writes and flushes were recorded below an ext4; needs root and FUSE
    #[cfg(target_os = "linux")]
    Blocks(Rounds),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Rounds {
    /// The same seed does the same, as far as chance is not the machine's; the clock's if not given
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// How many rounds, each with two crashes or a crash and an orderly stop; of `blocks`, how
    /// many states of the disk
    #[arg(long, default_value_t = 20)]
    pub(crate) rounds: u64,

    /// Where the store and the history of a failure are kept
    #[arg(long, value_name = "DIR", default_value = "target/campaign")]
    pub(crate) keep: PathBuf,
}

impl Rounds {
    pub(crate) fn seed(&self) -> u64 {
        let since = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
        };
        self.seed.unwrap_or_else(|| since().subsec_nanos().into())
    }
}

/// 0 nothing found, 1 something is wrong, 2 it cannot be done here.
fn main() -> ExitCode {
    let campaign = Campaign::parse();
    ExitCode::from(match &campaign.how {
        How::Kill(rounds) => rounds::run(rounds, Engine::Kill),
        How::PowerCut(rounds) => rounds::run(rounds, Engine::PowerCut),
        #[cfg(target_os = "linux")]
        How::Blocks(rounds) => blocks::run(rounds),
    })
}
