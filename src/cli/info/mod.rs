//! `oncelog info`: the overview of a store.

mod json;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use crate::config::DataDir;
use crate::inspect::info::{IndexState, InfoError, InfoOptions, StoreInfo, info};
use crate::log::LogError;

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

const DAMAGE: u8 = 1;
const COULD_NOT: u8 = 2;

/// Shows it. 0 all well, 1 damage, or an index that is not this log's or ahead of it, 2 could not
/// run.
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
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(code_of(&info)),
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(code_of(&info)),
        Err(error) => {
            super::say_error(&error);
            ExitCode::from(COULD_NOT)
        }
    }
}

fn code_of(info: &StoreInfo) -> u8 {
    use crate::index::IndexError::OtherVersion;
    match &info.index.state {
        IndexState::Unreadable(_) => COULD_NOT,
        IndexState::Ahead(_) => DAMAGE,
        // Of an upgrade, which the next start does.
        IndexState::Unusable(OtherVersion { .. }) if info.log.damage.is_none() => 0,
        IndexState::Unusable(_) => DAMAGE,
        _ if info.log.damage.is_some() => DAMAGE,
        IndexState::None | IndexState::Complete | IndexState::Behind(_) => 0,
    }
}

fn code_of_error(error: &InfoError) -> u8 {
    match error {
        InfoError::Log(LogError::Corrupt(_) | LogError::Foreign { .. }) => DAMAGE,
        _ => COULD_NOT,
    }
}
