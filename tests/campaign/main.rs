//! The crash campaign: one command that crashes a store in many ways, and holds what is left
//! against all that its publishers know. See docs/testing.md.

mod at_calls;
#[cfg(target_os = "linux")]
mod blocks;
mod cases;
#[path = "../judge/checker.rs"]
mod checker;
#[path = "../support/client.rs"]
mod client;
mod clock;
mod containers;
mod damage;
#[path = "../judge/damages.rs"]
mod damages;
#[path = "../support/dump.rs"]
mod dump;
mod flood;
#[path = "../judge/history.rs"]
mod history;
mod index_gone;
mod keeping;
mod life;
mod look;
mod memory;
mod mutations;
mod network;
mod pause;
mod points;
mod power_cut;
#[path = "../support/process.rs"]
mod process;
#[path = "../judge/publisher.rs"]
mod publisher;
#[path = "../support/random.rs"]
mod random;
mod recovery_cuts;
mod rounds;
mod scene;
mod script;
#[path = "../support/skipped.rs"]
mod skipped;
#[path = "../support/store.rs"]
mod store;
#[path = "../support/strace.rs"]
mod strace;
mod suite;
mod tool;
#[path = "../support/tree.rs"]
mod tree;
mod trial;
mod twins;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use at_calls::AtCalls;
use mutations::Mutations;
use rounds::Engine;
use suite::Suite;

/// Crashes a store over and over, and looks whether it keeps what it promises.
#[derive(Debug, Parser)]
#[command(name = "campaign")]
struct Campaign {
    #[command(subcommand)]
    how: How,
}

#[derive(Debug, Subcommand)]
enum How {
    /// A few rounds of all engines, about five minutes
    Short(Suite),
    /// All engines, for hours
    Long(Suite),
    /// kill -9 at random moments
    Kill(Rounds),
    /// Power cuts of an ext4 on a loop device; needs root and strace
    PowerCut(Rounds),
    /// Power cuts amid recovery, of what kill -9 left in the page cache; needs root and strace
    RecoveryCuts(Rounds),
    /// Crashes of a disk whose writes and flushes were recorded below an ext4; needs root and FUSE
    #[cfg(target_os = "linux")]
    Blocks(Rounds),
    /// kill -9 at the Nth call of a script, for every N; needs strace
    Calls(AtCalls),
    /// Calls that fail, write nothing or are late, at the Nth call of a script; needs strace
    Faults(AtCalls),
    /// A server that stands still for a while under traffic, and is killed
    Pause(Rounds),
    /// A clock that jumps by a year, back and forth, and kill -9; needs libfaketime
    Clock(Rounds),
    /// Two servers started on one directory at the same moment, and kill -9
    Twins(Rounds),
    /// Files of the index removed, cut, damaged or replaced under the server, and kill -9
    IndexGone(Rounds),
    /// A network that resets, half closes, delays and repeats, rude clients, and kill -9
    Network(Rounds),
    /// Containers that are killed, restarted, out of memory, moved; needs Docker and ONCELOG_TEST_IMAGE
    Containers(Rounds),
    /// Damages to the log between a kill and the restart
    Damage(Rounds),
    /// More large batches at once than there is room for, a slow disk, and kill -9; needs strace
    Flood(Rounds),
    /// Stores that were broken on purpose, each of which an engine must catch
    Mutations(Mutations),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Rounds {
    /// The same seed does the same, as far as chance is not the machine's; the clock's if not given
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// How many rounds, each with two crashes or a crash and an orderly stop; of `blocks`, how
    /// many states of the disk; of `damage`, how many damages
    #[arg(long, default_value_t = 20)]
    pub(crate) rounds: u64,

    /// Where the store and the history of a failure are kept
    #[arg(long, value_name = "DIR", default_value = "target/campaign")]
    pub(crate) keep: PathBuf,
}

/// 0 nothing found, 1 something is wrong, 2 it cannot be done here.
fn main() -> ExitCode {
    let campaign = Campaign::parse();
    ExitCode::from(match &campaign.how {
        How::Short(suite) => suite::short(suite),
        How::Long(suite) => suite::long(suite),
        How::Kill(rounds) => rounds::run(rounds, Engine::Kill),
        How::PowerCut(rounds) => rounds::run(rounds, Engine::PowerCut),
        How::RecoveryCuts(rounds) => rounds::run(rounds, Engine::RecoveryCuts),
        #[cfg(target_os = "linux")]
        How::Blocks(rounds) => blocks::run(rounds),
        How::Pause(rounds) => rounds::run(rounds, Engine::Pause),
        How::Clock(rounds) => rounds::run(rounds, Engine::Clock),
        How::Twins(rounds) => rounds::run(rounds, Engine::Twins),
        How::IndexGone(rounds) => rounds::run(rounds, Engine::IndexGone),
        How::Network(rounds) => rounds::run(rounds, Engine::Network),
        How::Containers(rounds) => rounds::run(rounds, Engine::Containers),
        How::Damage(rounds) => damage::run(rounds),
        How::Flood(rounds) => flood::run(rounds),
        How::Calls(wanted) => at_calls::calls(wanted),
        How::Faults(wanted) => at_calls::faults(wanted),
        How::Mutations(wanted) => mutations::run(wanted),
    })
}
