//! `oncelog info`: the overview of a store.

mod json;
mod text;

use std::process::ExitCode;

use clap::Args;

use crate::config::DataDir;
use crate::inspect::info::{IndexState, InfoError, InfoOptions, StoreInfo, info};

use super::outcome::{self, ALL_WELL, COULD_NOT_RUN, DAMAGE};
use super::scratch::scratch_dir;

/// For the help.
pub const EXAMPLE: &str = "\
Examples:
  oncelog info --data-dir /var/lib/oncelog
  oncelog info --json | jq .index.behind";

/// The options of `info`.
#[derive(Clone, Debug, Args)]
pub struct InfoArguments {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub data_dir: DataDir,

    /// How many topics are shown, those with the most events first
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub topics: usize,

    /// One JSON object instead of text for people
    #[arg(long)]
    pub json: bool,
}

/// Shows it. 0 all well, 1 damage, a repair that was stopped, or an index that is not this log's or
/// ahead of it, 2 could not run.
pub fn run(arguments: &InfoArguments) -> ExitCode {
    let looked = info(&InfoOptions {
        data_dir: &arguments.data_dir.data_dir,
        topics_max: arguments.topics,
        copy_to: &|| scratch_dir(None),
    });
    let info = match looked {
        Ok(info) => info,
        Err(error) => {
            super::say_error(&error);
            return ExitCode::from(code_of_error(&error));
        }
    };
    let text = match arguments.json {
        true => format!("{}\n", json::of(&info)),
        false => text::of(&info),
    };
    if let Err(error) = outcome::print(text.as_bytes()) {
        super::say_error(&error);
        return ExitCode::from(COULD_NOT_RUN);
    }
    ExitCode::from(code_of(&info))
}

fn code_of(info: &StoreInfo) -> u8 {
    use crate::index::IndexError::OtherVersion;
    match &info.index.state {
        IndexState::Unreadable(_) => COULD_NOT_RUN,
        _ if info.has_stopped_repair() => DAMAGE,
        IndexState::Ahead(_) | IndexState::BeyondDamage => DAMAGE,
        // Of an upgrade, which the next start does.
        IndexState::Unusable(OtherVersion { .. }) if info.log.damage.is_none() => ALL_WELL,
        IndexState::Unusable(_) => DAMAGE,
        _ if info.log.damage.is_some() => DAMAGE,
        IndexState::None | IndexState::Complete | IndexState::Behind(_) => ALL_WELL,
    }
}

fn code_of_error(error: &InfoError) -> u8 {
    match error {
        InfoError::Log(error) => outcome::code_of(error),
        InfoError::Lock { .. } => COULD_NOT_RUN,
    }
}
