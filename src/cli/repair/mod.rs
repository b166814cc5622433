//! `oncelog repair`: the damage taken out of a stopped store.

mod json;
mod progress;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::config::{DataDir, parse_bytes};
use crate::index::IndexError;
use crate::inspect::repair::{Repair, RepairError, RepairOptions, Reporter, repair};
use crate::log::LogError;
use crate::log::storage::is_disk_full;

use super::outcome::{self, ALL_WELL, COULD_NOT_RUN, DAMAGE};
use super::scratch::scratch_dir;
use super::stop_flag::StopFlag;
use progress::RepairProgress;

/// For the help.
pub const EXAMPLE: &str = "\
Examples:
  oncelog repair --data-dir /var/lib/oncelog         # what would be done, and what is lost
  oncelog repair --data-dir /var/lib/oncelog --yes && systemctl start oncelog";

/// The options of `repair`.
#[derive(Clone, Debug, Args)]
pub struct RepairArguments {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub data_dir: DataDir,

    /// Do it. Without this it is only said what would be done
    #[arg(long)]
    pub yes: bool,

    /// Only say what would be done, and change nothing: the default
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,

    /// One JSON object instead of text for people
    #[arg(long)]
    pub json: bool,

    /// Where the log is folded to verify it; the system's temporary directory if not given, or
    /// /dev/shm where that cannot be written. It takes about 60 bytes an event
    #[arg(long, value_name = "DIR")]
    pub tmp_dir: Option<PathBuf>,

    /// The most memory for the filters that tell new ids from known ones, as with serve
    #[arg(long, value_name = "SIZE", env = "ONCELOG_INDEX_FILTER_MEMORY", default_value = "512MiB", value_parser = parse_bytes)]
    pub index_filter_memory: u64,
}

/// Repairs it. 0 nothing to do, or repaired and verified; 1 damage; 2 could not run.
pub fn run(arguments: &RepairArguments) -> ExitCode {
    ExitCode::from(match repaired(arguments) {
        Ok(repair) => say(&repair, arguments),
        Err(error) => {
            super::say_error(&error);
            if let Some(advice) = advice(&error) {
                super::say(advice);
            }
            match &error {
                RepairError::Log(error) if !arguments.yes => outcome::code_of(error),
                _ => COULD_NOT_RUN,
            }
        }
    })
}

fn repaired(arguments: &RepairArguments) -> Result<Repair, RepairError> {
    let wanted = arguments.tmp_dir.as_deref();
    let scratch = scratch_dir(wanted).map_err(|source| RepairError::Directory {
        path: wanted.map_or_else(std::env::temp_dir, PathBuf::from),
        source,
    })?;
    let _stop = StopFlag::watch(scratch.path(), true);
    let progress = RepairProgress::new();
    let options = RepairOptions {
        data_dir: &arguments.data_dir.data_dir,
        acts: arguments.yes,
        scratch: scratch.path(),
        filter_memory_bytes: arguments.index_filter_memory,
    };
    let report = Report {
        data_dir: options.data_dir,
    };
    let repaired = repair(&options, &report, &mut |told| progress.take(told));
    progress.end();
    repaired
}

/// What is told, also in the files beside what is kept.
struct Report<'d> {
    data_dir: &'d Path,
}

impl Reporter for Report<'_> {
    fn text(&self, repair: &Repair) -> String {
        text::of(repair, self.data_dir)
    }

    fn json(&self, repair: &Repair) -> String {
        format!("{}\n", json::of(repair))
    }
}

fn say(repair: &Repair, arguments: &RepairArguments) -> u8 {
    let report = Report {
        data_dir: &arguments.data_dir.data_dir,
    };
    let text = match arguments.json {
        true => report.json(repair),
        false => report.text(repair),
    };
    let printed = outcome::print(text.as_bytes());
    if let Err(error) = &printed {
        super::say_error(error);
    }
    let verified = repair.outcome.as_ref().map(|outcome| &outcome.verified);
    if let Some(Err(error)) = verified {
        super::say_error(error);
        super::say("it is repaired, and could not be verified; oncelog verify does that");
    }
    match repair.is_well() {
        _ if matches!(verified, Some(Err(_))) || printed.is_err() => COULD_NOT_RUN,
        true => ALL_WELL,
        false => DAMAGE,
    }
}

/// What to do about it, where the message does not say so.
fn advice(error: &RepairError) -> Option<&'static str> {
    let source = match error {
        RepairError::Log(LogError::Io { source, .. }) | RepairError::Directory { source, .. } => {
            source
        }
        RepairError::NoRoom(_) => {
            return Some("nothing was changed; make room there, and run it again");
        }
        RepairError::Index(_) => {
            return Some("nothing is lost; put that right, and run oncelog repair --yes again");
        }
        RepairError::OldIndex(IndexError::Full(_)) => {
            return Some("--tmp-dir names another place for a copy of it");
        }
        _ => return None,
    };
    is_disk_full(source).then_some("nothing is lost; make room, and run it again")
}
